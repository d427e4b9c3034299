//! The one table of settings.

use types::limits;

use super::value::Kind;

/// Names a setting in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Master,
    MasterHost,
    MasterPort,
    User,
    Groups,
    LogLevel,
    LogFormat,
    OtlpEndpoint,
    OtlpShare,
    Timeout,
    ReplicationFactor,
    ChunkSize,
    Parallel,
    MemoryBudget,
    LocalReads,
    StoragePath,
    Listen,
    Advertise,
    AdvertiseHttpPort,
    HttpNames,
    HttpPort,
    DataPort,
    LocalSocket,
    LocalSocketMode,
    DatanodeHttpPort,
    Masters,
    RaftHeartbeat,
    ElectionTimeout,
    CheckpointLog,
    SafeModeShare,
    Rack,
    MinReplicas,
    Superuser,
    AuditLog,
    HeartbeatInterval,
    DeadAfter,
    BlockreportInterval,
    LeaseHardLimit,
    AbandonedWriteTimeout,
    MaxStreams,
    QuarantineRetention,
    ScrubPeriod,
    GcInterval,
    RepairInterval,
    Placement,
    HashRingSize,
    RackScript,
}

/// The commands that have a flag for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    Global,
    /// Those that write or read whole files: `put`, `get`, `cp`.
    Write,
    /// `master`.
    Master,
    /// `datanode`.
    Datanode,
    /// `mini`.
    Mini,
}

/// One setting: a flag, an environment variable, a key of `config.yaml` and a default.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the code.
    pub(crate) key: Key,
    /// Its name in `config.yaml`.
    pub(crate) name: &'static str,
    /// Its name in the environment.
    pub(crate) env: &'static str,
    /// Its flag, without the dashes.
    pub(crate) flag: &'static str,
    /// Another name of the flag; empty for none.
    pub(crate) flag_alias: &'static str,
    /// How its text is read.
    pub(crate) kind: Kind,
    /// What holds when nobody says anything: a text to be read like any other, or nothing and then a word about it.
    pub(crate) fallback: Fallback,
    /// Which commands have the flag.
    pub(crate) scopes: &'static [Scope],
    /// Whether anything acts on it already.
    pub(crate) used: bool,
    /// What it does.
    pub(crate) doc: &'static str,
}

