//! Small faults that destroy nothing, and of which any number may happen at a time. Pure.

use std::time::Duration;

use env::disk::Op;
use fastrand::Rng;

use crate::cluster::Cluster;

/// What is wrong for a while.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// The how many-th.
    pub(crate) number: u64,
    /// Where.
    pub(crate) host: usize,
    pub(crate) what: What,
    /// Zero: it happens in a moment.
    pub(crate) lasts: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    /// What it sends to another host takes longer.
    Slow { to: usize, by: Duration },
    /// Its connections to another host are reset.
    Reset { to: usize },
    /// Its date is another one.
    Jump { by_ms: i64 },
    /// Its disk takes its time.
    SlowDisk { by: Duration },
    /// Its disk answers an operation with an error.
    DiskFails { op: Op, skip: u64 },
}

impl What {
    /// What all of them are called.
    pub(crate) const NAMES: [&'static str; 10] = [
        "slow way",
        "connections reset",
        "clock jumped",
        "slow disk",
        "EIO on write",
        "EIO on fsync",
        "EIO on fsync of a directory",
        "EIO on read",
        "EIO on rename",
        "EIO on create",
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Slow { .. } => "slow way",
            Self::Reset { .. } => "connections reset",
            Self::Jump { .. } => "clock jumped",
            Self::SlowDisk { .. } => "slow disk",
            Self::DiskFails { op, .. } => match op {
                Op::Write => "EIO on write",
                Op::SyncData => "EIO on fsync",
                Op::SyncDir => "EIO on fsync of a directory",
                Op::Read => "EIO on read",
                Op::Rename => "EIO on rename",
                _ => "EIO on create",
            },
        }
    }
}

/// Says what comes next.
pub(crate) struct Forecast {
    random: Rng,
    hosts: usize,
    servers: Vec<usize>,
    number: u64,
}

impl Forecast {
    pub(crate) fn new(cluster: &Cluster, hosts: usize, seed: u64) -> Self {
        let all = cluster.masters.iter().chain(&cluster.datanodes);
        Self {
            random: Rng::with_seed(seed),
            hosts,
            servers: all.copied().collect(),
            number: 0,
        }
    }

    /// How long until the next one.
    pub(crate) fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(100..3_000))
    }

    /// The next one. Disks fail only where it is `rough`: nothing was destroyed that is not there again.
    pub(crate) fn next(&mut self, rough: bool) -> Weather {
        self.number += 1;
        let number = self.number;
        let random = &mut self.random;
        let millis = |random: &mut Rng, from, to| Duration::from_millis(random.u64(from..to));
        let host = random.choice(&self.servers).copied().unwrap_or_default();
        let to = random.usize(..self.hosts.max(1));
        match random.u32(0..10) {
            0..=2 => {
                let what = What::Slow {
                    to,
                    by: millis(random, 5, 400),
                };
                Weather {
                    number,
                    host,
                    what,
                    lasts: millis(random, 500, 6_000),
                }
            }
            3..=4 => Weather {
                number,
                host,
                what: What::Reset { to },
                lasts: Duration::ZERO,
            },
            5 => {
                // Mostly a little, sometimes by hours.
                let most = if random.u8(..4) == 0 { 7_200_000 } else { 20_000 };
                Weather {
                    number,
                    host,
                    what: What::Jump {
                        by_ms: random.i64(-most..=most),
                    },
                    lasts: Duration::ZERO,
                }
            }
            6..=7 if rough => {
                let ops = [
                    Op::Write,
                    Op::SyncData,
                    Op::SyncDir,
                    Op::Read,
                    Op::Rename,
                    Op::Create,
                ];
                let op = random.choice(&ops).copied().unwrap_or(Op::Write);
                Weather {
                    number,
                    host,
                    what: What::DiskFails {
                        op,
                        skip: random.u64(..20),
                    },
                    lasts: millis(random, 2_000, 5_000),
                }
            }
            _ => {
                let what = What::SlowDisk {
                    by: millis(random, 5, 600),
                };
                Weather {
                    number,
                    host,
                    what,
                    lasts: millis(random, 500, 5_000),
                }
            }
        }
    }
}
