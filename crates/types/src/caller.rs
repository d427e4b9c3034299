//! Who is asking (design decision: every entry point takes the caller, whether or not security is switched on).

use std::fmt;

use serde::{Deserialize, Serialize};

/// One running client (HDFS: client name). Holds leases and keys the retry cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u128);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The number of a call among those of one client. A retry keeps the number of the call that it repeats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

/// What makes a call unique: a retried change with the same request id gets the first answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// Who calls.
    pub client: ClientId,
    /// Which of its calls this is.
    pub call: CallId,
}

/// The identity that permissions are checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The user's name.
    pub user: String,
    /// The groups the user is in; the first is the primary one.
    pub groups: Vec<String>,
    /// Whether permissions are waived. Stamped by the leader, never taken from the wire.
    pub superuser: bool,
}

impl Caller {
    /// Whether the user is in `group`.
    #[must_use]
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}
