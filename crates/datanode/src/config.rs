//! What a datanode is started with.

use std::path::PathBuf;
use std::time::Duration;

use chunkstore::Reserve;

/// The settings of a datanode.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its directories, one for each disk. Empty ones are formatted for the cluster of the first master that answers.
    pub dirs: Vec<PathBuf>,
    /// Masters, `host:port` each. Some of them are enough: they name the others.
    pub masters: Vec<String>,
    /// Where the data plane listens, `host:port`; port 0 lets the system choose.
    pub listen: String,
    /// The name or address that clients and other datanodes reach it by. When it is not given: the address that it listens
    /// on, or, where that is all of them, the one that a connection to the master goes out from.
    pub advertise_host: Option<String>,
    /// The port that goes with it, where it is another one than is listened on: something between translates.
    pub advertise_port: Option<u16>,
    /// The same of HTTP.
    pub advertise_http_port: Option<u16>,
    /// Where it listens for programs on its host, which read finished replicas from its files by themselves.
    pub local_socket: LocalSocket,
    /// The permission bits of that socket: who may write to it may read every replica that is here.
    pub local_socket_mode: u32,
    /// Where HTTP is served, `host:port`; none: nowhere.
    pub http: Option<String>,
    /// Where it stands.
    pub rack: String,
    /// Time between heartbeats, for a master that does not say.
    pub heartbeat_interval: Duration,
    /// Time between full block reports, for a master that does not say.
    pub block_report_interval: Duration,
    /// Data streams at once. Each has a thread, and memory for two packets.
    pub max_streams: usize,
    /// Bytes a second that copies which masters order may send, all together; 0: as many as they can. Masters give each of
    /// them a limit of its own besides.
    pub copy_bytes_per_s: u64,
    /// How long an empty replica whose writer is gone stays. Of others, the masters say when they may go.
    pub abandoned_write_timeout: Duration,
    /// The free space of each disk that is left alone.
    pub reserve: Reserve,
    /// Replicas of up to this many bytes share files with others, and their syncs; 0: each has files of its own.
    pub packed_max: u64,
    /// How long deleted replicas rest before they are destroyed; zero: they do not. Less when their disk is full.
    pub quarantine_retention: Duration,
    /// Every replica is read again from the disk, and compared with its checksums, within this time.
    pub scrub_period: Duration,
    /// Time limits.
    pub timeouts: Timeouts,
}

/// Where a datanode listens for programs on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalSocket {
    /// Nowhere: all go over the network.
    Off,
    /// `local.sock` in the first of its directories.
    InDirectory,
    /// There.
    At(PathBuf),
}

/// How long to wait for others.
///
/// Limits on a pipeline grow by `hop` for each datanode behind the one that is waited for. A client waits by the same rule:
/// so everyone gives up its neighbour before it is given up itself, and the right one is blamed.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For a connection to another datanode.
    pub connect: Duration,
    /// For a stream to stop, and to let go of its replica, when a recovery takes over. Less than `setup`.
    pub take_over: Duration,
    /// For a pipeline to be set up.
    pub setup: Duration,
    /// For the acknowledgement of a packet.
    pub ack: Duration,
    /// For what ends a chunk, with syncs.
    pub finish: Duration,
    /// Added to a limit for each further datanode.
    pub hop: Duration,
    /// For the next packet, and for room to send: a client sends heartbeats more often than that.
    pub idle: Duration,
    /// For the next request on a connection.
    pub keep_alive: Duration,
    /// For a master's answer.
    pub master: Duration,
    /// The longest pause between attempts to reach a master.
    pub reconnect_max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            take_over: Duration::from_secs(8),
            setup: Duration::from_secs(15),
            ack: Duration::from_secs(10),
            finish: Duration::from_secs(45),
            hop: Duration::from_secs(2),
            idle: Duration::from_secs(60),
            keep_alive: Duration::from_secs(60),
            master: Duration::from_secs(10),
            reconnect_max: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// The defaults, for these directories and masters.
    #[must_use]
    pub fn new(dirs: Vec<PathBuf>, masters: Vec<String>) -> Self {
        Self {
            dirs,
            masters,
            listen: "0.0.0.0:9866".to_owned(),
            advertise_host: None,
            advertise_port: None,
            advertise_http_port: None,
            local_socket: LocalSocket::InDirectory,
            local_socket_mode: 0o660,
            http: None,
            rack: "/default-rack".to_owned(),
            heartbeat_interval: Duration::from_secs(3),
            block_report_interval: Duration::from_secs(30),
            max_streams: 256,
            copy_bytes_per_s: 0,
            abandoned_write_timeout: Duration::from_secs(60),
            reserve: Reserve::Auto,
            packed_max: 64 << 10,
            quarantine_retention: Duration::from_secs(3600),
            scrub_period: Duration::from_secs(14 * 24 * 3600),
            timeouts: Timeouts::default(),
        }
    }
}
