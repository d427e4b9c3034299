//! The cluster that is tormented: real processes, below one directory.
//!
//! ```text
//! <base>/master-1/       a master's directory; beside it master-1.log, all that it said
//! <base>/datanode-1/     a datanode's; a disk of its own where one can be mounted
//! <base>/events.log      what was done when
//! ```

mod rot;

use std::path::Path;
use std::time::Duration;

use env::net::ReservedPort;
use testbed::disk::SmallDisk;
use testbed::netns::{Host, Network};
use testbed::server::Server;

use crate::options::{Options, USER};
use crate::{Error, Result};

/// Of each datanode, where disks can be mounted.
const DISK_BYTES: u64 = 2 << 30;
/// How long a server may take to end when it is asked to.
const END_PATIENCE: Duration = Duration::from_secs(30);
/// Where servers on hosts of their own listen.
const MASTER_PORT: u16 = 9800;
const DATA_PORT: u16 = 9866;

/// Masters and datanodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Killed first; what datanodes do then matters to nobody.
    pub masters: Vec<Server>,
    pub datanodes: Vec<Server>,
    pub addresses: Vec<String>,
    /// Of each datanode; below the processes.
    pub disks: Vec<Option<SmallDisk>>,
    /// Of servers on this host, also while they are down.
    ports: Vec<ReservedPort>,
    _network: Option<Network>,
}

/// What can be done here, and what not, with the reason.
#[derive(Debug, Clone, Default)]
pub(crate) struct Means {
    pub cuts: bool,
    pub fills: bool,
    pub missing: Vec<String>,
}

impl Means {
    /// Looks.
    pub(crate) fn here(base: &Path) -> Self {
        let mut missing = Vec::new();
        let mut has = |what: &str, possible: testbed::Result<()>| match possible {
            Ok(()) => true,
            Err(error) => {
                missing.push(format!("{what}: {error}"));
                false
            }
        };
        let cuts = has("nobody is cut off", testbed::netns::possible());
        let fills = has("no disk is filled", testbed::disk::possible(base));
        Self { cuts, fills, missing }
    }
}

impl Cluster {
    /// Starts everything below `base`, and waits until all serve.
    pub(crate) fn start(options: &Options, means: &Means, base: &Path) -> Result<Self> {
        let (masters, datanodes) = (options.masters, options.datanodes);
        let network = means
            .cuts
            .then(|| Network::new(masters + datanodes))
            .transpose()?;
        let mut hosts: Vec<Option<Host>> = match &network {
            Some(network) => network.hosts().iter().cloned().map(Some).collect(),
            None => vec![None; masters + datanodes],
        };
        let data_hosts = hosts.split_off(masters);
        let mut cluster = Self {
            masters: Vec::new(),
            datanodes: Vec::new(),
            disks: Vec::new(),
            ports: Vec::new(),
            _network: network,
            addresses: Vec::new(),
        };
        for host in &hosts {
            let port = cluster.port(host, MASTER_PORT)?;
            cluster.addresses.push(format!("{}:{port}", name_of(host)));
        }
        for (number, host) in hosts.into_iter().enumerate() {
            cluster.start_master(options, base, number, host)?;
        }
        for master in &mut cluster.masters {
            master.ready()?;
        }
        for (number, host) in data_hosts.into_iter().enumerate() {
            cluster.start_datanode(options, means, base, number, host)?;
        }
        for datanode in &mut cluster.datanodes {
            datanode.ready()?;
        }
        Ok(cluster)
    }

    fn start_master(
        &mut self,
        options: &Options,
        base: &Path,
        number: usize,
        host: Option<Host>,
    ) -> Result<()> {
        let address = self.addresses.get(number).cloned().unwrap_or_default();
        let port = address.rsplit(':').next().unwrap_or_default().to_owned();
        let replication = options.replication().to_string();
        let mut arguments: Vec<String> = vec![
            "--ports".into(),
            "auto".into(),
            "--listen".into(),
            name_of(&host).to_owned(),
            "--master-port".into(),
            port,
            "--superuser".into(),
            USER.into(),
            "--replication".into(),
            replication,
        ];
        // Everything sooner than it would be: a run has minutes.
        for (flag, value) in [
            ("--chunk-size", "1MiB"),
            ("--heartbeat-interval", "1s"),
            ("--dead-after", "5s"),
            ("--blockreport-interval", "5s"),
            ("--lease-hard-limit", "20s"),
            ("--checkpoint-log", "1MiB"),
        ] {
            arguments.extend([flag.to_owned(), value.to_owned()]);
        }
        if options.masters > 1 {
            arguments.extend(["--masters".to_owned(), self.addresses.join(",")]);
            arguments.extend(["--advertise".to_owned(), address]);
        }
        let mut master = Server::new(
            &options.binary,
            base,
            &format!("master-{}", number + 1),
            arguments,
            host,
        );
        master.spawn()?;
        self.masters.push(master);
        Ok(())
    }

