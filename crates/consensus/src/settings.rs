//! What a member is told before it starts.

use std::time::Duration;

use checkpoint::Pace;
use metrics::Histogram;

/// The settings of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// A checkpoint is written after so many bytes of log.
    pub checkpoint_log_bytes: u64,
    /// How fast it is written.
    pub checkpoint_pace: Pace,
    /// How often a leader says that it is there.
    pub heartbeat: Duration,
    /// When a follower that hears nothing from a leader stands for election: after a random time between these, as far as
    /// the heartbeat allows. While half of the longer one has not passed, no other one gets its vote.
    pub election: (Duration, Duration),
    /// Where the others reach this member, as `host:port`.
    pub address: String,
    /// The addresses of all members that begin the group, this one's included. Empty, or this one alone: a group of one.
    pub peers: Vec<String>,
    /// How long the syncs of the log take.
    pub log_syncs: Histogram,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            checkpoint_log_bytes: 256 << 20,
            checkpoint_pace: Pace::default(),
            heartbeat: Duration::from_millis(50),
            election: (Duration::from_millis(250), Duration::from_millis(500)),
            address: String::new(),
            peers: Vec::new(),
            log_syncs: Histogram::default(),
        }
    }
}

impl Settings {
    /// Whether this member begins a group of its own.
    pub(crate) fn alone(&self) -> bool {
        self.peers.iter().all(|peer| *peer == self.address)
    }
}
