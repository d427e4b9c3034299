//! A DistriFS cluster of real processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use env::net::ReservedPort;

use crate::netns::{Host, Network};
use crate::server::{START_TIMEOUT, Server};
use crate::system::USER;

/// How many datanodes, where nothing else is asked for.
pub(crate) const DATANODES: usize = 3;

/// How long a server may take to end when it is asked to.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// What a cluster is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub masters: usize,
    pub datanodes: usize,
    /// Whether each master is on a host of its own, whose network can be cut.
    pub apart: bool,
    /// Whether datanodes destroy at once what is deleted, so that one measurement does not fill the disk of the next.
    pub forgetful: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            masters: 1,
            datanodes: DATANODES,
            apart: false,
            forgetful: false,
        }
    }
}

/// Masters and datanodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Killed first; what datanodes do then matters to nobody.
    masters: Vec<Server>,
    datanodes: Vec<Server>,
    addresses: Vec<String>,
    /// Of the masters, also while they are down.
    _ports: Vec<ReservedPort>,
    /// Below the processes: removed after them.
    _network: Option<Network>,
}

impl Cluster {
    /// Starts one master and three datanodes below `dir`, which keep nothing that was deleted.
    pub(crate) fn start(distrifs: &Path, dir: &Path) -> anyhow::Result<Self> {
        let shape = Shape {
            forgetful: true,
            ..Shape::default()
        };
        Self::with(distrifs, dir, shape, &[])
    }

    /// Starts the processes of `distrifs` below `dir`, the masters with further arguments.
    pub(crate) fn with(
        distrifs: &Path,
        dir: &Path,
        shape: Shape,
        further: &[String],
    ) -> anyhow::Result<Self> {
        let network = shape.apart.then(|| Network::new(shape.masters)).transpose()?;
        let hosts: Vec<Option<Host>> = match &network {
            Some(network) => network.hosts().iter().cloned().map(Some).collect(),
            None => vec![None; shape.masters],
        };
        let ports = ReservedPort::several_on("127.0.0.1", shape.masters * 2)?;
        let host = |host: &Option<Host>| host.as_ref().map_or("127.0.0.1", Host::address).to_owned();
        let addresses: Vec<String> = hosts
            .iter()
            .zip(ports.iter().step_by(2))
            .map(|(at, port)| format!("{}:{}", host(at), port.number()))
            .collect();
        let all = addresses.join(",");
        let mut masters = Vec::new();
        for (number, ((at, address), ports)) in
            hosts.into_iter().zip(&addresses).zip(ports.chunks(2)).enumerate()
        {
            let mut arguments: Vec<String> = ["--superuser", USER, "--listen", &host(&at)]
                .map(str::to_owned)
                .into();
            for (flag, port) in ["--master-port", "--http-port"].iter().zip(ports) {
                arguments.extend([(*flag).to_owned(), port.number().to_string()]);
            }
            if shape.masters > 1 {
                arguments.extend(["--masters", &all, "--advertise", address].map(str::to_owned));
            }
            arguments.extend(further.iter().cloned());
            let mut master = Server::new(distrifs, dir, &format!("master-{}", number + 1), arguments, at);
            master.spawn()?;
            masters.push(master);
        }
        for master in &mut masters {
            master.ready()?;
        }
        let mut datanodes = Vec::new();
        for number in 1..=shape.datanodes {
            let mut arguments = vec![
                "--ports".to_owned(),
                "auto".to_owned(),
                "--master".to_owned(),
                all.clone(),
            ];
            if shape.forgetful {
                arguments.extend(["--quarantine-retention", "1ms"].map(str::to_owned));
            }
            if let Some(network) = &network {
                // As the masters' hosts reach this one.
                arguments.extend(["--listen".to_owned(), network.gateway().to_owned()]);
            }
            let mut datanode = Server::new(distrifs, dir, &format!("datanode-{number}"), arguments, None);
            datanode.spawn()?;
            datanode.ready()?;
            datanodes.push(datanode);
        }
        Ok(Self {
            masters,
            datanodes,
            addresses,
            _ports: ports,
            _network: network,
        })
    }

    /// Where the first master is; with one master, where clients connect.
    pub(crate) fn master(&self) -> &str {
        self.addresses.first().map_or("", String::as_str)
    }

    /// Where all masters are.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The master at this address.
    pub(crate) fn master_at(&mut self, address: &str) -> anyhow::Result<&mut Server> {
        let place = self.addresses.iter().position(|known| known == address);
        place
            .and_then(|place| self.masters.get_mut(place))
            .with_context(|| format!("no master was started at {address}"))
    }

    /// An error when a server has ended by itself.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        self.masters
            .iter_mut()
            .chain(&mut self.datanodes)
            .try_for_each(|server| Ok(server.check_alive()?))
    }

    /// Asks all servers to end, and waits until they have: what a program writes about itself when it ends (a profile, `cargo
    /// xtask dist`) is written then. One that does not is told of and killed: what was measured is worth no less.
    pub(crate) fn end(mut self) {
        for server in self.masters.iter_mut().chain(&mut self.datanodes) {
            if let Err(error) = server.terminate(END_TIMEOUT) {
                eprintln!("warning: {error}");
            }
        }
    }

    /// CPU seconds of all servers so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.masters
            .iter()
            .chain(&self.datanodes)
            .map(|server| Ok(server.cpu_seconds()?))
            .sum()
    }

    /// The most memory that the servers had at once, in KiB, each for itself: of all masters, of all datanodes.
    pub(crate) fn peak_kib(&self) -> anyhow::Result<(u64, u64)> {
        let sum = |servers: &[Server]| servers.iter().map(Server::peak_kib).sum::<testbed::Result<u64>>();
        Ok((sum(&self.masters)?, sum(&self.datanodes)?))
    }

    /// Makes the system forget what it has of the datanodes' files in memory: the next reads come from the disk.
    pub(crate) fn uncache(&self) -> anyhow::Result<()> {
        rustix::fs::sync();
        self.datanodes
            .iter()
            .try_for_each(|datanode| uncache(&datanode.dir()))
    }

    /// Waits until the datanodes keep at most `bytes`: removed files are collected in the background. Gives up
    /// quietly; it is only there so that one measurement does not disturb the next.
    pub(crate) fn settle(&self, bytes: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT && self.used()? > bytes {
            thread::sleep(Duration::from_millis(100));
        }
        rustix::fs::sync();
        Ok(())
    }

    /// Bytes that the datanodes keep now.
    fn used(&self) -> anyhow::Result<u64> {
        self.datanodes.iter().map(|datanode| used(&datanode.dir())).sum()
    }
}

/// The `distrifs` binary: the one given, else the one beside this program.
pub(crate) fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("distrifs"),
    };
    if !path.is_file() {
        bail!(
            "no distrifs binary at {}; build it (`cargo build --release`) or name it with --distrifs",
            path.display()
        );
    }
    Ok(path)
}

/// Of every file below `dir`.
fn uncache(dir: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            uncache(&path)?;
        } else if let Ok(file) = fs::File::open(&path) {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn used(dir: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // Files come and go while the servers work.
        if path.is_dir() {
            sum += used(&path).unwrap_or_default();
        } else {
            sum += fs::metadata(&path).map_or(0, |metadata| metadata.len());
        }
    }
    Ok(sum)
}
