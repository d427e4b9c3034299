//! What servers serve over HTTP beyond what they know of themselves: the gateway.

use client::FileSystem;
use datanode::Datanode;
use env::Env;
use gateway::{NOBODY, Side};
use master::Master;

use super::options::{bare, machine_name};
use super::ready::reachable;
use crate::config::{Key, Settings};
use crate::failure::{Failure, Result};

/// Mounts the gateway on a master. `masters`: the others that are known.
pub(super) fn mount_on_master(
    settings: &Settings,
    master: &Master,
    masters: &[String],
    superuser: &str,
) -> Result<()> {
    let own = reachable(master.grpc_addr(), None);
    let mut all: Vec<_> = masters.iter().filter(|other| **other != own).cloned().collect();
    all.insert(0, own);
    let names = names(settings, hosts(&all));
    let config = gateway::Config {
        fs: file_system(all, None)?,
        side: Side::Master,
        superuser: Some(superuser.to_owned()),
        names,
    };
    master.mount(gateway::routes(Env::real(), config));
    Ok(())
}

/// Mounts the gateway on a datanode, which is called `host`, if it is known how.
pub(super) fn mount_on_datanode(
    settings: &Settings,
    node: &Datanode,
    masters: Vec<String>,
    host: Option<&str>,
) -> Result<()> {
    // Pages of the masters write here.
    let names = names(settings, hosts(&masters).chain(host));
    let config = gateway::Config {
        fs: file_system(masters, host)?,
        side: Side::Datanode,
        superuser: None,
        names,
    };
    node.mount(gateway::routes(Env::real(), config));
    Ok(())
}

/// The hosts of the masters.
fn hosts(addresses: &[String]) -> impl Iterator<Item = &str> {
    let plain = addresses
        .iter()
        .map(|address| address.trim_start_matches("http://"));
    let hosts = plain.filter_map(|address| address.rsplit_once(':'));
    hosts.map(|(host, _)| host)
}

/// What this server is called, as far as that is known.
fn names<'a>(settings: &Settings, hosts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let hosts = hosts.into_iter().map(ToOwned::to_owned).chain(machine_name());
    hosts
        .chain(settings.list(Key::HttpNames).unwrap_or_default().iter().cloned())
        .collect()
}

/// The cluster, as whoever does not say who they are.
fn file_system(masters: Vec<String>, host: Option<&str>) -> Result<FileSystem> {
    let mut config = client::Config::new(masters, NOBODY);
    config.groups = vec![NOBODY.to_owned()];
    config.host = host.map(|host| bare(host).to_owned());
    FileSystem::connect(Env::real(), config).map_err(|error| Failure::from_client("gateway", &error))
}
