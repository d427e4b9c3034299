//! Several masters in one process, and callers that go on at another one as clients do.

use env::Env;
use master::{Config, Master};
use proto::v1::{self, ErrorCode};
use tempfile::TempDir;
use tonic::Status;

use crate::harness::{Calls, channel, eventually, patient, root};
use crate::node::Node;
use crate::wires::{Wires, name};

pub(crate) struct Masters {
    seats: Vec<Seat>,
    pub(crate) wires: Wires,
}

struct Seat {
    config: Config,
    _dir: TempDir,
    master: Option<Master>,
    calls: Calls,
}

impl Masters {
    /// Three masters that have begun a cluster together.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl Fn(&mut Config)) -> Self {
        let wires = Wires::new(3).await;
        let mut seats = Vec::new();
        for number in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let mut config = patient(&dir);
            config.advertise = Some(name(number));
            config.masters = (0..3).map(name).collect();
            change(&mut config);
            let master = open(&wires, number, &config).await;
            seats.push(Seat {
                calls: Calls::new(channel(&master), String::new()),
                config,
                _dir: dir,
                master: Some(master),
            });
        }
        for seat in &mut seats {
            let cluster = seat.master.as_ref().unwrap().formed().await;
            seat.calls.cluster = cluster.to_string();
        }
        Self { seats, wires }
    }

    /// The calls of one of them.
    pub(crate) fn at(&self, number: usize) -> &Calls {
        &self.seats[number].calls
    }

    pub(crate) fn master(&self, number: usize) -> &Master {
        self.seats[number].master.as_ref().unwrap()
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.seats.len()).filter(|&number| self.seats[number].master.is_some())
    }

    /// One that leads, and answers.
    pub(crate) async fn leader(&self) -> usize {
        self.leader_among(&self.running().collect::<Vec<_>>()).await
    }

    pub(crate) async fn leader_among(&self, numbers: &[usize]) -> usize {
        eventually(async || {
            for &number in numbers {
                if self.at(number).stat("/").await.is_ok() {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    /// All that stand by, when `leader` leads.
    pub(crate) fn others(&self, leader: usize) -> Vec<usize> {
        self.running().filter(|&number| number != leader).collect()
    }

    /// The end of a process: nothing that it still does gets anywhere.
    pub(crate) fn kill(&mut self, number: usize) {
        self.wires.cut(number);
        drop(self.seats[number].master.take());
    }

    /// The end of a process that was asked to end.
    pub(crate) async fn stop(&mut self, number: usize) {
        self.seats[number].master.take().unwrap().shutdown().await;
    }

    /// Starts one that was stopped.
    pub(crate) async fn restart(&mut self, number: usize) {
        let config = self.seats[number].config.clone();
        let master = open(&self.wires, number, &config).await;
        let cluster = self.seats[number].calls.cluster.clone();
        self.seats[number].calls = Calls::new(channel(&master), cluster);
        self.seats[number].master = Some(master);
    }

    /// Does what clients do: goes round until somebody who leads has answered.
    pub(crate) async fn call<T>(
        &self,
        mut call: impl AsyncFnMut(&Calls) -> Result<T, Status>,
    ) -> Result<T, Status> {
        eventually(async || {
            for number in self.running() {
                match call(self.at(number)).await {
                    Err(status) if goes_on(&status) => {}
                    answer => return Some(answer),
                }
            }
            None
        })
        .await
    }

    pub(crate) async fn mkdir(&self, call: u64, path: &str) {
        self.call(async |calls| calls.mkdir(root(call), path, 0o755).await)
            .await
            .unwrap();
    }

    /// A datanode that has registered with all masters that run, and reported that it has nothing.
    pub(crate) async fn node(&self, n: u8) -> Everywhere {
        let node = self.stranger(n);
        // The leader first: the others wait for its word.
        let leader = self.leader().await;
        node.at(leader).register().await.unwrap();
        for part in &node.parts {
            eventually(async || part.register().await.ok()).await;
            part.report(&[]).await.unwrap();
        }
        node
    }

    pub(crate) fn stranger(&self, n: u8) -> Everywhere {
        Everywhere {
            numbers: self.running().collect(),
            parts: self.running().map(|number| self.at(number).stranger(n)).collect(),
        }
    }
}

/// A datanode that speaks to every master.
pub(crate) struct Everywhere {
    numbers: Vec<usize>,
    pub(crate) parts: Vec<Node>,
}

impl Everywhere {
    /// What it says to one of them.
    pub(crate) fn at(&self, number: usize) -> &Node {
        let place = self.numbers.iter().position(|&known| known == number);
        &self.parts[place.unwrap()]
    }

    /// Tells every one of `numbers` of a replica.
    pub(crate) async fn received(&self, numbers: &[usize], extent: types::ChunkExtent) {
        for &number in numbers {
            self.at(number).received(extent).await;
        }
    }
}

/// Whether a client would go on elsewhere, or later.
pub(crate) fn goes_on(status: &Status) -> bool {
    match proto::detail_of(status).map(|detail| detail.code()) {
        Some(code) => matches!(code, ErrorCode::NotLeader | ErrorCode::NotReady),
        None => true,
    }
}

/// A closed file of one chunk of 9 bytes, that all of `nodes` have. Uses root's calls from `call` on.
pub(crate) async fn file(
    masters: &Masters,
    call: u64,
    path: &str,
    nodes: &[&Everywhere],
) -> types::ChunkExtent {
    let inode = masters
        .call(async |calls| calls.create(root(call), path).await)
        .await
        .unwrap();
    let (chunk, _) = masters
        .call(async |calls| calls.add_chunk(root(call + 1), inode, &[]).await)
        .await
        .unwrap();
    let written = types::ChunkExtent { len: 9, ..chunk };
    let running: Vec<_> = masters.running().collect();
    for node in nodes {
        node.received(&running, written).await;
    }
    masters
        .call(async |calls| calls.complete(root(call + 2), inode, &[written]).await)
        .await
        .unwrap();
    written
}

/// What a master says of who leads.
pub(crate) async fn who(calls: &Calls) -> v1::MastersResponse {
    let request = v1::MastersRequest {};
    calls.admin.clone().masters(request).await.unwrap().into_inner()
}

async fn open(wires: &Wires, number: usize, config: &Config) -> Master {
    let env = Env {
        net: wires.network(number),
        ..Env::real()
    };
    let master = Master::start(env, config.clone()).await.unwrap();
    wires.plug(number, master.grpc_addr());
    master
}
