//! Repairing a broken pipeline: the survivors agree on what is acknowledged, under a new generation, and go on from there.
//!
//! ```text
//! drop who failed ─▶ too few? ─▶ newcomers, filled by a survivor ─▶ new generation ─▶ new pipeline ─▶ tell the master
//!        ▲               └ none, and nothing acknowledged: begin with another chunk        │
//!        └───────────────────────────── somebody fails again ──────────────────────────────┘
//! ```
//!
//! What is acknowledged is never sent again. Replicas keep what they have beyond it, because readers may have seen it;
//! everything behind it is kept in the window and sent again to all, and those that have it skip it. The generation of the last pipeline that worked is named until a new one works: survivors may
//! have moved on to the generation of a try that failed, which is higher and therefore good as well.

use std::sync::Arc;

use transfer::pb::BlockConstructionStage as Stage;
use transfer::{Block, Node};
use types::ChunkExtent;

use super::chunk::{ChunkWriter, Repaired, SETUPS_MAX};
use super::pipeline::{Broken, Pipeline, Setup};
use crate::Error;
use crate::dataplane::block;

impl ChunkWriter {
    /// Builds a new pipeline of those of `nodes` that did not break the last one, and of others where too few are left.
    ///
    /// # Errors
    /// [`Error::WriteDenied`] when too few are left and there are no others, [`Error::PipelineLost`] when none is left.
    pub(super) async fn repair(
        &mut self,
        chunk: &mut ChunkExtent,
        nodes: Vec<Node>,
        broken: Broken,
    ) -> Result<Repaired, Error> {
        let target = Arc::clone(&self.target);
        let closing = self.window.only_last_is_out();
        let acknowledged = self.window.acknowledged();
        let mut nodes = self.drop_culprits(nodes, broken);
        // Some may have all of it, finished, and others nothing. Nobody has read any of it: the file has no name yet.
        if self.window.is_one_packet() {
            return Ok(Repaired::StartOver);
        }
        for _ in 0..SETUPS_MAX {
            // A survivor may have shown readers what nobody has told this client of: then the chunk stays.
            if acknowledged == 0 && nodes.is_empty() {
                return Ok(Repaired::StartOver);
            }
            if nodes.is_empty() {
                break;
            }
            let old = Block {
                len: acknowledged,
                ..block(&target.info.pool, *chunk)
            };
            if nodes.len() < target.required {
                nodes = self.reinforce(&old, nodes).await?;
                if nodes.len() < target.required {
                    continue;
                }
            }
            let generation = target.bump_generation(chunk.chunk).await?;
            let setup = Setup {
                block: old,
                stage: if closing {
                    Stage::PipelineCloseRecovery
                } else {
                    Stage::PipelineSetupStreamingRecovery
                },
                generation,
                acknowledged,
                sent: self.window.sent_to(),
            };
            match Pipeline::open(&target.inner.plane, &setup, &nodes).await {
                Ok(pipeline) => {
                    chunk.generation = generation;
                    target
                        .update_pipeline(
                            ChunkExtent {
                                len: acknowledged,
                                ..*chunk
                            },
                            &nodes,
                        )
                        .await?;
                    tracing::info!(
                        path = %target.path, chunk = %chunk.chunk, %generation, datanodes = nodes.len(), "pipeline repaired"
                    );
                    self.window.rewind();
                    return Ok(if closing {
                        Repaired::Closed
                    } else {
                        Repaired::Streaming(Box::new(pipeline))
                    });
                }
                Err(broken) => nodes = self.drop_culprits(nodes, broken),
            }
        }
        Err(self.pipeline_lost(Some(*chunk)))
    }

    /// Asks for further datanodes and fills them with what is acknowledged. Returns the nodes with those that it worked
    /// for, or without a survivor that failed.
    async fn reinforce(&mut self, block: &Block, mut nodes: Vec<Node>) -> Result<Vec<Node>, Error> {
        let target = Arc::clone(&self.target);
        let missing = target.required - nodes.len();
        let asked = target
            .additional_datanodes(block.chunk, &nodes, &self.failed, missing)
            .await;
        let newcomers = asked.map_err(|error| target.with_lost(error, &self.lost))?;
        for newcomer in newcomers {
            let Some(source) = nodes.first().cloned() else {
                break;
            };
            let copied = Pipeline::transfer(
                &target.inner.plane,
                block,
                &source,
                std::slice::from_ref(&newcomer),
            )
            .await;
            match copied {
                Ok(()) => nodes.push(newcomer),
                Err((bad_link, why)) => {
                    let why = format!("copying the chunk's beginning: {why}");
                    if bad_link.is_some_and(|address| address == newcomer.address()) {
                        self.lose(&newcomer, &why);
                    } else {
                        nodes = self.drop_culprits(nodes, Broken::at(0, why));
                    }
                }
            }
        }
        Ok(nodes)
    }
}
