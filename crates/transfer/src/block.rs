//! Chunks (HDFS: blocks) as requests name them.

use types::{ChunkId, Generation, PoolId};

use crate::pb;

/// A chunk as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The cluster's block pool.
    pub pool: PoolId,
    /// The chunk.
    pub chunk: ChunkId,
    /// Its generation.
    pub generation: Generation,
    /// Its length in bytes; what it means differs from request to request.
    pub len: u64,
}

/// Why a block in a message is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// The pool's name can not be one.
    #[error(transparent)]
    Pool(#[from] types::InvalidId),
    /// The id is out of range.
    #[error(transparent)]
    Chunk(#[from] types::ChunkIdError),
}

impl From<&Block> for pb::ExtendedBlockProto {
    fn from(block: &Block) -> Self {
        Self {
            pool_id: block.pool.as_str().to_owned(),
            block_id: block.chunk.as_u64(),
            generation_stamp: block.generation.as_u64(),
            num_bytes: Some(block.len),
        }
    }
}

impl TryFrom<&pb::ExtendedBlockProto> for Block {
    type Error = InvalidBlock;

    fn try_from(block: &pb::ExtendedBlockProto) -> Result<Self, InvalidBlock> {
        Ok(Self {
            pool: block.pool_id.parse()?,
            chunk: ChunkId::new(block.block_id)?,
            generation: Generation(block.generation_stamp),
            len: block.num_bytes(),
        })
    }
}

/// The header of a request between datanodes. The capability in it is empty: security is off.
#[must_use]
pub fn base_header(block: &Block) -> pb::BaseHeaderProto {
    pb::BaseHeaderProto {
        block: block.into(),
        token: Some(pb::TokenProto::default()),
        trace_info: None,
    }
}

/// The header of a request by the client named `client_name`.
#[must_use]
pub fn client_header(block: &Block, client_name: impl Into<String>) -> pb::ClientOperationHeaderProto {
    pb::ClientOperationHeaderProto {
        base_header: base_header(block),
        client_name: client_name.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_of_no_pool_or_with_a_negative_id_is_refused() {
        let good = pb::ExtendedBlockProto {
            pool_id: "BP-1".into(),
            block_id: 1,
            ..Default::default()
        };
        assert!(Block::try_from(&good).is_ok());
        let pool = pb::ExtendedBlockProto {
            pool_id: String::new(),
            ..good.clone()
        };
        assert!(matches!(Block::try_from(&pool), Err(InvalidBlock::Pool(_))));
        let chunk = pb::ExtendedBlockProto {
            block_id: u64::MAX,
            ..good
        };
        assert!(matches!(Block::try_from(&chunk), Err(InvalidBlock::Chunk(_))));
    }

    proptest! {
        #[test]
        fn blocks_come_back(
            pool in "[!-~]{1,128}", chunk in 0..1u64 << 63, generation: u64, len: u64,
        ) {
            let block = Block {
                pool: pool.parse().unwrap(),
                chunk: ChunkId::new(chunk).unwrap(),
                generation: Generation(generation),
                len,
            };
            prop_assert_eq!(Block::try_from(&pb::ExtendedBlockProto::from(&block)), Ok(block));
        }
    }
}
