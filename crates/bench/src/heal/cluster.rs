//! One master, and datanodes that are each on a host of their own, with a disk that can be taken from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use env::net::ReservedPort;

use crate::netns::{Host, Network};
use crate::server::Server;
use crate::system::USER;

/// What is kept of deleted replicas, and for how long: little, for the run keeps everything several times.
const RETENTION: [&str; 2] = ["--quarantine-retention", "30s"];

/// A disk of a size of its own: a file system in a file, on the disk of the others. One in memory (`testbed::disk`) would hold up
/// nobody, and take the memory that keeps the others' chunks.
#[derive(Debug)]
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

/// A datanode.
#[derive(Debug)]
pub(super) struct Node {
    server: Server,
    host: Option<Host>,
    running: bool,
    /// Below the process: unmounted after it.
    disk: Option<Disk>,
}

/// The master and the datanodes. Dropping it ends them all.
#[derive(Debug)]
pub(super) struct Cluster {
    distrifs: PathBuf,
    base: PathBuf,
    address: String,
    nodes: Vec<Node>,
    _master: Server,
    _ports: [ReservedPort; 2],
    /// Below the processes: removed after them.
    network: Option<Network>,
}

/// What a cluster is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub datanodes: usize,
    /// The one whose disk has a size of its own.
    pub small: Option<(usize, u64)>,
}

impl Cluster {
    /// Starts them below `base`. Without the means to make hosts and disks, there are none: see [`Cluster::can_cut`] and
    /// [`Cluster::disk`].
    pub(super) fn start(distrifs: &Path, base: &Path, shape: Shape) -> anyhow::Result<Self> {
        let network = match Network::new(shape.datanodes) {
            Ok(network) => Some(network),
            Err(error) => {
                println!("without a network to cut: {error:#}");
                None
            }
        };
        let listen = network.as_ref().map_or("127.0.0.1", Network::gateway).to_owned();
        let ports = [ReservedPort::on(&listen)?, ReservedPort::on(&listen)?];
        let [port, http] = ports.each_ref().map(|port| port.number().to_string());
        let address = format!("{listen}:{port}");
        let arguments = [
            "--superuser",
            USER,
            "--listen",
            &listen,
            "--master-port",
            &port,
            "--http-port",
            &http,
        ];
        let arguments = arguments.map(str::to_owned).into();
        let mut master = Server::new(distrifs, base, "master-1", arguments, None);
        master.spawn()?;
        master.ready()?;
        let mut cluster = Self {
            distrifs: distrifs.to_owned(),
            base: base.to_owned(),
            address,
            nodes: Vec::new(),
            _master: master,
            _ports: ports,
            network,
        };
        for number in 0..shape.datanodes {
            let host = cluster
                .network
                .as_ref()
                .and_then(|net| net.hosts().get(number))
                .cloned();
            let server = cluster.server(number, host.clone(), &[]);
            let small = shape.small.filter(|(which, _)| *which == number);
            let disk = small.and_then(|(_, bytes)| match Disk::new(base, &server.dir(), bytes) {
                Ok(disk) => Some(disk),
                Err(error) => {
                    println!("without a disk to fill: {error:#}");
                    None
                }
            });
            cluster.nodes.push(Node {
                server,
                host,
                running: false,
                disk,
            });
            cluster.begin(number)?;
        }
        Ok(cluster)
    }

    fn server(&self, number: usize, host: Option<Host>, further: &[&str]) -> Server {
        let listen = host.as_ref().map_or("127.0.0.1", Host::address);
        let arguments = ["--ports", "auto", "--master", &self.address, "--listen", listen];
        let arguments = arguments.iter().chain(&RETENTION).chain(further);
        let arguments = arguments.map(|text| (*text).to_owned()).collect();
        let name = format!("datanode-{}", number + 1);
        Server::new(&self.distrifs, &self.base, &name, arguments, host)
    }

    /// Where clients connect.
    pub(super) fn master(&self) -> &str {
        &self.address
    }

