//! A file that is being written, opened for reading: its length is what the datanodes show of its last chunks.
//!
//! # Guarantees
//! - Whatever its writer had flushed before the file was opened is seen: any datanode of the pipeline shows it. One that has
//!   started anew since is in no pipeline: its word counts when nobody else has one, and when others stay silent.
//! - Whatever a reader saw before is seen, too: a datanode may show bytes whose acknowledgement has not reached the ones before it
//!   in the pipeline yet, but those have them. So the word of one that has more than it shows counts when nobody shows more. One
//!   that shows all that it has shows as much as anybody.
//! - Nothing is seen that is not received by all datanodes of the pipeline.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use transfer::{Node, Op, pb};
use types::FsPath;

use super::target::{Located, locate};
use crate::dataplane::{DataPlane, block};
use crate::fs::Inner;
use crate::status::{FileStatus, ServerInfo};
use crate::{Attempt, Error};

/// Pauses before the masters are asked again, because no datanode tells; there are as many tries as pauses.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(400),
    Duration::from_millis(1500),
    Duration::from_millis(3000),
];

/// What a datanode shows of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    visible: u64,
    /// Bytes that it has: others may show as many.
    received: u64,
    /// More may come.
    growing: bool,
    /// Its datanode has started anew meanwhile, and may have lost what was not on its disk.
    restarted: bool,
}

/// Why nothing can be said of a chunk now.
struct Unknown {
    chunk: types::ChunkId,
    offset: u64,
    tried: Vec<Attempt>,
}

/// The file, with its length by now and the chunks that hold it, as far as the masters told at once.
pub(super) async fn resolve(
    inner: &Arc<Inner>,
    info: &ServerInfo,
    path: &FsPath,
) -> Result<(FileStatus, Vec<Located>), Error> {
    let mut pauses = PAUSES.iter();
    loop {
        let (mut status, chunks) = locate(inner, path, 0).await?;
        let (open, mut chunks): (Vec<_>, Vec<_>) = chunks.into_iter().partition(|chunk| chunk.open);
        let Some(first) = open.first() else {
            return Ok((status, chunks));
        };
        status.len = first.start;
        match measure(
            inner,
            info,
            open,
            status.chunk_size.map_or(0, |size| size.bytes()),
            pauses.len() == 0,
        )
        .await
        {
            Ok(open) => {
                status.len += open.iter().map(|chunk| chunk.extent.len).sum::<u64>();
                chunks.extend(open);
                return Ok((status, chunks));
            }
            Err(unknown) => match pauses.next() {
                // Perhaps the pipeline has changed, or the file is closed by now.
                Some(pause) => tokio::time::sleep(*pause).await,
                None => {
                    return Err(Error::DataUnavailable {
                        path: path.to_string(),
                        offset: unknown.offset,
                        chunk: unknown.chunk,
                        tried: unknown.tried,
                    });
                }
            },
        }
    }
}

/// Gives the chunks that are open their places and visible lengths. What comes behind one that may still grow is not shown.
async fn measure(
    inner: &Inner,
    info: &ServerInfo,
    open: Vec<Located>,
    chunk_size: u64,
    last_try: bool,
) -> Result<Vec<Located>, Unknown> {
    let mut measured = Vec::with_capacity(open.len());
    let mut start = open.first().map_or(0, |first| first.start);
    for mut chunk in open {
        let shown = ask_all(inner, info, &chunk, last_try)
            .await
            .map_err(|tried| Unknown {
                chunk: chunk.extent.chunk,
                offset: start,
                tried,
            })?;
        chunk.start = start;
        chunk.extent.len = shown.visible;
        start += shown.visible;
        if shown.visible > 0 {
            measured.push(chunk);
        }
        if shown.growing && shown.visible < chunk_size {
            break;
        }
    }
    Ok(measured)
}

/// Of those who have been in the pipeline all the time, the first counts that shows all that it has; else the longest of them, and
/// else the longest of the others, once all have answered or it is the last try. When all say that there is nothing, there is nothing yet; unless something is known to be
/// there.
async fn ask_all(
    inner: &Inner,
    info: &ServerInfo,
    chunk: &Located,
    last_try: bool,
) -> Result<Shown, Vec<Attempt>> {
    let known = chunk.extent.len;
    let mut tried = Vec::new();
    let mut absent = 0;
    let mut silent = 0;
    let mut restarted: Option<Shown> = None;
    let mut longest: Option<Shown> = None;
    for node in &chunk.replicas {
        match ask(&inner.plane, info, node, chunk).await {
            Ok(Some(shown)) if shown.visible >= known && shown.restarted => {
                tried.push(Attempt {
                    datanode: node.address(),
                    why: "it has started anew, and may have lost what was not on its disk".to_owned(),
                });
                if restarted.is_none_or(|longest| longest.visible < shown.visible) {
                    restarted = Some(shown);
                }
            }
            Ok(Some(shown)) if shown.visible >= known => {
                if longest.is_none_or(|longest| longest.visible < shown.visible) {
                    longest = Some(shown);
                }
                if shown.visible >= shown.received {
                    return Ok(shown);
                }
                tried.push(Attempt {
                    datanode: node.address(),
                    why: format!(
                        "it shows {} bytes of the {} that it has, and others may show more",
                        shown.visible, shown.received
                    ),
                });
            }
            Ok(Some(shown)) => tried.push(Attempt {
                datanode: node.address(),
                why: format!("it shows {} bytes, and {known} are known", shown.visible),
            }),
            Ok(None) => {
                absent += 1;
                tried.push(Attempt {
                    datanode: node.address(),
                    why: "it has no replica".to_owned(),
                });
            }
            Err(why) => {
                silent += 1;
                tried.push(Attempt {
                    datanode: node.address(),
                    why,
                });
            }
        }
    }
    if let Some(longest) = longest.or(restarted).filter(|_| silent == 0 || last_try) {
        return Ok(longest);
    }
    if known == 0 && absent > 0 && absent == chunk.replicas.len() {
        return Ok(Shown {
            visible: 0,
            received: 0,
            growing: true,
            restarted: false,
        });
    }
    Err(tried)
}

/// Asks for no bytes, for the sake of what is told beside them; none when there is no replica.
async fn ask(
    plane: &DataPlane,
    info: &ServerInfo,
    node: &Node,
    chunk: &Located,
) -> Result<Option<Shown>, String> {
    let op = Op::ReadBlock(pb::OpReadBlockProto {
        header: plane.header(&block(&info.pool, chunk.extent)),
        offset: 0,
        len: 0,
        send_checksums: Some(true),
        caching_strategy: None,
    });
    let limit = plane.timeouts.read_stall;
    let answer = async {
        let mut connection = plane.connect(&node.address()).await?;
        let written = connection.writer.write_op(&op).await;
        written.map_err(|error| error.to_string())?;
        let response = connection.reader.read_response().await;
        response.map_err(|error| error.to_string())
    };
    let response = timeout(limit, answer)
        .await
        .map_err(|_| format!("no answer within {}", types::format_duration(limit)))??;
    let state = response.replica;
    if state.is_some_and(|state| state.absent()) {
        return Ok(None);
    }
    let response = response.accepted().map_err(|refusal| refusal.to_string())?;
    let state = response.replica.ok_or("it does not tell how much is visible")?;
    Ok(Some(Shown {
        visible: state.visible(),
        // Datanodes of before did not say.
        received: state.received.unwrap_or_else(|| state.visible()),
        growing: state.being_written(),
        restarted: state.restarted(),
    }))
}
