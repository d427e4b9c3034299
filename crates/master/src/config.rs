//! What a master needs to know before it starts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use placement::{Policy, PolicyName};
use types::{ByteSize, ChunkSize, limits};

/// Where every change that clients ask for is told, and every one that was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLog {
    /// The file.
    pub path: PathBuf,
    /// What it may have before it makes room for the next.
    pub bytes_max: u64,
    /// Full files that are kept beside it; one at least.
    pub kept: u32,
}

impl AuditLog {
    /// Files of 64 MiB, and eight full ones.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            bytes_max: 64 << 20,
            kept: 8,
        }
    }
}

/// The settings of one master. [`Config::new`] has the defaults; change the fields that differ.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the log is. Made and formatted when it is empty or missing.
    pub dir: PathBuf,
    /// Where gRPC listens: `host:port`; port 0 lets the system choose.
    pub listen: String,
    /// Where HTTP (health) listens: `host:port`; port 0 lets the system choose.
    pub http: String,
    /// Where changes are told; none: nowhere.
    pub audit: Option<AuditLog>,
    /// How other masters, datanodes and clients reach this master: `host:port`. None: where gRPC listens.
    pub advertise: Option<String>,
    /// The addresses of the masters that begin a cluster together, the own one among them; the same list, in any order, at
    /// each. Empty, or only the own: one master alone. Of no effect on a master that belongs to a group already.
    pub masters: Vec<String>,
    /// How often the leading master tells the others that it leads.
    pub raft_heartbeat: Duration,
    /// After how long without word from the leader another master wants to lead: at least this, at random up to twice as
    /// long.
    pub election_timeout: Duration,
    /// A checkpoint is written after so many bytes of log.
    pub checkpoint_log: ByteSize,
    /// The share of all chunks, from 0 to 1, that datanodes have to have reported before a cluster that starts takes
    /// changes.
    pub safe_mode_share: f64,
    /// Replicas of each chunk of a file that asks for no number.
    pub replication: u16,
    /// On how many datanodes a chunk has to be on disk before it counts as written. None: 2, or 1 where `replication` is 1.
    /// A file that asks for fewer replicas than this needs only as many as it asks for.
    pub min_replicas: Option<u16>,
    /// The chunk size of a file that asks for none.
    pub chunk_size: ChunkSize,
    /// How often datanodes are to report that they live.
    pub heartbeat_interval: Duration,
    /// After how long without a heartbeat a datanode counts as dead.
    pub dead_after: Duration,
    /// How often datanodes are to report all that they have.
    pub block_report_interval: Duration,
    /// How long a lease that is not renewed keeps other writers out: clients are told to renew well within it. After it,
    /// the lease ends when somebody else wants the file.
    pub lease_soft_limit: Duration,
    /// How long a lease that is not renewed lasts when nobody else wants the file.
    pub lease_hard_limit: Duration,
    /// How long `Complete` waits for datanodes to report the chunks of a file before it answers `NOT_REPLICATED`.
    pub complete_timeout: Duration,
    /// Space that is left free on every storage of every datanode.
    pub storage_reserve: ByteSize,
    /// How datanodes are chosen for a chunk.
    pub placement: PolicyName,
    /// With the policy `ring`: the points on it of a datanode of mean capacity.
    pub ring_points: u32,
    /// Data streams above which a datanode gets no new chunks.
    pub streams_max: u32,
    /// The user that permissions do not bind.
    pub superuser: String,
}

impl Config {
    /// The defaults for a master whose log is in `dir` and whose permissions `superuser` is above.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, superuser: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            listen: "127.0.0.1:9800".to_owned(),
            http: "127.0.0.1:9870".to_owned(),
            audit: None,
            advertise: None,
            masters: Vec::new(),
            raft_heartbeat: Duration::from_millis(50),
            election_timeout: Duration::from_millis(250),
            checkpoint_log: ByteSize(256 << 20),
            safe_mode_share: 0.999,
            replication: limits::REPLICATION_DEFAULT,
            min_replicas: None,
            chunk_size: ChunkSize::default(),
            heartbeat_interval: Duration::from_secs(3),
            dead_after: Duration::from_secs(10),
            block_report_interval: Duration::from_secs(30),
            lease_soft_limit: Duration::from_secs(60),
            lease_hard_limit: Duration::from_secs(20 * 60),
            complete_timeout: Duration::from_secs(30),
            storage_reserve: ByteSize(64 << 20),
            placement: PolicyName::default(),
            ring_points: Policy::RING_POINTS,
            streams_max: 256,
            superuser: superuser.into(),
        }
    }

    /// The `min_replicas` in force.
    #[must_use]
    pub fn required_replicas(&self) -> u16 {
        self.min_replicas
            .unwrap_or(if self.replication >= 2 { 2 } else { 1 })
    }

    /// # Errors
    /// When settings contradict each other.
    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        if self.replication == 0 || self.replication > limits::REPLICATION_MAX {
            return Err(InvalidConfig::Replication(self.replication));
        }
        let min_replicas = self.required_replicas();
        if min_replicas == 0 || min_replicas > self.replication {
            return Err(InvalidConfig::MinReplicas {
                min_replicas,
                replication: self.replication,
            });
        }
        if self.dead_after <= self.heartbeat_interval {
            return Err(InvalidConfig::DeadAfter {
                dead_after: self.dead_after,
                heartbeat_interval: self.heartbeat_interval,
            });
        }
        if self.heartbeat_interval.is_zero() || self.block_report_interval.is_zero() {
            return Err(InvalidConfig::NoInterval);
        }
        if !(0.0..=1.0).contains(&self.safe_mode_share) {
            return Err(InvalidConfig::SafeModeShare(self.safe_mode_share));
        }
        if self.raft_heartbeat.is_zero() || self.election_timeout < self.raft_heartbeat * 3 {
            return Err(InvalidConfig::Election {
                heartbeat: self.raft_heartbeat,
                election: self.election_timeout,
            });
        }
        self.check_peers()?;
        if self.lease_soft_limit > self.lease_hard_limit {
            return Err(InvalidConfig::LeaseLimits {
                soft: self.lease_soft_limit,
                hard: self.lease_hard_limit,
            });
        }
        Ok(())
    }

    /// The own address as far as it is known before the socket is bound.
    fn own_name(&self) -> &str {
        self.advertise.as_deref().unwrap_or(&self.listen)
    }

    fn check_peers(&self) -> Result<(), InvalidConfig> {
        if self.masters.is_empty() {
            return Ok(());
        }
        if self.masters.len() > MASTERS_MAX {
            return Err(InvalidConfig::TooManyMasters(self.masters.len()));
        }
        let own = self.own_name();
        if self.masters.iter().all(|peer| peer != own) {
            return Err(InvalidConfig::NotAmongMasters {
                own: own.to_owned(),
                peers: self.masters.join(", "),
            });
        }
        let distinct: BTreeSet<_> = self.masters.iter().collect();
        if distinct.len() < self.masters.len() {
            return Err(InvalidConfig::MasterTwice(self.masters.join(", ")));
        }
        Ok(())
    }
}

