//! Identities. Each is a type of its own: a chunk id can not be passed where an inode id is wanted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not the id it was read as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: {text:?}")]
pub struct InvalidId {
    /// Which kind of id was expected.
    pub what: &'static str,
    /// What was given.
    pub text: String,
}

/// Why a number is not a chunk id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chunk id {0:#x} has its top bit set")]
pub struct ChunkIdError(pub u64);

/// A chunk (HDFS: block) of the cluster. Given out by the replicated state, never reused; the top bit is clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct ChunkId(u64);

impl ChunkId {
    /// The number of bits that carry information.
    pub const BITS: u32 = 63;

    /// # Errors
    /// When the top bit of `raw` is set.
    pub const fn new(raw: u64) -> Result<Self, ChunkIdError> {
        if raw >> Self::BITS == 0 {
            Ok(Self(raw))
        } else {
            Err(ChunkIdError(raw))
        }
    }

    /// The id as the number that goes over the wire.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for ChunkId {
    type Error = ChunkIdError;
    fn try_from(raw: u64) -> Result<Self, ChunkIdError> {
        Self::new(raw)
    }
}

impl From<ChunkId> for u64 {
    fn from(id: ChunkId) -> Self {
        id.0
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The value as the number that goes over the wire.
            #[must_use]
            pub const fn as_u64(self) -> u64 {
                self.0
            }

            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number! {
    /// The version of a chunk (HDFS: generation stamp). It rises on every pipeline repair, append, truncate and lease
    /// recovery; a replica of a lower generation is stale.
    Generation
}
number! {
    /// A file or directory. Never reused.
    InodeId
}
number! {
    /// The term of a leader (Raft); the fencing epoch that goes with every command to a datanode.
    Term
}

/// A master: a random number that is born with its directory, so that a master whose disk was lost comes back as another
/// one, and never votes twice in a term. Zero is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MasterId(pub u64);

impl fmt::Display for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for MasterId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match u64::from_str_radix(text, 16) {
            Ok(id) if id != 0 && text.len() <= 16 => Ok(Self(id)),
            _ => Err(InvalidId {
                what: "master id",
                text: text.to_owned(),
            }),
        }
    }
}

impl InodeId {
    /// The root directory.
    pub const ROOT: Self = Self(1);
}

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a random (version 4) identity of 16 random bytes.
            #[must_use]
            pub const fn from_random_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId { what: $what, text: text.to_owned() })
            }
        }
    };
}

identity! {
    /// A cluster: made once, when the first master formats its directory.
    ClusterId, "cluster id"
}
identity! {
    /// A datanode: made when it formats its directory, kept for life.
    DatanodeId, "datanode id"
}
identity! {
    /// A storage: one disk volume of a datanode.
    StorageId, "storage id"
}

/// The block pool of a cluster: the text that names the cluster in the data-transfer protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolId(String);

impl PoolId {
    /// The pool of `cluster`: `BP-` and the cluster's id.
    #[must_use]
    pub fn of(cluster: ClusterId) -> Self {
        Self(format!("BP-{cluster}"))
    }

    /// The text as it goes over the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// 59 bits that stand for the pool in the names of its chunks (FNV-1a, folded).
    const fn fingerprint(&self) -> u64 {
        let bytes = self.0.as_bytes();
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut rest = bytes;
        while let [first, tail @ ..] = rest {
            hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
            rest = tail;
        }
        (hash ^ (hash >> 59)) & ((1 << 59) - 1)
    }

    /// The name that `chunk` has on disk: a UUID of version 8 that holds the pool's fingerprint and the chunk's id.
    ///
    /// ```text
    /// bits  127..80      79..76   75..65       64         63..62   61..0
    ///       pool 58..11  0b1000   pool 10..0   chunk 62   0b10     chunk 61..0
    /// ```
    #[must_use]
    pub fn chunk_uuid(&self, chunk: ChunkId) -> Uuid {
        let pool = u128::from(self.fingerprint());
        let id = u128::from(chunk.as_u64());
        Uuid::from_u128(
            (pool >> 11) << 80
                | 0b1000 << 76
                | (pool & 0x7ff) << 65
                | (id >> 62) << 64
                | 0b10 << 62
                | id & ((1 << 62) - 1),
        )
    }

    /// The chunk that `uuid` names, when it is one of this pool.
    #[must_use]
    pub fn chunk_of(&self, uuid: Uuid) -> Option<ChunkId> {
        let bits = uuid.as_u128();
        let id = (bits >> 64 & 1) << 62 | bits & ((1 << 62) - 1);
        let chunk = ChunkId::new(u64::try_from(id).ok()?).ok()?;
        (self.chunk_uuid(chunk) == uuid).then_some(chunk)
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PoolId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let valid = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId {
                what: "block pool id",
                text: text.to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pool(seed: u8) -> PoolId {
        PoolId::of(ClusterId::from_random_bytes([seed; 16]))
    }

    #[test]
    fn chunk_id_keeps_its_top_bit_clear() {
        assert!(ChunkId::new(1 << 63).is_err());
        assert!(ChunkId::new((1 << 63) - 1).is_ok());
    }

    #[test]
    fn chunk_uuid_is_version_8() {
        let uuid = pool(1).chunk_uuid(ChunkId::new(u64::MAX >> 1).unwrap());
        assert_eq!(uuid.get_version_num(), 8);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
    }

    proptest! {
        #[test]
        fn chunk_uuid_gives_the_chunk_back(raw in 0..1u64 << 63, seed: u8) {
            let chunk = ChunkId::new(raw).unwrap();
            prop_assert_eq!(pool(seed).chunk_of(pool(seed).chunk_uuid(chunk)), Some(chunk));
        }

        #[test]
        fn chunk_of_another_cluster_is_recognised(raw in 0..1u64 << 63, a: u8, b: u8) {
            prop_assume!(a != b);
            let uuid = pool(a).chunk_uuid(ChunkId::new(raw).unwrap());
            prop_assert_eq!(pool(b).chunk_of(uuid), None);
        }
    }
}
