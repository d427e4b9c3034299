//! Hosts of their own on one machine: network namespaces, connected by a bridge, whose links can be cut without a word.
//!
//! A cut is what a pulled cable is: packets are lost in both directions, and nobody is told. It needs root and `ip`. All
//! traffic stays on this machine. What was made is removed with the value; names hold the id of this process, so that runs do
//! not meet.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// A bridge with hosts on it.
#[derive(Debug)]
pub(crate) struct Network {
    tag: String,
    gateway: String,
    hosts: Vec<Host>,
}

/// A host on the bridge.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    namespace: String,
    /// This side's end of its cable.
    link: String,
    address: String,
}

/// The first two bytes of all addresses: from the range that is set aside for benchmarks of networks (RFC 2544).
const PREFIX: &str = "198.18";

/// The bridge's hardware address; locally administered.
const MAC: &str = "02:64:66:73:00:fe";

impl Network {
    /// A bridge with so many hosts.
    ///
    /// # Errors
    /// When it can not be made: without root, or without `ip`.
    pub(crate) fn new(hosts: usize) -> anyhow::Result<Self> {
        let id = std::process::id();
        let subnet = id % 256;
        let mut network = Self {
            tag: format!("dfb{id}"),
            gateway: format!("{PREFIX}.{subnet}.254"),
            hosts: Vec::new(),
        };
        let bridge = network.tag.clone();
        // With an address of its own: else it takes that of a cable, which would hear what is meant for the bridge when it
        // is pulled.
        ip(&["link", "add", &bridge, "address", MAC, "type", "bridge"])
            .context("network namespaces can not be made here (root and `ip` are needed)")?;
        ip(&["addr", "add", &format!("{}/24", network.gateway), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for number in 1..=hosts {
            let host = Host {
                namespace: format!("{}h{number}", network.tag),
                link: format!("{}v{number}", network.tag),
                address: format!("{PREFIX}.{subnet}.{number}"),
            };
            // Known from here on, so that it is removed also when the rest fails.
            network.hosts.push(host.clone());
            host.set_up(&bridge)?;
        }
        Ok(network)
    }

    /// The address of this side.
    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The hosts.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.hosts {
            // It may not be there; then there is nothing to remove. The cable goes with the namespace.
            let _ = ip(&["netns", "del", &host.namespace]);
        }
        let _ = ip(&["link", "del", &self.tag]);
    }
}

impl Host {
    fn set_up(&self, bridge: &str) -> anyhow::Result<()> {
        let Self {
            namespace,
            link,
            address,
        } = self;
        ip(&["netns", "add", namespace])?;
        ip(&[
            "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace,
        ])?;
        ip(&["link", "set", link, "master", bridge, "up"])?;
        ip(&[
            "-n",
            namespace,
            "addr",
            "add",
            &format!("{address}/24"),
            "dev",
            "eth0",
        ])?;
        ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        ip(&["-n", namespace, "link", "set", "eth0", "up"])
    }

    /// Its address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A command that runs there. The process is that of the program itself, so that signals meet it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Pulls the cable.
    pub(crate) fn cut(&self) -> anyhow::Result<()> {
        // Taken off the bridge, and not set down: the host must not see that its carrier is gone.
        ip(&["link", "set", &self.link, "nomaster"])
    }

    /// Plugs it in again.
    pub(crate) fn mend(&self) -> anyhow::Result<()> {
        let bridge = self.link.rsplit_once('v').map_or("", |(bridge, _)| bridge);
        ip(&["link", "set", &self.link, "master", bridge])
    }
}

/// Whether hosts can be made here.
///
/// # Errors
/// When they can not, and why.
pub(crate) fn possible() -> anyhow::Result<()> {
    Network::new(1).map(drop)
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("cannot run `ip`")?;
    if !output.status.success() {
        bail!(
            "`ip {}` failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
