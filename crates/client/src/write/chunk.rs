//! The writer of one chunk: a task that takes packets, sends them down a pipeline, keeps them until they are acknowledged,
//! and repairs the pipeline when it breaks.
//!
//! ```text
//!  FileWriter ── packets ──▶ Window ── not sent ──▶ pipeline: A ─▶ B ─▶ C
//!                              ▲                        │
//!                              └─ first not acknowledged ◀ acks
//! ```
//!
//! # Guarantees
//! - The chunk is reported as acknowledged only when its last packet is: then it is on disk on every datanode of the
//!   pipeline of that moment, which are at least `required`.
//! - The last packet is sent when everything before it is acknowledged. So a replica is closed only when all have all of
//!   it, and a repair before that never meets a closed one. A chunk that is one packet, of a file that nobody can read yet, is
//!   closed by that packet; it is never repaired, but begun anew.
//! - Every wait has a limit; a datanode that is silent for longer is dropped from the pipeline.
//! - The number of repairs is bounded; each one drops at least one datanode.
//! - Chunks are allocated in the order of the file. A chunk of which nothing is acknowledged may yet be given up for
//!   another, which goes to the end of the file; so the next one is allocated only when the one before is past that.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use transfer::pb::BlockConstructionStage as Stage;
use transfer::{Block, Node, PipelineAck};
use types::{ChunkExtent, DatanodeId};

use super::packet::Packet;
use super::pipeline::{Broken, Pipeline, Setup};
use super::target::{Allocated, Reopened, Target};
use super::window::Window;
use crate::dataplane::block;
use crate::{Attempt, Error};

/// How often a pipeline is built anew before the chunk is given up.
pub(super) const SETUPS_MAX: usize = 6;

/// How long acknowledgements are looked at that came before a connection broke.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(crate) struct ChunkWriter {
    pub(super) target: Arc<Target>,
    packets: mpsc::Receiver<Arc<Packet>>,
    /// How far the chunk before is.
    before: Option<watch::Receiver<Progress>>,
    /// Tells how far this one is.
    progress: watch::Sender<Progress>,
    pub(super) window: Window,
    /// What it goes on with; else it is a new chunk.
    reopened: Option<Reopened>,
    /// The last packet was taken from `packets`.
    ended: bool,
    /// Datanodes that failed this chunk.
    pub(super) failed: Vec<DatanodeId>,
    /// What happened to them.
    pub(super) lost: Vec<Attempt>,
}

/// How far a chunk is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// The chunk, with the bytes that are acknowledged; none before it is allocated.
    pub(super) extent: Option<ChunkExtent>,
    /// How many packets are acknowledged.
    pub(super) packets: i64,
}

impl Progress {
    /// Bytes that are acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.extent.map_or(0, |extent| extent.len)
    }
}

/// How streaming ended, when not by a failure.
enum End {
    Finished,
    /// The file was given up.
    Abandoned,
}

/// What became of a broken pipeline.
pub(super) enum Repaired {
    /// A new one is ready; what is kept is to be sent again.
    Streaming(Box<Pipeline>),
    /// Only the end was missing, and the survivors have it.
    Closed,
    /// Nothing of the chunk is acknowledged, and too few are left: better to begin with another chunk.
    StartOver,
}

/// Since when an acknowledgement has been awaited.
struct Waiting {
    since: Option<Instant>,
    heartbeat: bool,
}