    fn start_datanode(
        &mut self,
        options: &Options,
        means: &Means,
        base: &Path,
        number: usize,
        host: Option<Host>,
    ) -> Result<()> {
        let name = format!("datanode-{}", number + 1);
        let port = self.port(&host, DATA_PORT)?;
        let mut arguments: Vec<String> = vec![
            "--ports".into(),
            "auto".into(),
            "--listen".into(),
            name_of(&host).to_owned(),
            "--data-port".into(),
            port.to_string(),
            "--master".into(),
            self.addresses.join(","),
        ];
        for (flag, value) in [
            ("--scrub-period", options.scrub_period()),
            ("--quarantine-retention", "30s"),
            ("--abandoned-write-timeout", "10s"),
        ] {
            arguments.extend([flag.to_owned(), value.to_owned()]);
        }
        let disk = means
            .fills
            .then(|| SmallDisk::mount(&base.join(&name), DISK_BYTES))
            .transpose()?;
        let mut datanode = Server::new(&options.binary, base, &name, arguments, host);
        datanode.spawn()?;
        self.disks.push(disk);
        self.datanodes.push(datanode);
        Ok(())
    }

    /// The port of one more server: `own` on a host of its own, else one that is kept for it.
    fn port(&mut self, host: &Option<Host>, own: u16) -> Result<u16> {
        if host.is_some() {
            return Ok(own);
        }
        let port = ReservedPort::on(name_of(host)).map_err(|error| Error::Local {
            path: name_of(host).into(),
            error,
        })?;
        let number = port.number();
        self.ports.push(port);
        Ok(number)
    }

    pub(crate) fn datanode(&mut self, number: usize) -> Result<&mut Server> {
        self.datanodes.get_mut(number).ok_or(Error::NoSuchServer)
    }

    pub(crate) fn master(&mut self, number: usize) -> Result<&mut Server> {
        self.masters.get_mut(number).ok_or(Error::NoSuchServer)
    }

    pub(crate) fn servers(&mut self) -> impl Iterator<Item = &mut Server> {
        self.masters.iter_mut().chain(&mut self.datanodes)
    }

    /// The disk of a datanode.
    pub(crate) fn disk(&self, number: usize) -> Result<&SmallDisk> {
        self.disks
            .get(number)
            .and_then(Option::as_ref)
            .ok_or(Error::NoSuchServer)
    }

    /// Kills a server and empties its directory.
    pub(crate) fn wipe(server: &mut Server) -> Result<()> {
        server.kill();
        empty(&server.dir()).map_err(|error| Error::Local {
            path: server.dir(),
            error,
        })
    }

    /// Spoils replicas of a datanode. Answers what was done, file by file.
    pub(crate) fn rot(&mut self, number: usize, random: &mut fastrand::Rng) -> Result<Vec<String>> {
        let dir = self.datanode(number)?.dir();
        rot::spoil(&dir, random).map_err(|error| Error::Local { path: dir, error })
    }

    /// Asks a server to end.
    pub(crate) fn terminate(server: &mut Server) -> Result<()> {
        Ok(server.terminate(END_PATIENCE)?)
    }

    /// Copies what is on disks of their own to where it stays.
    pub(crate) fn keep(&mut self) -> Result<()> {
        for server in &mut self.datanodes {
            server.kill();
        }
        for (server, disk) in self.datanodes.iter().zip(&mut self.disks) {
            let Some(disk) = disk.take() else { continue };
            let dir = server.dir();
            let aside = dir.with_extension("kept");
            let failed = |error| Error::Local {
                path: dir.clone(),
                error,
            };
            copy(&dir, &aside).map_err(failed)?;
            drop(disk);
            std::fs::remove_dir(&dir)
                .and_then(|()| std::fs::rename(&aside, &dir))
                .map_err(failed)?;
        }
        Ok(())
    }
}

fn name_of(host: &Option<Host>) -> &str {
    host.as_ref().map_or("127.0.0.1", Host::address)
}

fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            // Sockets and the like mean nothing without their process.
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
