//! Its files: what it does with them.

use std::sync::Arc;

use proto::v1::{self, ErrorCode, ErrorDetail};
use tonic::Status;
use types::{ChunkExtent, ChunkId, DatanodeId, Generation};

use super::{Chunk, Datanode, File, State, refused};

impl State {
    pub(super) fn file(&mut self, inode: u64) -> Result<&mut File, Status> {
        let file = self
            .files
            .values_mut()
            .find(|file| file.inode == inode && !file.complete);
        file.ok_or_else(|| refused(ErrorCode::LeaseLost, format!("file {inode} is not being written")))
    }

    pub(super) fn chunk(&mut self, inode: u64, chunk: u64) -> Result<&mut Chunk, Status> {
        let chunks = &mut self.file(inode)?.chunks;
        let found = chunks
            .iter_mut()
            .find(|found| found.extent.chunk.as_u64() == chunk);
        found.ok_or_else(|| refused(ErrorCode::Invalid, "no such chunk"))
    }

    pub(super) fn commit(&mut self, inode: u64, written: &[v1::Extent]) -> Result<(), Status> {
        for extent in written {
            let chunk = self.chunk(inode, extent.chunk)?;
            if extent.generation < chunk.extent.generation.as_u64() || extent.generation > chunk.highest {
                return Err(refused(ErrorCode::Invalid, "generation"));
            }
            chunk.extent.generation = Generation(extent.generation);
            chunk.extent.len = extent.length;
            chunk.acknowledged = true;
        }
        Ok(())
    }

    /// One more chunk, on these nodes.
    pub(super) fn push_chunk(&mut self, inode: u64, nodes: &[Arc<Datanode>]) -> Result<ChunkExtent, Status> {
        let extent = ChunkExtent {
            chunk: ChunkId::new(self.next_chunk).unwrap(),
            generation: Generation(1),
            len: 0,
        };
        self.next_chunk += 1;
        self.file(inode)?.chunks.push(Chunk {
            extent,
            acknowledged: false,
            nodes: nodes.iter().map(|node| node.id).collect(),
            highest: 1,
        });
        Ok(extent)
    }

    /// Datanodes that may be used, or a denial. The master does not know who is dead: the client has to find out.
    pub(super) fn choose(
        &self,
        wanted: usize,
        required: usize,
        exclude: &[DatanodeId],
    ) -> Result<Vec<Arc<Datanode>>, Status> {
        let (out, good): (Vec<_>, Vec<_>) = self
            .nodes
            .iter()
            .cloned()
            .partition(|node| exclude.contains(&node.id));
        if good.len() >= required {
            return Ok(good.into_iter().take(wanted).collect());
        }
        let refusals = out.iter().map(|node| v1::Refusal {
            datanode: node.address.clone(),
            reason: "excluded by the client".into(),
        });
        Err(proto::status(&ErrorDetail {
            code: ErrorCode::WriteDenied.into(),
            message: "write denied".into(),
            write_denied: Some(v1::WriteDenied {
                wanted: wanted as u32,
                required: required as u32,
                available: good.len() as u32,
                refusals: refusals.collect(),
            }),
            ..Default::default()
        }))
    }

    pub(super) fn status(&self, path: &str) -> Result<v1::FileStatus, Status> {
        let file = self
            .files
            .get(path)
            .ok_or_else(|| refused(ErrorCode::NotFound, format!("{path}: no such file or directory")))?;
        Ok(v1::FileStatus {
            inode: file.inode,
            name: path.rsplit('/').next().unwrap().to_owned(),
            kind: v1::FileKind::File.into(),
            length: file.chunks.iter().map(|chunk| chunk.extent.len).sum(),
            mode: 0o644,
            owner: "tester".into(),
            group: "tester".into(),
            replication: file.replication,
            chunk_size: file.chunk_size,
            being_written: !file.complete,
            ..Default::default()
        })
    }
}
