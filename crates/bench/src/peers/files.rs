//! Files in, files out, of a system that runs.

use std::path::Path;

use super::moosefs::Moosefs;
use super::{Caller, Hdfs, Peer};
use crate::took::Took;

/// The program that calls HDFS.
const CALLER: &str = include_str!("../../java/HdfsData.java");

/// Files that are moved together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    /// Where they are; the names are numbers.
    pub(crate) dir: &'a str,
    pub(crate) files: usize,
    /// How many at a time.
    pub(crate) at_a_time: usize,
    /// The length of each.
    pub(crate) bytes: usize,
    pub(crate) replication: u16,
}

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Created, written, closed.
    Write,
    /// Opened, read whole.
    Read,
    /// Removed, one by one.
    Remove,
}

/// A system that runs. Dropping it stops it.
pub(crate) enum Running {
    Hdfs { servers: Hdfs, caller: Caller },
    Moosefs(Moosefs),
}

impl Running {
    /// Starts `peer` below `base`.
    ///
    /// # Errors
    /// When it can not be started, for want of a program for instance.
    pub(crate) fn start(peer: Peer, scripts: &Path, base: &Path) -> anyhow::Result<Self> {
        Ok(match peer {
            Peer::Hdfs | Peer::HdfsSync => {
                let servers = Hdfs::start(&scripts.join("hdfs"), base.join("hdfs"), peer == Peer::HdfsSync)?;
                let caller = Caller::start(base, "HdfsData", CALLER)?;
                Self::Hdfs { servers, caller }
            }
            Peer::Moosefs | Peer::MoosefsSync => {
                let durable = peer == Peer::MoosefsSync;
                Self::Moosefs(Moosefs::start(&scripts.join("moosefs"), base, durable)?)
            }
        })
    }

    /// Does it, and says what it took.
    pub(crate) fn took(&mut self, deed: Deed, load: &Load<'_>) -> anyhow::Result<Took> {
        let (client, servers) = self.cpu_seconds()?;
        let seconds = match self {
            Self::Hdfs { caller, .. } => {
                let word = match deed {
                    Deed::Write => "write",
                    Deed::Read => "read",
                    Deed::Remove => "remove",
                };
                let order = format!(
                    "{word} {} {} {} {} {}",
                    load.replication, load.files, load.at_a_time, load.bytes, load.dir
                );
                caller.ask(&order)?.1
            }
            Self::Moosefs(moosefs) => moosefs.seconds(deed, load)?,
        };
        let (client_after, servers_after) = self.cpu_seconds()?;
        Ok(Took {
            seconds,
            client_cpu: client_after - client,
            server_cpu: servers_after - servers,
        })
    }

    /// CPU seconds so far, of the caller and of the servers.
    fn cpu_seconds(&self) -> anyhow::Result<(f64, f64)> {
        match self {
            Self::Hdfs { servers, caller } => Ok((caller.cpu_seconds()?, servers.cpu_seconds())),
            Self::Moosefs(moosefs) => moosefs.cpu_seconds(),
        }
    }
}
