//! Machines with a network between them that can be cut: Linux network namespaces around one bridge.
//!
//! Nothing of it touches the network of this machine: all addresses live in namespaces that a test makes and removes.

use std::process::Command;

/// A network of machines. Dropping it removes it, once no process is left in it.
#[derive(Debug)]
pub(crate) struct Network {
    prefix: String,
    hosts: usize,
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

impl Network {
    /// A network of so many machines; none, and a word about it, where namespaces are impossible.
    pub(crate) fn new(hosts: usize) -> Option<Self> {
        let network = Self {
            prefix: format!("dfs{}-{:04x}", std::process::id(), fastrand::u16(..)),
            hosts,
        };
        match network.build() {
            Ok(()) => Some(network),
            Err(why) => {
                eprintln!("skipped: network namespaces are impossible here ({why}); they need root");
                None
            }
        }
    }

    fn build(&self) -> Result<(), String> {
        let hub = self.hub();
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "bridge", "up"])?;
        for host in 0..self.hosts {
            let (name, port) = (self.host(host), format!("port{host}"));
            ip(&["netns", "add", &name])?;
            ip(&[
                "-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name,
            ])?;
            ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
            let address = format!("{}/24", self.address(host));
            ip(&["-n", &name, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &name, "link", "set", "eth0", "up"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.prefix)
    }

    /// The namespace of a machine.
    pub(crate) fn host(&self, host: usize) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// The address of a machine.
    pub(crate) fn address(&self, host: usize) -> String {
        assert!(host < self.hosts);
        format!("10.79.0.{}", host + 1)
    }

    /// Cuts a machine off: what is sent to it and by it vanishes.
    pub(crate) fn cut(&self, host: usize) {
        ip(&["-n", &self.hub(), "link", "set", &format!("port{host}"), "down"]).unwrap();
    }

    /// Connects it again.
    pub(crate) fn mend(&self, host: usize) {
        ip(&["-n", &self.hub(), "link", "set", &format!("port{host}"), "up"]).unwrap();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in (0..self.hosts).map(|host| self.host(host)).chain([self.hub()]) {
            let _ = ip(&["netns", "delete", &name]);
        }
    }
}
