//! A host: a disk, a clock, a place on the network, and the process that runs on it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use datanode::Datanode;
use env::disk::SimDisk;
use env::net::sim::HostId;
use env::random::SeededRandom;
use env::{Env, net::sim::SimNetwork};
use master::Master;
use tokio::sync::watch;

use crate::clock::HostClock;
use crate::faults::new_disk;
use crate::options::Plant;
use crate::process::Process;

/// What a host is for.
#[derive(Debug, Clone)]
pub(crate) enum Role {
    Master(Box<master::Config>),
    Datanode(Box<datanode::Config>),
    /// Whatever is spawned.
    Client,
}

/// A server, as its process has it.
pub(crate) enum Server {
    Master(Master),
    Datanode(Datanode),
}

/// What a process shows to the outside.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) server: Option<Rc<Server>>,
    /// How it ended, when it has ended by itself.
    pub(crate) ended: Option<String>,
}

pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) shown: Rc<RefCell<Shown>>,
    stop: watch::Sender<bool>,
}

impl Running {
    /// Asks it to stop in order.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) id: HostId,
    pub(crate) role: Role,
    pub(crate) disk: SimDisk,
    pub(crate) skew_ms: Arc<AtomicI64>,
    pub(crate) running: Option<Running>,
    pub(crate) paused: bool,
    /// How often it was started.
    pub(crate) lives: u64,
}

impl Host {
    pub(crate) fn new(name: &str, id: HostId, role: Role, plant: Option<Plant>) -> Self {
        Self {
            name: name.to_owned(),
            id,
            role,
            disk: new_disk(plant),
            skew_ms: Arc::default(),
            running: None,
            paused: false,
            lives: 0,
        }
    }

    /// Starts its process.
    pub(crate) fn start(&mut self, now: Duration, network: &SimNetwork, seed: u64) -> std::io::Result<()> {
        self.lives += 1;
        let process = Process::new(now)?;
        let env = self.env(&process, network, seed);
        let shown: Rc<RefCell<Shown>> = Rc::default();
        let (stop, stopping) = watch::channel(false);
        match self.role.clone() {
            Role::Master(config) => process.spawn(serve_master(env, *config, Rc::clone(&shown), stopping)),
            Role::Datanode(config) => {
                process.spawn(serve_datanode(env, *config, Rc::clone(&shown), stopping))
            }
            Role::Client => {}
        }
        self.running = Some(Running { process, shown, stop });
        Ok(())
    }

    /// The world as its process sees it.
    pub(crate) fn env(&self, process: &Process, network: &SimNetwork, seed: u64) -> Env {
        Env {
            clock: Arc::new(HostClock {
                base: process.base(),
                born: process.born(),
                skew_ms: Arc::clone(&self.skew_ms),
            }),
            disk: Arc::new(self.disk.clone()),
            net: network.of(self.id),
            random: Arc::new(SeededRandom::new(seed)),
        }
    }
}

async fn told(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn serve_master(
    env: Env,
    config: master::Config,
    shown: Rc<RefCell<Shown>>,
    stopping: watch::Receiver<bool>,
) {
    let master = match Master::start(env, config).await {
        Ok(master) => Rc::new(Server::Master(master)),
        Err(error) => return shown.borrow_mut().ended = Some(format!("did not start: {error}")),
    };
    shown.borrow_mut().server = Some(Rc::clone(&master));
    let Server::Master(running) = &*master else { return };
    let ended = tokio::select! {
        biased;
        failure = running.failed() => format!("failed: {failure}"),
        () = told(stopping) => "stopped".to_owned(),
    };
    shown.borrow_mut().server = None;
    if let Ok(Server::Master(master)) = Rc::try_unwrap(master).map_err(drop) {
        master.shutdown().await;
    }
    shown.borrow_mut().ended = Some(ended);
}

async fn serve_datanode(
    env: Env,
    config: datanode::Config,
    shown: Rc<RefCell<Shown>>,
    stopping: watch::Receiver<bool>,
) {
    let datanode = match Datanode::start(env, config).await {
        Ok(datanode) => Rc::new(Server::Datanode(datanode)),
        Err(error) => return shown.borrow_mut().ended = Some(format!("did not start: {error}")),
    };
    shown.borrow_mut().server = Some(Rc::clone(&datanode));
    let Server::Datanode(running) = &*datanode else {
        return;
    };
    let ended = tokio::select! {
        biased;
        failure = running.failed() => format!("failed: {failure}"),
        () = told(stopping) => "stopped".to_owned(),
    };
    shown.borrow_mut().server = None;
    if let Ok(Server::Datanode(datanode)) = Rc::try_unwrap(datanode).map_err(drop) {
        datanode.shutdown().await;
    }
    shown.borrow_mut().ended = Some(ended);
}
