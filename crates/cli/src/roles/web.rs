//! What servers serve over HTTP beyond what they know of themselves: the gateway.

use client::FileSystem;
use datanode::Datanode;
use env::Env;
use gateway::{NOBODY, Side};
use master::Master;

use super::options::bare;
use super::ready::reachable;
use crate::failure::{Failure, Result};

/// Mounts the gateway on a master. `masters`: the others that are known.
pub(super) fn mount_on_master(master: &Master, masters: &[String], superuser: &str) -> Result<()> {
    let own = reachable(master.grpc_addr(), None);
    let mut all: Vec<_> = masters.iter().filter(|other| **other != own).cloned().collect();
    all.insert(0, own);
    let config = gateway::Config {
        fs: file_system(all, None)?,
        side: Side::Master,
        superuser: Some(superuser.to_owned()),
    };
    master.mount(gateway::routes(Env::real(), config));
    Ok(())
}

/// Mounts the gateway on a datanode, which is called `host`, if it is known how.
pub(super) fn mount_on_datanode(node: &Datanode, masters: Vec<String>, host: Option<&str>) -> Result<()> {
    let config = gateway::Config {
        fs: file_system(masters, host)?,
        side: Side::Datanode,
        superuser: None,
    };
    node.mount(gateway::routes(Env::real(), config));
    Ok(())
}

/// The cluster, as whoever does not say who they are.
fn file_system(masters: Vec<String>, host: Option<&str>) -> Result<FileSystem> {
    let mut config = client::Config::new(masters, NOBODY);
    config.groups = vec![NOBODY.to_owned()];
    config.host = host.map(|host| bare(host).to_owned());
    FileSystem::connect(Env::real(), config).map_err(|error| Failure::from_client("gateway", &error))
}