/// Masters of a cluster.
const MASTERS_MAX: usize = 5;

/// Settings that contradict each other.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidConfig {
    /// Replication is out of range.
    #[error("replication {0} is not allowed: it must be from 1 to {max}", max = limits::REPLICATION_MAX)]
    Replication(u16),
    /// `min_replicas` can never be reached.
    #[error(
        "min_replicas {min_replicas} must be at least 1 and at most the replication, which is {replication}"
    )]
    MinReplicas {
        /// What was set.
        min_replicas: u16,
        /// What it must not exceed.
        replication: u16,
    },
    /// Every datanode would be dead between two heartbeats.
    #[error("dead_after ({dead_after:?}) must be longer than heartbeat_interval ({heartbeat_interval:?})")]
    DeadAfter {
        /// What was set.
        dead_after: Duration,
        /// What it must exceed.
        heartbeat_interval: Duration,
    },
    /// An interval is zero.
    #[error("heartbeat_interval and block_report_interval must be longer than zero")]
    NoInterval,
    /// A share that is none.
    #[error("safe_mode_share {0} must be from 0 to 1")]
    SafeModeShare(f64),
    /// Masters would stand for election between two words of a healthy leader.
    #[error(
        "the election timeout of masters ({election:?}) must be at least three times their heartbeat ({heartbeat:?})"
    )]
    Election {
        /// How often the leader speaks.
        heartbeat: Duration,
        /// How long its silence is borne.
        election: Duration,
    },
    /// More masters than a cluster can have.
    #[error("{0} masters are configured; {MASTERS_MAX} are allowed")]
    TooManyMasters(usize),
    /// The masters that are to begin together do not include this one.
    #[error(
        "this master's own address, {own}, is not among the configured masters ({peers}); set the address under which \
         the others reach it"
    )]
    NotAmongMasters {
        /// What this master is called.
        own: String,
        /// Who is configured.
        peers: String,
    },
    /// A master is configured twice.
    #[error("an address occurs twice among the configured masters ({0})")]
    MasterTwice(String),
    /// The soft limit is longer than the hard one.
    #[error("the soft lease limit ({soft:?}) must not be longer than the hard one ({hard:?})")]
    LeaseLimits {
        /// After this others may take over.
        soft: Duration,
        /// After this the lease is over.
        hard: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together() {
        let config = Config::new("/x", "root");
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.required_replicas(), 2);
    }

    #[test]
    fn one_replica_needs_one() {
        let mut config = Config::new("/x", "root");
        config.replication = 1;
        assert_eq!((config.required_replicas(), config.check()), (1, Ok(())));
        config.min_replicas = Some(2);
        assert!(config.check().is_err(), "two can never be reached");
    }

    #[test]
    fn contradictions_are_refused() {
        let config = || Config::new("/x", "root");
        let dead = Config {
            dead_after: Duration::from_secs(3),
            ..config()
        };
        let none = Config {
            replication: 0,
            ..config()
        };
        let lease = Config {
            lease_soft_limit: Duration::from_secs(3_600),
            ..config()
        };
        let share = Config {
            safe_mode_share: 1.5,
            ..config()
        };
        let hasty = Config {
            election_timeout: Duration::from_millis(100),
            ..config()
        };
        for wrong in [dead, none, lease, share, hasty] {
            assert!(wrong.check().is_err());
        }
    }

    #[test]
    fn masters_know_themselves_and_each_other_once() {
        let peers = |own: &str, peers: &[&str]| Config {
            advertise: Some(own.to_owned()),
            masters: peers.iter().map(|&peer| peer.to_owned()).collect(),
            ..Config::new("/x", "root")
        };
        assert_eq!(peers("a:1", &["a:1", "b:1", "c:1"]).check(), Ok(()));
        assert_eq!(peers("a:1", &[]).check(), Ok(()));
        let wrong = [
            peers("d:1", &["a:1", "b:1", "c:1"]),
            peers("a:1", &["a:1", "b:1", "b:1"]),
            peers("a:1", &["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"]),
        ];
        for config in wrong {
            assert!(config.check().is_err(), "{:?}", config.masters);
        }
    }
}