/// What holds when a setting is not set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fallback {
    /// This text.
    Is(&'static str),
    /// Something that depends on where it is used; this says what.
    Depends(&'static str),
}

use Fallback::{Depends, Is};
use Scope::{Datanode, Global, Master, Mini, Write};

const fn setting(key: Key, name: &'static str, env: &'static str, flag: &'static str) -> Setting {
    Setting {
        key,
        name,
        env,
        flag,
        flag_alias: "",
        kind: Kind::Text,
        fallback: Is(""),
        scopes: &[],
        used: true,
        doc: "",
    }
}

impl Setting {
    const fn alias(mut self, flag_alias: &'static str) -> Self {
        self.flag_alias = flag_alias;
        self
    }
    const fn kind(mut self, kind: Kind, fallback: Fallback) -> Self {
        self.kind = kind;
        self.fallback = fallback;
        self
    }
    const fn on(mut self, scopes: &'static [Scope]) -> Self {
        self.scopes = scopes;
        self
    }
    const fn not_used_yet(mut self) -> Self {
        self.used = false;
        self
    }
    const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

const COUNT: Kind = Kind::Count {
    min: 1,
    max: u64::MAX,
};

/// Every setting, in the order in which `distrifs config` prints them.
pub(crate) static TABLE: &[Setting] = &[
    setting(Key::Master, "master", "DISTRIFS_MASTER", "master")
        .alias("meta")
        .kind(Kind::Masters, Depends("masters, else master_host:master_port"))
        .on(&[Global])
        .doc("Where the masters are (some of them are enough); http:// before an address is accepted"),
    setting(Key::MasterHost, "master_host", "DISTRIFS_MASTER_HOST", "master-host")
        .kind(Kind::Text, Is("127.0.0.1"))
        .on(&[Global])
        .doc("The host of the master, where --master is not given"),
    setting(Key::MasterPort, "master_port", "DISTRIFS_MASTER_PORT", "master-port")
        .kind(Kind::Port, Is("9800"))
        .on(&[Global])
        .doc("The gRPC port of the master: to listen on (master, mini), or to call"),
    setting(Key::User, "user", "DISTRIFS_USER", "user")
        .kind(Kind::Text, Depends("the user of the operating system"))
        .on(&[Global])
        .doc("Who is asking"),
    setting(Key::Groups, "groups", "DISTRIFS_GROUPS", "groups")
        .kind(Kind::List, Depends("the groups of the operating system"))
        .on(&[Global])
        .doc("The groups of who is asking, the primary one first"),
    setting(Key::LogLevel, "log_level", "DISTRIFS_LOG", "log-level")
        .kind(Kind::LogFilter, Depends("info for master and datanode, warn for mini (of the Raft library less), error for client commands"))
        .on(&[Global])
        .doc("What is logged to stderr: off, error, warn, info, debug, trace, or a filter: info,consensus=debug; of a server, read again from config.yaml on SIGHUP"),
    setting(Key::LogFormat, "log_format", "DISTRIFS_LOG_FORMAT", "log-format")
        .kind(Kind::OneOf(&["text", "json"]), Is("text"))
        .on(&[Global])
        .doc("How it is logged: text for people, or a document of JSON a line"),
    setting(Key::OtlpEndpoint, "otlp_endpoint", "DISTRIFS_OTLP_ENDPOINT", "otlp-endpoint")
        .kind(Kind::Text, Depends("nothing is traced"))
        .on(&[Global])
        .doc("The gRPC port of an OpenTelemetry collector, http://HOST:4317, which is sent a span of each request"),
    setting(Key::OtlpShare, "otlp_share", "DISTRIFS_OTLP_SHARE", "otlp-share")
        .kind(Kind::Share, Is("100%"))
        .on(&[Global])
        .doc("The share of requests that is traced; the same ones at all servers"),
    setting(Key::Timeout, "timeout_s", "DISTRIFS_TIMEOUT_S", "timeout")
        .kind(Kind::Seconds, Is("60s"))
        .on(&[Global])
        .doc("How long a client tries a call to the masters: through an election, or a start in safe mode; the first connection at most 5 s"),
    setting(Key::ReplicationFactor, "replication_factor", "DISTRIFS_RF", "replication")
        .kind(
            Kind::Count { min: 1, max: limits::REPLICATION_MAX as u64 },
            Depends("3 on a master; min(3, datanodes) in mini; the cluster's for a client"),
        )
        .on(&[Write, Master, Mini])
        .doc("Replicas of each chunk of a new file"),
    setting(Key::ChunkSize, "chunk_size", "DISTRIFS_CHUNK_SIZE", "chunk-size")
        .kind(Kind::ChunkSize, Depends("64 MiB on a master; the cluster's for a client"))
        .on(&[Write, Master, Mini])
        .doc("Chunk size of a new file: a multiple of 512 bytes, from 512 bytes to 1 GiB"),
    setting(Key::Parallel, "parallel", "DISTRIFS_PARALLEL", "parallel")
        .kind(Kind::Count { min: 1, max: 256 }, Is("8"))
        .on(&[Write])
        .doc("Files in flight at once"),
    setting(Key::MemoryBudget, "memory_budget", "DISTRIFS_MEMORY_BUDGET", "memory-budget")
        .kind(Kind::Bytes { min: 8 << 20 }, Is("64MiB"))
        .on(&[Write])
        .doc("Memory for data in flight, of all files together"),
    setting(Key::LocalReads, "local_reads", "DISTRIFS_LOCAL_READS", "local-reads")
        .kind(Kind::OneOf(&["yes", "no"]), Is("yes"))
        .on(&[Global])
        .doc("Whether what a datanode on this host has is read from its files, where it hands them over"),
    setting(Key::StoragePath, "storage_path", "DISTRIFS_STORAGE_PATH", "dir")
        .alias("storage-path")
        .kind(Kind::Path, Depends("mini: ~/.local/share/distrifs/mini; master and datanode: must be given"))
        .on(&[Master, Datanode, Mini])
        .doc("Where a server keeps its data; formatted when it is empty"),
    setting(Key::Listen, "listen", "DISTRIFS_LISTEN", "listen")
        .kind(Kind::Listen, Depends("127.0.0.1 in mini, else 0.0.0.0; with the port settings"))
        .on(&[Master, Datanode, Mini])
        .doc("The address to listen on; a port in it is the gRPC port of a master, the data port of a datanode"),
    setting(Key::Advertise, "advertise", "DISTRIFS_ADVERTISE", "advertise")
        .kind(Kind::Text, Depends("the address listened on; where that is all addresses, the one that masters see"))
        .on(&[Master, Datanode])
        .doc("The address under which others reach this server, HOST or HOST:PORT, where it is not the one listened on"),
    setting(
        Key::AdvertiseHttpPort,
        "advertise_http_port",
        "DISTRIFS_ADVERTISE_HTTP_PORT",
        "advertise-http-port",
    )
    .kind(Kind::Port, Depends("the port listened on"))
    .on(&[Datanode])
    .doc("The port under which others reach the HTTP of a datanode, on the host of --advertise"),
    setting(Key::HttpNames, "http_names", "DISTRIFS_HTTP_NAMES", "http-names")
        .kind(Kind::List, Depends("the names of this machine, and those that are advertised"))
        .on(&[Master, Datanode, Mini])
        .doc("Further names under which browsers reach this server, or the masters (a proxy's): pages may change something under no other"),
    setting(Key::HttpPort, "http_port", "DISTRIFS_HTTP_PORT", "http-port")
        .kind(Kind::Port, Is("9870"))
        .on(&[Master, Mini])
        .doc("The HTTP port of a master: /healthz, /readyz, /metrics"),
    setting(Key::DataPort, "data_port", "DISTRIFS_DATA_PORT", "data-port")
        .kind(Kind::Port, Is("9866"))
        .on(&[Datanode, Mini])
        .doc("The data port of a datanode; in mini of the first one, the others take the ports that follow"),
    setting(
        Key::DatanodeHttpPort,
        "datanode_http_port",
        "DISTRIFS_DATANODE_HTTP_PORT",
        "datanode-http-port",
    )
    .kind(Kind::Port, Is("9864"))
    .on(&[Datanode, Mini])
    .doc("The HTTP port of a datanode: /healthz, /readyz, /metrics; in mini of the first one, the others take ports that follow"),
    setting(Key::Masters, "masters", "DISTRIFS_MASTERS", "masters")
        .kind(Kind::Masters, Depends("none: a master alone"))
        .on(&[Master])
        .doc("All masters that begin a cluster together, this one too: one, three or five, the same list at each"),
    setting(Key::RaftHeartbeat, "raft_heartbeat_s", "DISTRIFS_RAFT_HEARTBEAT_S", "raft-heartbeat")
        .kind(Kind::Seconds, Is("50ms"))
        .on(&[Master, Mini])
        .doc("How often the leading master tells the others that it leads"),
    setting(Key::ElectionTimeout, "election_timeout_s", "DISTRIFS_ELECTION_TIMEOUT_S", "election-timeout")
        .kind(Kind::Seconds, Is("250ms"))
        .on(&[Master, Mini])
        .doc("How long the leading master may be silent before another one wants to lead (after this and three heartbeats more, at random up to twice this)"),
    setting(Key::CheckpointLog, "checkpoint_log", "DISTRIFS_CHECKPOINT_LOG", "checkpoint-log")
        .kind(Kind::Bytes { min: 1 << 20 }, Is("256MiB"))
        .on(&[Master, Mini])
        .doc("After so much log a master writes a checkpoint"),
    setting(Key::SafeModeShare, "safe_mode_share", "DISTRIFS_SAFE_MODE_SHARE", "safe-mode-share")
        .kind(Kind::Share, Is("99.9%"))
        .on(&[Master, Mini])
        .doc("The share of chunks that must be reported before a cluster that has started takes changes"),
    setting(Key::Rack, "rack", "DISTRIFS_RACK", "rack")
        .kind(Kind::Text, Is("/default-rack"))
        .on(&[Datanode])
        .doc("The rack of a datanode"),
    setting(Key::RackScript, "rack_script", "DISTRIFS_RACK_SCRIPT", "rack-script")
        .kind(Kind::Path, Depends("none"))
        .on(&[Datanode])
        .doc("A program that is run once when the datanode starts; the first line that it prints is the rack, in place of --rack"),
    setting(Key::MinReplicas, "min_replicas", "DISTRIFS_MIN_REPLICAS", "min-replicas")
        .kind(
            Kind::Count { min: 1, max: limits::REPLICATION_MAX as u64 },
            Depends("2 for files of 2 or more replicas, else 1"),
        )
        .on(&[Master, Mini])
        .doc("Datanodes that must have a chunk on disk before it is acknowledged"),
    setting(Key::Superuser, "superuser", "DISTRIFS_SUPERUSER", "superuser")
        .kind(Kind::Text, Depends("the user that the master runs as"))
        .on(&[Master, Mini])
        .doc("The user for whom permissions are waived"),
    setting(Key::AuditLog, "audit_log", "DISTRIFS_AUDIT_LOG", "audit-log")
        .kind(Kind::Path, Depends("none"))
        .on(&[Master])
        .doc("A file in which every change that clients ask for is told, and every denied one: who, from where, what, with what result"),
    setting(
        Key::HeartbeatInterval,
        "heartbeat_interval_s",
        "DISTRIFS_HEARTBEAT_INTERVAL_S",
        "heartbeat-interval",
    )
    .kind(Kind::Seconds, Is("3s"))
    .on(&[Master, Mini])
    .doc("How often a datanode says that it is alive"),
    setting(Key::DeadAfter, "dead_after_s", "DISTRIFS_DEAD_AFTER_S", "dead-after")
        .kind(Kind::Seconds, Is("10s"))
        .on(&[Master, Mini])
        .doc("How long a datanode may be silent before it counts as dead"),
    setting(
        Key::BlockreportInterval,
        "blockreport_interval_s",
        "DISTRIFS_BLOCKREPORT_INTERVAL_S",
        "blockreport-interval",
    )
    .kind(Kind::Seconds, Is("30s"))
    .on(&[Master, Mini])
    .doc("How often a datanode reports everything that it has"),
    setting(Key::LeaseHardLimit, "lease_hard_limit_s", "DISTRIFS_LEASE_HARD_LIMIT_S", "lease-hard-limit")
        .kind(Kind::Seconds, Depends("20m"))
        .on(&[Master, Mini])
        .doc("How long a writer may be silent before its file is given up"),
    setting(
        Key::AbandonedWriteTimeout,
        "abandoned_write_timeout_s",
        "DISTRIFS_ABANDONED_WRITE_TIMEOUT_S",
        "abandoned-write-timeout",
    )
    .kind(Kind::Seconds, Is("60s"))
    .on(&[Datanode, Mini])
    .doc("When a datanode removes an empty replica whose writer has vanished; of one with bytes the masters say when"),
    setting(Key::LocalSocket, "local_socket", "DISTRIFS_LOCAL_SOCKET", "local-socket")
        .kind(Kind::Path, Depends("local.sock in the first directory"))
        .on(&[Datanode])
        .doc("Where a datanode hands files of replicas to programs on its host, or off: they read over the network then"),
    setting(
        Key::LocalSocketMode,
        "local_socket_mode",
        "DISTRIFS_LOCAL_SOCKET_MODE",
        "local-socket-mode",
    )
    .kind(Kind::OneOf(&["600", "660", "666"]), Is("660"))
    .on(&[Datanode, Mini])
    .doc("Who may use that socket, and so read all that the datanode has: its user, its group too, or everybody"),
    setting(Key::MaxStreams, "max_streams", "DISTRIFS_MAX_STREAMS", "max-streams")
        .kind(COUNT, Depends("256"))
        .on(&[Datanode, Mini])
        .doc("Data streams of a datanode at once"),
    setting(
        Key::QuarantineRetention,
        "quarantine_retention_s",
        "DISTRIFS_QUARANTINE_RETENTION_S",
        "quarantine-retention",
    )
    .kind(Kind::Seconds, Is("1h"))
    .on(&[Datanode, Mini])
    .doc("How long a datanode keeps deleted replicas, from which they can be restored; less when its disk is full"),
    setting(Key::ScrubPeriod, "scrub_period_s", "DISTRIFS_SCRUB_PERIOD_S", "scrub-period")
        .kind(Kind::Seconds, Is("14d"))
        .on(&[Datanode, Mini])
        .doc("Within this time a datanode reads every replica again from its disk and compares it with its checksums"),
    setting(Key::GcInterval, "gc_interval_s", "DISTRIFS_GC_INTERVAL_S", "gc-interval")
        .kind(Kind::Seconds, Is("60s"))
        .on(&[Master, Mini])
        .not_used_yet()
        .doc("How often chunks that no file holds are collected; today they are deleted at once"),
    setting(Key::RepairInterval, "repair_interval_s", "DISTRIFS_REPAIR_INTERVAL_S", "repair-interval")
        .kind(Kind::Seconds, Is("5s"))
        .on(&[Master, Mini])
        .not_used_yet()
        .doc("How often chunks with too few replicas are looked for; today they are at any time: see distrifs admin jobs"),
    setting(Key::Placement, "placement", "DISTRIFS_PLACEMENT", "placement")
        .kind(Kind::OneOf(&["spread", "ring", "first"]), Is("spread"))
        .on(&[Master, Mini])
        .doc("How datanodes are chosen: spread (by room, load and rack), ring (consistent hashing, by rack), first (by id)"),
    setting(Key::HashRingSize, "hash_ring_size", "DISTRIFS_HASH_RING_SIZE", "hash-ring-size")
        .kind(Kind::Count { min: 1, max: 65_536 }, Is("256"))
        .on(&[Master, Mini])
        .doc("With placement ring: the points on it of a datanode of mean capacity; more spread data more evenly"),
];

impl Fallback {
    /// For people.
    pub(crate) const fn show(self) -> &'static str {
        match self {
            Is(text) | Depends(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_valid() {
        let mut seen = HashSet::new();
        for setting in TABLE {
            assert!(seen.insert(setting.name), "{}", setting.name);
            assert!(seen.insert(setting.env), "{}", setting.env);
            assert!(seen.insert(Box::leak(format!("--{}", setting.flag).into_boxed_str())));
            assert!(setting.env.starts_with("DISTRIFS_"));
            assert!(
                !setting.doc.is_empty() && !setting.scopes.is_empty(),
                "{}",
                setting.name
            );
            if let Is(text) = setting.fallback {
                assert!(
                    setting.kind.parse(text).is_ok(),
                    "the default of {}",
                    setting.name
                );
            }
        }
    }

    #[test]
    fn every_key_has_a_row() {
        for key in [
            Key::Master,
            Key::MasterHost,
            Key::MasterPort,
            Key::User,
            Key::Groups,
            Key::LogLevel,
            Key::LogFormat,
            Key::Timeout,
            Key::ReplicationFactor,
            Key::ChunkSize,
            Key::Parallel,
            Key::MemoryBudget,
            Key::StoragePath,
            Key::Listen,
            Key::Advertise,
            Key::AdvertiseHttpPort,
            Key::HttpNames,
            Key::HttpPort,
            Key::DataPort,
            Key::DatanodeHttpPort,
            Key::Masters,
            Key::RaftHeartbeat,
            Key::ElectionTimeout,
            Key::CheckpointLog,
            Key::SafeModeShare,
            Key::Rack,
            Key::MinReplicas,
            Key::Superuser,
            Key::HeartbeatInterval,
            Key::DeadAfter,
            Key::BlockreportInterval,
            Key::LeaseHardLimit,
            Key::AbandonedWriteTimeout,
            Key::MaxStreams,
            Key::QuarantineRetention,
            Key::ScrubPeriod,
            Key::GcInterval,
            Key::RepairInterval,
            Key::Placement,
            Key::HashRingSize,
            Key::RackScript,
        ] {
            assert_eq!(
                TABLE.iter().filter(|setting| setting.key == key).count(),
                1,
                "{key:?}"
            );
        }
    }

    #[test]
    fn the_names_that_people_know_are_there() {
        for env in [
            "DISTRIFS_MASTER_HOST",
            "DISTRIFS_MASTER_PORT",
            "DISTRIFS_RF",
            "DISTRIFS_CHUNK_SIZE",
            "DISTRIFS_HEARTBEAT_INTERVAL_S",
            "DISTRIFS_BLOCKREPORT_INTERVAL_S",
            "DISTRIFS_GC_INTERVAL_S",
            "DISTRIFS_REPAIR_INTERVAL_S",
        ] {
            assert!(TABLE.iter().any(|setting| setting.env == env), "{env}");
        }
        for name in [
            "replication_factor",
            "hash_ring_size",
            "storage_path",
            "log_level",
        ] {
            assert!(TABLE.iter().any(|setting| setting.name == name), "{name}");
        }
    }
}
