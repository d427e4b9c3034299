//! The checksums of every replica of a file, compared with each other.
//!
//! Each datanode puts the checksum of its replica together from the sums that it stored beside the bytes when it wrote them.
//! So replicas are found that are missing, cut, or of other bytes than the others. Whether the bytes on the disk are still
//! those of the stored sums is what scrubbing looks at, and every read.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use transfer::{Block, Node};
use types::ChunkExtent;

use super::{ChunkHealth, FileHealth, Standing};
use crate::Error;
use crate::dataplane::block;
use crate::fs::Inner;

/// Replicas that are asked for at a time.
const AT_A_TIME: usize = 16;

/// What a replica is by its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sum {
    /// As most are of this chunk.
    Agrees(u32),
    /// Another one than most have, or one of two of which nobody can say which is right.
    Differs(u32),
    /// The datanode did not say: why.
    Unknown(String),
}

/// A replica, and its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaVerdict {
    /// Where.
    pub node: Node,
    /// Its checksum.
    pub sum: Sum,
}

/// A chunk, and the checksums of its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkVerdict {
    /// Which.
    pub extent: ChunkExtent,
    /// Those that should be good and can be reached.
    pub replicas: Vec<ReplicaVerdict>,
}

/// A file, and the checksums of all replicas of its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVerdict {
    /// Its path.
    pub path: String,
    /// Its chunks, as far as they were told.
    pub chunks: Vec<ChunkVerdict>,
    /// Chunks that were not told, and so not looked at: a file's first 1,000 are.
    pub unseen: u64,
}

/// What verifying files has found so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Replicas that were asked.
    pub replicas: u64,
    /// Of these, with another checksum than most have.
    pub differing: u64,
    /// Of these, which no datanode answered for.
    pub unanswered: u64,
    /// Chunks that were not looked at.
    pub chunks_unseen: u64,
    /// Files that have one of these.
    pub files_wrong: u64,
}

impl Verified {
    /// With one more file.
    pub fn add(&mut self, verdict: &FileVerdict) {
        for replica in verdict.chunks.iter().flat_map(|chunk| &chunk.replicas) {
            self.replicas += 1;
            match replica.sum {
                Sum::Agrees(_) => {}
                Sum::Differs(_) => self.differing += 1,
                Sum::Unknown(_) => self.unanswered += 1,
            }
        }
        self.chunks_unseen += verdict.unseen;
        self.files_wrong += u64::from(!verdict.is_good());
    }
}

impl FileVerdict {
    /// Whether every replica was asked, and all of each chunk agree.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let mut replicas = self.chunks.iter().flat_map(|chunk| &chunk.replicas);
        self.unseen == 0 && replicas.all(|replica| matches!(replica.sum, Sum::Agrees(_)))
    }
}

/// Asks for the checksums of all replicas of `file` that are held for good.
pub(super) async fn verify(inner: &Arc<Inner>, file: &FileHealth) -> Result<FileVerdict, Error> {
    let pool = inner.server_info().await?.pool.clone();
    let committed = file.chunks.iter().filter(|chunk| chunk.extent.len > 0);
    let chunks: Vec<&ChunkHealth> = committed.collect();
    let mut questions: Vec<(usize, Node, Block)> = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let good = chunk
            .replicas
            .iter()
            .filter(|replica| replica.usable && replica.standing == Standing::Valid);
        questions.extend(good.map(|replica| (at, replica.node.clone(), block(&pool, chunk.extent))));
    }
    let mut answers = stream::iter(questions)
        .map(|(at, node, block)| {
            let inner = Arc::clone(inner);
            async move {
                let sum = inner.plane.checksum(&node, &block).await;
                (at, node, sum)
            }
        })
        .buffered(AT_A_TIME);
    let mut heard: Vec<Vec<(Node, Result<u32, String>)>> = chunks.iter().map(|_| Vec::new()).collect();
    while let Some((at, node, sum)) = answers.next().await {
        if let Some(of_chunk) = heard.get_mut(at) {
            of_chunk.push((node, sum));
        }
    }
    drop(answers);
    let verdicts = chunks.iter().zip(heard).map(|(chunk, heard)| ChunkVerdict {
        extent: chunk.extent,
        replicas: compare(heard),
    });
    Ok(FileVerdict {
        path: file.path.clone(),
        chunks: verdicts.collect(),
        unseen: file.chunk_count.saturating_sub(file.chunks.len() as u64),
    })
}

/// What most say is right. Where nobody has a majority, nobody is.
fn compare(heard: Vec<(Node, Result<u32, String>)>) -> Vec<ReplicaVerdict> {
    let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
    for crc in heard.iter().filter_map(|(_, sum)| sum.as_ref().ok()) {
        *votes.entry(*crc).or_default() += 1;
    }
    let all: usize = votes.values().sum();
    let right = votes
        .iter()
        .find(|(_, count)| **count * 2 > all)
        .map(|(crc, _)| *crc);
    let verdict = |(node, sum)| ReplicaVerdict {
        node,
        sum: match sum {
            Ok(crc) if Some(crc) == right => Sum::Agrees(crc),
            Ok(crc) => Sum::Differs(crc),
            Err(why) => Sum::Unknown(why),
        },
    };
    heard.into_iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use types::DatanodeId;

    use super::*;

    fn heard(sums: &[Result<u32, &str>]) -> Vec<(Node, Result<u32, String>)> {
        let node = Node {
            id: DatanodeId::from_random_bytes([1; 16]),
            host: "d1".to_owned(),
            port: 9866,
        };
        let owned = sums.iter().map(|sum| sum.map_err(str::to_owned));
        owned.map(|sum| (node.clone(), sum)).collect()
    }

    fn compared(sums: &[Result<u32, &str>]) -> Vec<Sum> {
        let verdicts = compare(heard(sums)).into_iter();
        verdicts.map(|verdict| verdict.sum).collect()
    }

    #[test]
    fn most_are_right() {
        use Sum::{Agrees, Differs, Unknown};
        assert_eq!(compared(&[Ok(7), Ok(7)]), [Agrees(7), Agrees(7)]);
        assert_eq!(
            compared(&[Ok(7), Ok(8), Ok(7)]),
            [Agrees(7), Differs(8), Agrees(7)]
        );
        assert_eq!(
            compared(&[Ok(7), Ok(8)]),
            [Differs(7), Differs(8)],
            "nobody knows which"
        );
        let gone = Unknown("gone".to_owned());
        assert_eq!(compared(&[Ok(7), Err("gone")]), [Agrees(7), gone]);
        assert_eq!(compared(&[]), []);
    }
}
