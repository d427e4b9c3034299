//! Hosts of their own on one machine: network namespaces, connected by a switch, whose cables can be pulled.
//!
//! A cut is what a pulled cable is: packets are lost in both directions, and nobody is told. The switch is a bridge in a
//! namespace of its own, where no firewall of this machine has a say. It needs root and `ip`. All traffic stays on this
//! machine. What was made is removed with the value; names hold the id of this process, so that runs do not meet.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Error, Result};

/// A switch with hosts on it, and this machine.
#[derive(Debug)]
pub struct Network {
    /// The namespace of the switch.
    switch: String,
    /// This machine's end of its own cable.
    link: String,
    gateway: String,
    hosts: Vec<Host>,
}

/// A host on the switch.
#[derive(Debug, Clone)]
pub struct Host {
    namespace: String,
    switch: String,
    /// The switch's end of its cable.
    port: String,
    address: String,
}

/// The first two bytes of all addresses: from the range that is set aside for benchmarks of networks (RFC 2544).
const PREFIX: &str = "198.18";
/// The bridge in the namespace of the switch.
const BRIDGE: &str = "switch";
/// Its hardware address, locally administered. Else it takes that of a cable, which would hear what is meant for the bridge
/// when it is pulled.
const MAC: &str = "02:64:66:73:00:fe";

impl Network {
    /// A switch with so many hosts.
    ///
    /// # Errors
    /// When it can not be made: without root, or without `ip`.
    pub fn new(hosts: usize) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // A link's name has 15 characters at most.
        let id = format!("{process:x}n{number}");
        let subnet = (process + number) % 256;
        let mut network = Self {
            switch: format!("dfb{id}s"),
            link: format!("dfb{id}"),
            gateway: format!("{PREFIX}.{subnet}.254"),
            hosts: Vec::new(),
        };
        network
            .set_up()
            .map_err(|error| Error::NoNetworks(Box::new(error)))?;
        for number in 1..=hosts {
            let host = Host {
                namespace: format!("dfb{id}h{number}"),
                switch: network.switch.clone(),
                port: format!("port{number}"),
                address: format!("{PREFIX}.{subnet}.{number}"),
            };
            // Known from here on, so that it is removed also when the rest fails.
            network.hosts.push(host.clone());
            host.set_up()?;
        }
        Ok(network)
    }

    fn set_up(&self) -> Result<()> {
        let Self { switch, link, .. } = self;
        ip(&["netns", "add", switch])?;
        ip(&["-n", switch, "link", "set", "lo", "up"])?;
        ip(&[
            "-n", switch, "link", "add", BRIDGE, "address", MAC, "type", "bridge",
        ])?;
        ip(&["-n", switch, "link", "set", BRIDGE, "up"])?;
        ip(&[
            "link", "add", link, "type", "veth", "peer", "name", "port0", "netns", switch,
        ])?;
        ip(&["-n", switch, "link", "set", "port0", "master", BRIDGE, "up"])?;
        ip(&["addr", "add", &format!("{}/24", self.gateway), "dev", link])?;
        ip(&["link", "set", link, "up"])
    }

    /// The address of this side.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The hosts.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // What is not there needs no removing. Cables go with either end.
        for host in &self.hosts {
            let _ = ip(&["netns", "del", &host.namespace]);
        }
        let _ = ip(&["link", "del", &self.link]);
        let _ = ip(&["netns", "del", &self.switch]);
    }
}

impl Host {
    fn set_up(&self) -> Result<()> {
        let Self {
            namespace,
            switch,
            port,
            address,
        } = self;
        ip(&["netns", "add", namespace])?;
        ip(&[
            "-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace,
        ])?;
        ip(&["-n", switch, "link", "set", port, "up"])?;
        self.mend()?;
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
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A command that runs there. The process is that of the program itself, so that signals meet it.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Pulls the cable.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn cut(&self) -> Result<()> {
        // Taken off the bridge, and not set down: the host must not see that its carrier is gone.
        ip(&["-n", &self.switch, "link", "set", &self.port, "nomaster"])
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn mend(&self) -> Result<()> {
        ip(&["-n", &self.switch, "link", "set", &self.port, "master", BRIDGE])
    }
}

/// Whether hosts can be made here.
///
/// # Errors
/// When they can not, and why.
pub fn possible() -> Result<()> {
    Network::new(1).map(drop)
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments)
}

/// Runs a program of the system that says nothing when it succeeds.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(Error::system(format!("cannot run `{program}`")))?;
    if !output.status.success() {
        return Err(Error::Command {
            command: format!("{program} {}", arguments.join(" ")),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::process::Stdio;

    use super::*;

    /// Whether `host` can connect to this side, by what bash knows of TCP.
    fn reaches(network: &Network, host: &Host, port: u16) -> bool {
        let connect = format!("exec 3<>/dev/tcp/{}/{port}", network.gateway());
        let status = host
            .command(Path::new("timeout"))
            .args(["0.5", "bash", "-c", &connect])
            .stderr(Stdio::null())
            .status();
        status.unwrap().success()
    }

    #[test]
    fn a_cable_that_is_pulled_carries_nothing_until_it_is_plugged_in_again() {
        let Ok(network) = Network::new(2) else {
            // Not root: there is nothing that could be tested.
            return;
        };
        let listener = TcpListener::bind((network.gateway(), 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let [first, second] = network.hosts() else {
            panic!("two were asked for");
        };
        assert!(reaches(&network, first, port));
        first.cut().unwrap();
        assert!(!reaches(&network, first, port));
        assert!(reaches(&network, second, port), "only the one is cut off");
        first.mend().unwrap();
        assert!(reaches(&network, first, port));
        drop(listener);
    }

    #[test]
    fn hosts_reach_each_other() {
        let Ok(network) = Network::new(2) else {
            return;
        };
        let [first, second] = network.hosts() else {
            panic!("two were asked for");
        };
        let serve =
            "import socket; s = socket.create_server((\"\", 7777)); print(\"up\", flush=True); s.accept()";
        let mut server = first
            .command(Path::new("python3"))
            .args(["-c", serve])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = [0; 2];
        if server.stdout.as_mut().unwrap().read_exact(&mut up).is_err() {
            // There is no Python here to serve.
            server.wait().unwrap();
            return;
        }
        let connect = format!("exec 3<>/dev/tcp/{}/7777", first.address());
        let status = second
            .command(Path::new("timeout"))
            .args(["5", "bash", "-c", &connect])
            .status();
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(status.unwrap().success());
    }
}
