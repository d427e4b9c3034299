//! One pipeline: the connection to its first datanode, what is asked of it, and the acknowledgements that come back.

use std::time::Duration;

use tokio::time::timeout;
use transfer::pb::BlockConstructionStage as Stage;
use transfer::{Block, Node, Op, PipelineAck, pb};
use types::Generation;

use crate::dataplane::{Connection, DataPlane};

/// A time limit for a pipeline of `nodes` datanodes: a fifth more for each behind the first, so that a datanode gives its
/// neighbour up before it is given up itself.
pub(super) fn with_hops(limit: Duration, nodes: usize) -> Duration {
    limit + limit / 5 * u32::try_from(nodes.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// Why a pipeline is of no more use: which of its datanodes (by position) failed, and how.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) culprits: Vec<(usize, String)>,
}

impl Broken {
    pub(crate) fn at(position: usize, why: impl Into<String>) -> Self {
        Self {
            culprits: vec![(position, why.into())],
        }
    }

    /// What an acknowledgement of a pipeline of `nodes` datanodes says, when it is not that all is well.
    pub(crate) fn by_ack(ack: &PipelineAck, nodes: usize) -> Result<(), Self> {
        if let Some((position, status)) = ack.first_failure() {
            let why = format!("the pipeline reports {}", status.as_str_name());
            return Err(Self::at(position.min(nodes.saturating_sub(1)), why));
        }
        let replies = ack.replies.len();
        if replies == nodes {
            Ok(())
        } else {
            Err(Self::at(
                0,
                format!("its acknowledgement is of {replies} datanodes instead of {nodes}"),
            ))
        }
    }
}

/// What a pipeline is for.
pub(crate) struct Setup {
    /// With the generation that the replicas have by now.
    pub(crate) block: Block,
    pub(crate) stage: Stage,
    /// The generation that they get.
    pub(crate) generation: Generation,
    /// Bytes that every replica has, and that are kept.
    pub(crate) acknowledged: u64,
    /// Bytes that a replica may have.
    pub(crate) sent: u64,
}

pub(crate) struct Pipeline {
    pub(crate) nodes: Vec<Node>,
    pub(crate) block: Block,
    pub(crate) writer: wire::Writer,
    /// Where acknowledgements come from. Reading one may be given up and begun again.
    pub(crate) acks: Acks,
    /// Of the first datanode.
    address: String,
}

/// The acknowledgements of a pipeline.
pub(crate) struct Acks(wire::Reader);

impl Acks {
    /// The next one; or why there are no more.
    pub(crate) async fn next(&mut self) -> Result<PipelineAck, String> {
        self.0.read_ack().await.map_err(|error| error.to_string())
    }
}

impl Pipeline {
    /// Builds a pipeline of `nodes`, in order.
    pub(crate) async fn open(plane: &DataPlane, setup: &Setup, nodes: &[Node]) -> Result<Self, Broken> {
        let Some((first, rest)) = nodes.split_first() else {
            return Err(Broken { culprits: Vec::new() });
        };
        let address = first.address();
        let op = Op::WriteBlock(Box::new(pb::OpWriteBlockProto {
            header: plane.header(&setup.block),
            targets: rest.iter().map(Into::into).collect(),
            source: None,
            stage: setup.stage.into(),
            pipeline_size: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
            min_bytes_rcvd: setup.acknowledged,
            max_bytes_rcvd: setup.sent,
            latest_generation_stamp: setup.generation.as_u64(),
            requested_checksum: pb::ChecksumProto::crc32c(),
            ..Default::default()
        }));
        // Every datanode connects to the next before it answers, and may have to stop an earlier writer first. One that
        // ends a chunk syncs it.
        let limit = match setup.stage {
            Stage::PipelineCloseRecovery => plane.timeouts.finish,
            _ => plane.timeouts.ack,
        };
        let limit = plane.timeouts.connect + with_hops(limit, nodes.len());
        let asking = async {
            // One that was kept may have been closed meanwhile, which says nothing of the datanode. One that ends a chunk is not
            // asked twice.
            while setup.stage != Stage::PipelineCloseRecovery
                && let Some(mut connection) = plane.idle(&address)
            {
                match ask(&mut connection, &op).await {
                    Ok(()) => return Ok(connection),
                    Err(Answer::Failed(why)) => {
                        tracing::debug!(address, why, "a connection that was kept is gone")
                    }
                    Err(refused) => return Err(refused),
                }
            }
            let mut connection = plane.connect(&address).await.map_err(Answer::Failed)?;
            ask(&mut connection, &op).await.map(|()| connection)
        };
        match timeout(limit, asking).await {
            Ok(Ok(connection)) => Ok(Self::running(connection, setup, nodes, address)),
            Ok(Err(Answer::Refused(refusal))) => Err(blame(nodes, &refusal)),
            Ok(Err(Answer::Failed(why))) => Err(Broken::at(0, why)),
            Err(_) => {
                let why = format!("no answer within {}", types::format_duration(limit));
                Err(find_silent(plane, &setup.block, nodes, &why).await)
            }
        }
    }

    fn running(connection: Connection, setup: &Setup, nodes: &[Node], address: String) -> Self {
        let Connection { reader, writer } = connection;
        let block = Block {
            generation: setup.generation,
            ..setup.block.clone()
        };
        Self {
            nodes: nodes.to_vec(),
            block,
            writer,
            acks: Acks(reader),
            address,
        }
    }

    /// All of the chunk is acknowledged: the connection is kept for the next one.
    pub(crate) fn finish(self, plane: &DataPlane) {
        let Self {
            writer,
            acks: Acks(reader),
            address,
            ..
        } = self;
        plane.keep(&address, Connection { reader, writer });
    }

    /// The longest wait for an acknowledgement.
    pub(crate) fn ack_limit(&self, limit: Duration) -> Duration {
        with_hops(limit, self.nodes.len())
    }

    /// No acknowledgement came in time: which datanodes are to blame. Those that do not answer a question; where all do,
    /// the first, for it is the one that must acknowledge.
    pub(crate) async fn find_silent(&self, plane: &DataPlane, waited: Duration) -> Broken {
        let why = format!("no acknowledgement within {}", types::format_duration(waited));
        find_silent(plane, &self.block, &self.nodes, &why).await
    }

    /// Copies the beginning of a replica that is being written from `source` to `newcomers`.
    ///
    /// # Errors
    /// Who failed: `Err(None)` the source, `Err(Some(address))` a newcomer.
    pub(crate) async fn transfer(
        plane: &DataPlane,
        block: &Block,
        source: &Node,
        newcomers: &[Node],
    ) -> Result<(), (Option<String>, String)> {
        let op = Op::TransferBlock(pb::OpTransferBlockProto {
            header: plane.header(block),
            targets: newcomers.iter().map(Into::into).collect(),
            ..Default::default()
        });
        // At 8 MiB/s a disk or a network is as good as dead.
        let limit = plane.timeouts.finish + Duration::from_secs(block.len >> 23);
        let mut connection = plane
            .connect(&source.address())
            .await
            .map_err(|why| (None, why))?;
        match timeout(limit, ask(&mut connection, &op)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Answer::Refused(refusal))) => {
                let why = refusal.to_string();
                Err(((!refusal.bad_link.is_empty()).then_some(refusal.bad_link), why))
            }
            Ok(Err(Answer::Failed(why))) => Err((None, why)),
            Err(_) => Err((
                None,
                format!("the copy took more than {}", types::format_duration(limit)),
            )),
        }
    }
}

