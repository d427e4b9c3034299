//! What can happen to a server.

use std::fmt;
use std::time::Duration;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `SIGKILL`, and a new start on the same directory.
    Kill,
    /// `SIGTERM`, and a new start.
    Restart,
    /// `SIGSTOP`, and `SIGCONT`.
    Stop,
    /// Its network cable is pulled, and plugged in again.
    Cut,
    /// Its disk is filled to the last byte, and freed.
    Fill,
    /// Bits of its replicas flip, files are cut, files vanish.
    Rot,
    /// Killed, its disk is lost, and it starts again with an empty one.
    Wipe,
    /// The disks of two datanodes at once are lost.
    WipeTwo,
    /// All processes are killed at once, and started again.
    Blackout,
}

/// Whom it meets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A datanode, counted from 0.
    Datanode(usize),
    /// Two of them.
    Datanodes(usize, usize),
    /// A master, counted from 0.
    Master(usize),
    /// Everybody.
    All,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The how many-th.
    pub number: u64,
    /// What.
    pub kind: Kind,
    /// Whom it meets.
    pub target: Target,
    /// For how long; of what happens in a moment, how long until it is undone (started again).
    pub lasts: Duration,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Kill,
        Self::Restart,
        Self::Stop,
        Self::Cut,
        Self::Fill,
        Self::Rot,
        Self::Wipe,
        Self::WipeTwo,
        Self::Blackout,
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::Restart => "restarted",
            Self::Stop => "stopped",
            Self::Cut => "cut off",
            Self::Fill => "disk filled",
            Self::Rot => "replicas rotten",
            Self::Wipe => "disk lost",
            Self::WipeTwo => "two disks lost",
            Self::Blackout => "all killed",
        }
    }

    /// Whether replicas that were acknowledged are gone or spoilt by it.
    #[must_use]
    pub const fn destroys(self) -> bool {
        matches!(self, Self::Rot | Self::Wipe | Self::WipeTwo)
    }
}

impl Target {
    /// The datanodes among them.
    #[must_use]
    pub fn datanodes(&self) -> Vec<usize> {
        match self {
            Self::Datanode(one) => vec![*one],
            Self::Datanodes(one, two) => vec![*one, *two],
            Self::Master(_) | Self::All => Vec::new(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datanode(number) => write!(f, "datanode-{}", number + 1),
            Self::Datanodes(one, two) => write!(f, "datanode-{} and datanode-{}", one + 1, two + 1),
            Self::Master(number) => write!(f, "master-{}", number + 1),
            Self::All => f.write_str("all"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.target, self.kind.name())
    }
}
