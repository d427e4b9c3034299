//! What a master needs to know before it starts.

use std::path::PathBuf;
use std::time::Duration;

use types::{ByteSize, ChunkSize, limits};

/// The settings of one master. [`Config::new`] has the defaults; change the fields that differ.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the log is. Made and formatted when it is empty or missing.
    pub dir: PathBuf,
    /// Where gRPC listens: `host:port`; port 0 lets the system choose.
    pub listen: String,
    /// Where HTTP (health) listens: `host:port`; port 0 lets the system choose.
    pub http: String,
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
        if self.lease_soft_limit > self.lease_hard_limit {
            return Err(InvalidConfig::LeaseLimits {
                soft: self.lease_soft_limit,
                hard: self.lease_hard_limit,
            });
        }
        Ok(())
    }
}

/// Settings that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
        for wrong in [dead, none, lease] {
            assert!(wrong.check().is_err());
        }
    }
}