enum Answer {
    Refused(transfer::Refusal),
    Failed(String),
}

async fn ask(connection: &mut Connection, op: &Op) -> Result<(), Answer> {
    connection
        .writer
        .write_op(op)
        .await
        .map_err(|error| Answer::Failed(error.to_string()))?;
    let response = connection
        .reader
        .read_response()
        .await
        .map_err(|error| Answer::Failed(error.to_string()))?;
    response.accepted().map(drop).map_err(Answer::Refused)
}

/// Which datanode a refused setup is about: the one it names, else the one that answered.
fn blame(nodes: &[Node], refusal: &transfer::Refusal) -> Broken {
    let named = nodes.iter().position(|node| node.address() == refusal.bad_link);
    Broken::at(named.unwrap_or(0), refusal.to_string())
}

pub(super) async fn find_silent(plane: &DataPlane, block: &Block, nodes: &[Node], why: &str) -> Broken {
    let probes = nodes.iter().map(|node| plane.probe(node, block));
    let answers = futures_util::future::join_all(probes).await;
    let silent = answers.into_iter().enumerate().filter_map(|(position, answer)| {
        let cause = answer.err()?;
        Some((position, format!("{why}: {cause}")))
    });
    let culprits: Vec<_> = silent.collect();
    if culprits.is_empty() {
        Broken::at(0, why)
    } else {
        Broken { culprits }
    }
}
