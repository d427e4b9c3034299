//! The cluster that is simulated: its hosts and their settings.

use std::path::PathBuf;
use std::time::Duration;

use types::{ByteSize, ChunkSize};

use crate::host::Role;
use crate::options::Options;
use crate::simulation::Simulation;

/// Pieces of files, and chunks, are so many times smaller than those of real processes.
pub(crate) const SMALLER: u64 = 16;
const CHUNK_BYTES: u64 = (1 << 20) / SMALLER;

/// Which host is what.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) masters: Vec<usize>,
    pub(crate) datanodes: Vec<usize>,
    /// Where clients and whoever torments the cluster are.
    pub(crate) client: usize,
    /// Of the masters.
    pub(crate) addresses: Vec<String>,
}

impl Cluster {
    /// Adds the hosts of a cluster.
    pub(crate) fn add(simulation: &mut Simulation, options: &Options) -> anyhow::Result<Self> {
        let addresses: Vec<String> = (1..=options.masters)
            .map(|number| format!("master-{number}:9800"))
            .collect();
        let mut masters = Vec::new();
        for number in 1..=options.masters {
            let config = master_config(options, number, &addresses)?;
            masters.push(simulation.add(&format!("master-{number}"), Role::Master(Box::new(config))));
        }
        let mut datanodes = Vec::new();
        for number in 1..=options.datanodes {
            let config = datanode_config(options, number, &addresses);
            datanodes.push(simulation.add(&format!("datanode-{number}"), Role::Datanode(Box::new(config))));
        }
        let client = simulation.add("client", Role::Client);
        Ok(Self {
            masters,
            datanodes,
            client,
            addresses,
        })
    }
}

fn master_config(options: &Options, number: usize, addresses: &[String]) -> anyhow::Result<master::Config> {
    let own = format!("master-{number}");
    Ok(master::Config {
        listen: format!("{own}:9800"),
        http: format!("{own}:9870"),
        masters: if addresses.len() > 1 {
            addresses.to_vec()
        } else {
            Vec::new()
        },
        advertise: Some(format!("{own}:9800")),
        replication: u16::try_from(options.datanodes.min(3))?,
        chunk_size: ChunkSize::new(CHUNK_BYTES)?,
        // Everything sooner than it would be: a simulation has minutes.
        heartbeat_interval: Duration::from_secs(1),
        dead_after: Duration::from_secs(5),
        block_report_interval: Duration::from_secs(5),
        lease_soft_limit: Duration::from_secs(20),
        lease_hard_limit: Duration::from_secs(20),
        checkpoint_log: ByteSize(128 << 10),
        storage_reserve: ByteSize(1 << 20),
        ..master::Config::new("/meta", chaos::USER)
    })
}

fn datanode_config(options: &Options, number: usize, addresses: &[String]) -> datanode::Config {
    let own = format!("datanode-{number}");
    let dirs = (1..=options.dirs)
        .map(|dir| PathBuf::from(format!("/data-{dir}")))
        .collect();
    datanode::Config {
        listen: format!("{own}:9866"),
        advertise_host: Some(own.clone()),
        local_socket: datanode::LocalSocket::Off,
        http: Some(format!("{own}:9864")),
        packed_max: (64 << 10) / SMALLER,
        scrub_period: Duration::from_secs(20),
        quarantine_retention: Duration::from_secs(30),
        abandoned_write_timeout: Duration::from_secs(10),
        reserve: datanode::Reserve::Bytes(1 << 20),
        ..datanode::Config::new(dirs, addresses.to_vec())
    }
}
