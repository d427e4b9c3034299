//! Why a file is as it is.

use namespace::ChunkInfo;
use placement::Condition;
use types::{ByteSize, Caller, FsPath};

use super::chunk::{next, replica};
use super::{Explanation, Paragraph};
use crate::core::Core;
use crate::rejection::Rejection;

/// Chunks that are told of one by one.
const CHUNKS_MAX: usize = 20;

/// Chunks that are looked at before others may have the lock.
const AT_ONCE: usize = 1_000;

/// Why a file is as it is: how each of its chunks is (of a large file, some of those with which something is wrong, and then
/// of the others), and what keeps it from being healthy. Also for a file that is being written.
///
/// # Errors
/// When there is none, or the caller may not read it.
pub(crate) async fn explain_file(
    core: &Core,
    caller: &Caller,
    path: &FsPath,
) -> Result<Explanation, Rejection> {
    let snapshot = core.machine.snapshot();
    // Who may read it may know where it is.
    let located = snapshot.locate(caller, path)?;
    let status = located.status;
    let chunks = snapshot.file_chunks(status.inode).unwrap_or_default();
    let mut whole = Condition::HEALTHY;
    let (mut wrong, mut others, mut wrong_count) = (Vec::new(), Vec::new(), 0u64);
    for some in chunks.chunks(AT_ONCE) {
        {
            let cluster = core.cluster();
            let namespace = core.machine.read();
            for info in some.iter().filter_map(|info| namespace.chunk(info.chunk)) {
                let condition = cluster.condition(&info);
                whole = whole.worse(condition);
                let is_wrong = condition.class.is_wrong() || condition.corrupt;
                wrong_count += u64::from(is_wrong);
                let list = if is_wrong { &mut wrong } else { &mut others };
                if list.len() < CHUNKS_MAX {
                    list.push((info, condition));
                }
            }
        }
        tokio::task::yield_now().await;
    }
    wrong.extend(others);
    wrong.truncate(CHUNKS_MAX);
    let mut lines = vec![format!(
        "{} ({} bytes) in {} chunks, {} replicas wanted of each",
        ByteSize(status.len),
        status.len,
        chunks.len(),
        status.replication
    )];
    if status.being_written {
        lines.push("it is being written".to_owned());
    }
    if wrong_count > 0 {
        lines.push(format!("with {wrong_count} of its chunks something is wrong"));
    }
    if chunks.len() > wrong.len() {
        lines.push(format!("{} of its chunks are told of here", wrong.len()));
    }
    let mut paragraphs = vec![Paragraph::new("file", lines)];
    paragraphs.extend(
        wrong
            .into_iter()
            .map(|(info, condition)| chunk(core, &info, condition)),
    );
    Ok(Explanation {
        subject: path.to_string(),
        condition: Some(whole),
        paragraphs,
    })
}

fn chunk(core: &Core, info: &ChunkInfo, condition: Condition) -> Paragraph {
    let now = core.now();
    let cluster = core.cluster();
    let located = cluster.replicas.located(info.chunk);
    let mut lines: Vec<_> = located
        .map(|located| replica(&cluster, info, &located, now))
        .collect();
    if lines.is_empty() {
        lines.push("no datanode has told of a replica".to_owned());
    }
    lines.extend(next(&cluster, info.chunk, now));
    Paragraph {
        title: format!("chunk {}: {}", info.chunk, condition.class.name()),
        lines,
    }
}
