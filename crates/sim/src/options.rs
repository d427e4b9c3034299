//! What a simulation is to be. What is not said follows from the seed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chaos::Profile;
use fastrand::Rng;
use plant::Bug;

/// A bug on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// Datanodes do not sync the bytes of replicas.
    ReplicaSync,
    /// Datanodes do not sync the names of replicas.
    ReplicaNameSync,
    /// Masters do not sync their logs.
    LogSync,
    /// One of the product's own, which only a build with the feature `bugs` can have.
    Bug(Bug),
}

impl Plant {
    /// All, by their names.
    pub const ALL: [(&'static str, Self); 8] = [
        ("replica-sync", Self::ReplicaSync),
        ("replica-name-sync", Self::ReplicaNameSync),
        ("log-sync", Self::LogSync),
        ("acknowledge-early", Self::Bug(Bug::AcknowledgeEarly)),
        ("ignore-fence", Self::Bug(Bug::IgnoreFence)),
        ("destroy-unverified", Self::Bug(Bug::DestroyUnverified)),
        ("reuse-generation", Self::Bug(Bug::ReuseGeneration)),
        ("obey-former", Self::Bug(Bug::ObeyFormer)),
    ];

    /// Whether this build can have it.
    #[must_use]
    pub const fn is_possible(self) -> bool {
        plant::POSSIBLE || !matches!(self, Self::Bug(_))
    }
}

/// What is listened to.
pub const LOG: &str = "info,openraft=warn,openraft::core::heartbeat=error";

/// A simulation.
#[derive(Debug, Clone)]
pub struct Options {
    /// What everything follows from.
    pub seed: u64,
    /// Masters: 1 to 5.
    pub masters: usize,
    /// Datanodes.
    pub datanodes: usize,
    /// Directories of each datanode.
    pub dirs: usize,
    /// What clients do.
    pub profile: Profile,
    /// How long faults happen.
    pub time: Duration,
    /// Clients and faults take so many times as long between two things: more time, in which as much happens.
    pub pace: u32,
    /// A bug on purpose.
    pub plant: Option<Plant>,
    /// Whether no fault happens.
    pub quiet: bool,
    /// Faults that are left out: `f` and `w` with their numbers, as [`Report::happened`](crate::Report::happened) has them.
    pub skip: BTreeSet<String>,
    /// Where the whole trace is written.
    pub trace: Option<PathBuf>,
    /// What the servers say: a filter as in `RUST_LOG`.
    pub log: String,
}

impl Options {
    /// What `seed` says.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed ^ 0x006f_7074);
        let masters = if random.u8(..4) == 0 { 1 } else { 3 };
        Self {
            seed,
            masters,
            datanodes: random.usize(3..=5),
            dirs: random.usize(1..=2),
            profile: if random.u8(..4) == 0 {
                Profile::Flush
            } else {
                Profile::Files
            },
            time: Duration::from_secs(60),
            pace: 1,
            plant: None,
            quiet: false,
            skip: BTreeSet::new(),
            trace: None,
            log: LOG.to_owned(),
        }
    }
}