    /// How many datanodes there are, running or not.
    pub(super) const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether networks can be cut.
    pub(super) const fn can_cut(&self) -> bool {
        self.network.is_some()
    }

    fn node(&mut self, number: usize) -> anyhow::Result<&mut Node> {
        self.nodes
            .get_mut(number)
            .with_context(|| format!("there is no datanode {number}"))
    }

    /// The directories of the datanodes that run.
    pub(super) fn dirs(&self) -> Vec<(usize, PathBuf)> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| node.running)
            .map(|(number, node)| (number, node.server.dir()))
            .collect()
    }

    /// Where the disk of its own of a datanode is; none when it has none.
    pub(super) fn disk(&self, number: usize) -> Option<&Path> {
        Some(&self.nodes.get(number)?.disk.as_ref()?.at)
    }

    /// Kills a datanode (`SIGKILL`).
    pub(super) fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        let node = self.node(number)?;
        node.server.kill();
        node.running = false;
        Ok(())
    }

    /// Starts it, on what is on its disk, and waits until it serves.
    pub(super) fn begin(&mut self, number: usize) -> anyhow::Result<()> {
        let node = self.node(number)?;
        node.server.spawn()?;
        node.server.ready()?;
        node.running = true;
        Ok(())
    }

    /// Takes everything from the disk of a datanode that does not run.
    pub(super) fn wipe(&mut self, number: usize) -> anyhow::Result<()> {
        let dir = self.node(number)?.server.dir();
        for entry in fs::read_dir(&dir)?.flatten() {
            // What the file system itself has there stays.
            if entry.file_name() == "lost+found" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Starts a datanode again with further arguments.
    pub(super) fn restart_with(&mut self, number: usize, further: &[&str]) -> anyhow::Result<()> {
        self.kill(number)?;
        let host = self.node(number)?.host.clone();
        let server = self.server(number, host, further);
        self.node(number)?.server = server;
        self.begin(number)
    }

    /// Stops it where it is.
    pub(super) fn pause(&mut self, number: usize) -> anyhow::Result<()> {
        Ok(self.node(number)?.server.pause()?)
    }

    /// Lets it go on.
    pub(super) fn resume(&mut self, number: usize) -> anyhow::Result<()> {
        Ok(self.node(number)?.server.resume()?)
    }

    /// Cuts it off from everybody; what is on its disk counts no more.
    pub(super) fn cut(&mut self, number: usize) -> anyhow::Result<()> {
        let node = self.node(number)?;
        node.server.cut()?;
        node.running = false;
        Ok(())
    }

    /// Connects it again.
    pub(super) fn mend(&mut self, number: usize) -> anyhow::Result<()> {
        let node = self.node(number)?;
        node.server.mend()?;
        node.running = true;
        Ok(())
    }

    /// An error when a server has ended by itself.
    pub(super) fn check_alive(&mut self) -> anyhow::Result<()> {
        let mut running = self.nodes.iter_mut().filter(|node| node.running);
        Ok(running.try_for_each(|node| node.server.check_alive())?)
    }

    /// Runs a verb of the command line.
    pub(super) fn verb(&self, arguments: &[&str]) -> anyhow::Result<std::process::Output> {
        let mut command = Command::new(&self.distrifs);
        command
            .args(arguments)
            .args(["--master", &self.address, "--user", USER]);
        command.output().context("cannot run a verb")
    }
}

impl Disk {
    /// A file system of so many bytes at `at`.
    fn new(base: &Path, at: &Path, bytes: u64) -> anyhow::Result<Self> {
        fs::create_dir_all(at)?;
        let disk = Self {
            image: base.join("disk.img"),
            at: at.to_owned(),
        };
        fs::File::create(&disk.image)?.set_len(bytes)?;
        // Nothing is kept for the superuser, who this is.
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0"])
            .arg(&disk.image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&disk.image)
            .arg(at))?;
        Ok(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that has just been killed may hold it for a moment. What was not mounted needs no unmounting.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        let _ = fs::remove_file(&self.image);
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{} failed: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
