//! The network of the simulation: calls from member to member, with a delay, unless the way between two is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use env::disk::{Disk, read_exact_at};
use openraft::error::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use types::MasterId;

use super::world::directory;
use crate::raft::{Address, Raft, Snapshot, TypeConfig, Vote};
use crate::store::{SnapshotData, snapshot_of};

/// One way.
const DELAY: Duration = Duration::from_millis(1);

type Failed = RPCError<TypeConfig>;

/// All members that can be reached. Clones are the same network.
#[derive(Clone, Default)]
pub(super) struct Router(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    members: BTreeMap<u64, (Raft, Arc<dyn Disk>)>,
    /// From whom to whom nothing goes.
    cut: BTreeSet<(u64, u64)>,
    snapshots: u64,
}

impl Router {
    pub(super) fn join(&self, id: MasterId, raft: Raft, disk: Arc<dyn Disk>) {
        self.0.lock().unwrap().members.insert(id.0, (raft, disk));
    }

    pub(super) fn leave(&self, id: MasterId) {
        self.0.lock().unwrap().members.remove(&id.0);
    }

    /// Cuts this member off from all others, or makes an end of it.
    pub(super) fn isolate(&self, id: MasterId, others: &[MasterId], cut: bool) {
        let mut inner = self.0.lock().unwrap();
        for other in others.iter().filter(|other| **other != id) {
            for way in [(id.0, other.0), (other.0, id.0)] {
                if cut {
                    inner.cut.insert(way);
                } else {
                    inner.cut.remove(&way);
                }
            }
        }
    }

    /// How many checkpoints were sent.
    pub(super) fn snapshots(&self) -> u64 {
        self.0.lock().unwrap().snapshots
    }

    pub(super) fn from(&self, own: MasterId) -> Side {
        Side {
            router: self.clone(),
            own: own.0,
            target: 0,
        }
    }
}

/// The network as one member sees it, and as one of its connections.
#[derive(Clone)]
pub(super) struct Side {
    router: Router,
    own: u64,
    target: u64,
}

impl Side {
    /// The other end, after the time that the way there takes.
    async fn reach(&self) -> Result<(Raft, Arc<dyn Disk>), Unreachable<TypeConfig>> {
        tokio::time::sleep(DELAY).await;
        let inner = self.router.0.lock().unwrap();
        let there = inner.members.get(&self.target).cloned();
        there
            .filter(|_| !inner.cut.contains(&(self.own, self.target)))
            .ok_or_else(unreachable)
    }

    /// The way back.
    async fn back<T>(&self, answer: T) -> Result<T, Unreachable<TypeConfig>> {
        tokio::time::sleep(DELAY).await;
        let cut = self
            .router
            .0
            .lock()
            .unwrap()
            .cut
            .contains(&(self.target, self.own));
        if cut { Err(unreachable()) } else { Ok(answer) }
    }
}

fn unreachable() -> Unreachable<TypeConfig> {
    Unreachable::new(&io::Error::from(io::ErrorKind::HostUnreachable))
}

fn refused(error: impl std::error::Error + 'static) -> Unreachable<TypeConfig> {
    Unreachable::new(&error)
}

impl RaftNetworkFactory<TypeConfig> for Side {
    type Network = Self;

    async fn new_client(&mut self, target: u64, _address: &Address) -> Self {
        Self {
            target,
            ..self.clone()
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Side {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, Failed> {
        let (raft, _) = self.reach().await?;
        let answer = raft
            .append_entries(over_the_wire(request))
            .await
            .map_err(refused)?;
        Ok(self.back(answer).await?)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failed> {
        let (raft, _) = self.reach().await?;
        let answer = raft.vote(request).await.map_err(refused)?;
        Ok(self.back(answer).await?)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failed> {
        let (raft, _) = self.reach().await?;
        let answer = raft.pre_vote(request).await.map_err(refused)?;
        Ok(self.back(answer).await?)
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Failed> {
        let (raft, _) = self.reach().await?;
        let answer = raft.handle_transfer_leader(request).await.map_err(refused)?;
        Ok(self.back(answer).await?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let (raft, disk) = self.reach().await?;
        self.router.0.lock().unwrap().snapshots += 1;
        let sent = snapshot.snapshot;
        let mut bytes = vec![0; usize::try_from(sent.bytes()).unwrap()];
        read_exact_at(&**sent.raw(), &mut bytes, 0).map_err(refused)?;
        let receive = || {
            let mut receiver = checkpoint::receive(&disk, directory())?;
            for part in bytes.chunks(1000) {
                receiver.take(part)?;
            }
            receiver.finish()
        };
        let received = snapshot_of(receive().map_err(refused)?).map_err(refused)?;
        assert_eq!(received.meta, snapshot.meta);
        let answer = raft
            .install_full_snapshot(vote, received)
            .await
            .map_err(refused)?;
        Ok(self.back(answer).await?)
    }
}

/// A message that arrives has bytes, and no memory of the sender's.
fn over_the_wire(mut request: AppendEntriesRequest<TypeConfig>) -> AppendEntriesRequest<TypeConfig> {
    for entry in &mut request.entries {
        let (op, payload) = crate::store::record_of(&entry.payload);
        entry.payload = crate::store::payload_of(op, payload).unwrap();
    }
    request
}