impl ChunkWriter {
    pub(super) fn new(
        target: Arc<Target>,
        packets: mpsc::Receiver<Arc<Packet>>,
        before: Option<watch::Receiver<Progress>>,
        progress: watch::Sender<Progress>,
        reopened: Option<Reopened>,
    ) -> Self {
        let len = reopened.as_ref().map_or(0, |reopened| reopened.extent.len);
        Self {
            target,
            packets,
            before,
            progress,
            reopened,
            window: Window::behind(len),
            ended: false,
            failed: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// Writes the chunk. Ends when it is acknowledged, when it can not be written, or when the file is given up: by its
    /// writer, or by the failure of the chunk before, which is that one's to tell.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        // Only when there is something to write: a file that ends with a full chunk has no empty one behind it.
        let Some(first) = self.packets.recv().await else {
            return Ok(());
        };
        self.ended = first.header.last;
        self.window.push(first);
        if let Some(mut before) = self.before.take()
            && before.wait_for(|before| before.acknowledged() > 0).await.is_err()
        {
            return Ok(());
        }
        let (mut chunk, mut pipeline) = match self.reopened.take() {
            Some(reopened) => self.go_on(reopened).await?,
            None => self.begin().await?,
        };
        loop {
            self.tell(chunk);
            let broken = match self.stream(&mut pipeline).await {
                Ok(End::Finished) => {
                    pipeline.finish(&self.target.inner.plane);
                    break;
                }
                Ok(End::Abandoned) => return Ok(()),
                Err(broken) => broken,
            };
            let nodes = std::mem::take(&mut pipeline.nodes);
            // The connection is closed before survivors are asked to take part in another.
            drop(pipeline);
            match self.repair(&mut chunk, nodes, broken).await? {
                Repaired::Streaming(repaired) => pipeline = *repaired,
                Repaired::Closed => break,
                Repaired::StartOver => {
                    self.target.abandon_chunk(chunk.chunk).await?;
                    self.window.rewind();
                    (chunk, pipeline) = self.begin().await?;
                }
            }
        }
        chunk.len = self.window.acknowledged();
        self.target.acknowledged(chunk);
        self.target.tell_soon();
        Ok(())
    }

    /// Tells which chunk is written, and in which generation.
    fn tell(&self, chunk: ChunkExtent) {
        let len = self.window.acknowledged();
        self.progress
            .send_modify(|progress| progress.extent = Some(ChunkExtent { len, ..chunk }));
    }

    /// Allocates a chunk and opens its pipeline; with other datanodes where some do not serve.
    async fn begin(&mut self) -> Result<(ChunkExtent, Pipeline), Error> {
        for _ in 0..SETUPS_MAX {
            let added = self.target.add_chunk(&self.failed).await;
            let Allocated { extent, nodes } =
                added.map_err(|error| self.target.with_lost(error, &self.lost))?;
            let setup = Setup {
                // The length that it may get: who does not know keeps room for the largest usual one.
                block: Block {
                    len: self.target.chunk_size.bytes(),
                    ..block(&self.target.info.pool, extent)
                },
                stage: Stage::PipelineSetupCreate,
                generation: extent.generation,
                acknowledged: 0,
                sent: 0,
            };
            match Pipeline::open(&self.target.inner.plane, &setup, &nodes).await {
                Ok(pipeline) => return Ok((extent, pipeline)),
                Err(broken) => {
                    self.drop_culprits(nodes, broken);
                    self.target.abandon_chunk(extent.chunk).await?;
                }
            }
        }
        Err(self.pipeline_lost(None))
    }

    /// Opens the pipeline of a chunk that was finished; where datanodes do not serve, of the others, as after a failure.
    async fn go_on(&mut self, reopened: Reopened) -> Result<(ChunkExtent, Pipeline), Error> {
        let target = Arc::clone(&self.target);
        let Reopened {
            mut extent,
            generation,
            nodes,
        } = reopened;
        let mut broken = Broken { culprits: Vec::new() };
        if nodes.len() >= target.required {
            let setup = Setup {
                block: block(&target.info.pool, extent),
                stage: Stage::PipelineSetupAppend,
                generation,
                acknowledged: extent.len,
                sent: extent.len,
            };
            match Pipeline::open(&target.inner.plane, &setup, &nodes).await {
                Ok(pipeline) => {
                    extent.generation = generation;
                    target.update_pipeline(extent, &nodes).await?;
                    return Ok((extent, pipeline));
                }
                Err(failed) => broken = failed,
            }
        }
        match self.repair(&mut extent, nodes, broken).await? {
            Repaired::Streaming(pipeline) => Ok((extent, *pipeline)),
            // Neither can be: nothing was sent, and there are acknowledged bytes.
            Repaired::Closed | Repaired::StartOver => Err(self.pipeline_lost(Some(extent))),
        }
    }

    /// The nodes that are left; the others are remembered, with what happened.
    pub(super) fn drop_culprits(&mut self, nodes: Vec<Node>, broken: Broken) -> Vec<Node> {
        let mut left = Vec::with_capacity(nodes.len());
        for (position, node) in nodes.into_iter().enumerate() {
            match broken.culprits.iter().find(|(culprit, _)| *culprit == position) {
                None => left.push(node),
                Some((_, why)) => {
                    tracing::warn!(
                        path = %self.target.path, datanode = %node.address(), %why, "datanode dropped from the pipeline"
                    );
                    self.lose(&node, why);
                }
            }
        }
        left
    }

    pub(super) fn lose(&mut self, node: &Node, why: &str) {
        self.target.inner.plane.suspect(node.id);
        self.failed.push(node.id);
        self.lost.push(Attempt {
            datanode: node.address(),
            why: why.to_owned(),
        });
    }

    pub(super) fn pipeline_lost(&self, chunk: Option<ChunkExtent>) -> Error {
        Error::PipelineLost {
            path: self.target.path.to_string(),
            chunk: chunk.map(|chunk| chunk.chunk),
            acknowledged: self.window.acknowledged(),
            tried: self.lost.clone(),
        }
    }

    async fn stream(&mut self, pipeline: &mut Pipeline) -> Result<End, Broken> {
        let target = Arc::clone(&self.target);
        let timeouts = &target.inner.plane.timeouts;
        let heartbeat_every = timeouts.ack / 2;
        let mut waiting = Waiting {
            since: None,
            heartbeat: false,
        };
        let mut last_sent = Instant::now();
        loop {
            if self.ended && self.window.is_empty() {
                return Ok(End::Finished);
            }
            let next = self
                .window
                .next()
                .filter(|packet| !packet.header.last || self.window.all_acknowledged());
            if let Some(packet) = next {
                self.window.sending();
                self.send(pipeline, &packet, &mut waiting).await?;
                last_sent = Instant::now();
                continue;
            }
            let closing = self.window.only_last_is_out();
            let limit = pipeline.ack_limit(match closing {
                // A little data and its sync: not as long as a whole chunk may take.
                true if self.window.is_one_packet() => timeouts.finish.min(timeouts.ack * 2),
                true => timeouts.finish,
                false => timeouts.ack,
            });
            let overdue = waiting.since.map(|since| since + limit);
            tokio::select! {
                biased;
                ack = pipeline.acks.next() => self.acknowledged(pipeline.nodes.len(), ack, &mut waiting)?,
                packet = self.packets.recv(), if !self.ended => match packet {
                    Some(packet) => {
                        self.ended = packet.header.last;
                        self.window.push(packet);
                    }
                    None => return Ok(End::Abandoned),
                },
                () = until(overdue) => {
                    return Err(pipeline.find_silent(&target.inner.plane, limit).await);
                }
                () = sleep_until(last_sent + heartbeat_every), if !closing => {
                    let heartbeat = Packet::heartbeat();
                    waiting.heartbeat = true;
                    self.send(pipeline, &heartbeat, &mut waiting).await?;
                    last_sent = Instant::now();
                }
            }
        }
    }

    /// Sends one packet, and looks at acknowledgements meanwhile.
    async fn send(
        &mut self,
        pipeline: &mut Pipeline,
        packet: &Packet,
        waiting: &mut Waiting,
    ) -> Result<(), Broken> {
        waiting.since.get_or_insert_with(Instant::now);
        let target = Arc::clone(&self.target);
        let plane = &target.inner.plane;
        let limit = pipeline.ack_limit(plane.timeouts.ack);
        let written = {
            // Borrowed apart, so that acknowledgements can be taken while the packet is on its way out.
            let Pipeline {
                writer, acks, nodes, ..
            } = &mut *pipeline;
            let mut write = pin!(writer.write_packet(&packet.header, packet.sums(), packet.data()));
            loop {
                let overdue = waiting.since.map(|since| since + limit);
                tokio::select! {
                    biased;
                    written = &mut write => break Some(written),
                    ack = acks.next() => self.acknowledged(nodes.len(), ack, waiting)?,
                    () = until(overdue) => break None,
                }
            }
        };
        match written {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(self.why_closed(pipeline, &error.to_string(), waiting).await),
            None => Err(pipeline.find_silent(plane, limit).await),
        }
    }

    /// The connection broke while something was sent. The acknowledgements that are still under way may say which datanode
    /// is to blame; else it is the first.
    async fn why_closed(&mut self, pipeline: &mut Pipeline, why: &str, waiting: &mut Waiting) -> Broken {
        let until_when = Instant::now() + LAST_WORDS;
        loop {
            match tokio::time::timeout_at(until_when, pipeline.acks.next()).await {
                Ok(ack @ Ok(_)) => {
                    if let Err(broken) = self.acknowledged(pipeline.nodes.len(), ack, waiting) {
                        return broken;
                    }
                }
                _ => return Broken::at(0, format!("the connection broke: {why}")),
            }
        }
    }

    /// One acknowledgement of a pipeline of `nodes` datanodes.
    fn acknowledged(
        &mut self,
        nodes: usize,
        ack: Result<PipelineAck, String>,
        waiting: &mut Waiting,
    ) -> Result<(), Broken> {
        let ack = ack.map_err(|why| Broken::at(0, why))?;
        Broken::by_ack(&ack, nodes)?;
        if ack.is_heartbeat() {
            waiting.heartbeat = false;
        } else {
            self.window
                .acknowledge(ack.seqno)
                .map_err(|error| Broken::at(0, error.to_string()))?;
            let (len, packets) = (self.window.acknowledged(), self.window.packets());
            self.progress.send_modify(|progress| {
                progress.packets = packets;
                if let Some(extent) = &mut progress.extent {
                    extent.len = len;
                }
            });
        }
        let more = waiting.heartbeat || !self.window.all_acknowledged();
        waiting.since = more.then(Instant::now);
        Ok(())
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
