//! A master and its datanodes.

use std::path::Path;

use tempfile::TempDir;

use super::{Client, Role, until};

/// How a cluster is started. The waits are short, so that tests are.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) datanodes: usize,
    pub(crate) master: Vec<String>,
    pub(crate) datanode: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Self {
            datanodes: 3,
            master: texts(&["--heartbeat-interval", "300ms", "--dead-after", "2s"]),
            datanode: texts(&["--abandoned-write-timeout", "5s"]),
        }
    }
}

/// A running cluster in a directory of its own. Dropping it kills everything and removes the directory.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) master: Role,
    pub(crate) datanodes: Vec<Role>,
    pub(crate) client: Client,
    address: String,
    options: Options,
    dir: TempDir,
}

impl Cluster {
    /// A cluster with so many datanodes, all there.
    pub(crate) fn start(datanodes: usize) -> Self {
        Self::with(Options {
            datanodes,
            ..Options::default()
        })
    }

    /// A cluster with all its datanodes there.
    pub(crate) fn with(options: Options) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("distrifs-cluster-")
            .tempdir()
            .unwrap();
        let mut master = Role::new(dir.path(), "master", "master", options.master.clone());
        let ready = master.start();
        let mut cluster = Self {
            master,
            datanodes: Vec::new(),
            client: Client::new(&ready.master, dir.path()),
            address: ready.master,
            dir,
            options,
        };
        for _ in 0..cluster.options.datanodes {
            cluster.add_datanode();
        }
        for datanode in &mut cluster.datanodes {
            datanode.ready();
        }
        cluster.wait_for_datanodes(cluster.datanodes.len());
        cluster
    }

    /// Starts one more datanode and does not wait for it.
    pub(crate) fn add_datanode(&mut self) -> &mut Role {
        let mut datanode = self.new_datanode(&format!("datanode-{}", self.datanodes.len() + 1));
        datanode.spawn();
        self.datanodes.push(datanode);
        self.datanodes.last_mut().unwrap()
    }

    /// A datanode of this cluster, in directory `name`, that does not run yet.
    pub(crate) fn new_datanode(&self, name: &str) -> Role {
        let mut options = vec!["--master".to_owned(), self.address.clone()];
        options.extend(self.options.datanode.iter().cloned());
        Role::new(self.dir.path(), "datanode", name, options)
    }

    /// Waits until the master hears of exactly so many datanodes.
    pub(crate) fn wait_for_datanodes(&self, count: usize) {
        until(&format!("{count} datanodes are there"), || {
            (self.client.live_datanodes() == Some(count)).then_some(())
        });
    }

    /// A directory for a test's own files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `kill -9` of every process.
    pub(crate) fn kill_all(&mut self) {
        for role in self.datanodes.iter_mut().chain([&mut self.master]) {
            if role.is_running() {
                role.kill();
            }
        }
    }

    /// Starts every process again, on the same directories and ports, and waits for all.
    pub(crate) fn start_all(&mut self) {
        self.master.start();
        for datanode in &mut self.datanodes {
            datanode.start();
        }
        self.wait_for_datanodes(self.datanodes.len());
    }
}
