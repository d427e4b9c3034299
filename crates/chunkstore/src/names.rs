//! The names of files on a volume.

use std::path::{Path, PathBuf};

use types::{ChunkId, PoolId};
use uuid::Uuid;

/// Finalized replicas, in subdirectories.
pub(crate) const CHUNKS: &str = "chunks";
/// Replicas that are being written.
pub(crate) const TMP: &str = "tmp";

const PREFIX: &str = "chunk-";
const SIDECAR_SUFFIX: &str = ".meta";

/// Subdirectories of a volume, and locks of the store.
pub(crate) const BUCKETS: usize = 256;

/// The subdirectory that a chunk is in: the lowest eight bits of its id.
pub(crate) fn bucket(chunk: ChunkId) -> usize {
    let [.., low] = chunk.as_u64().to_be_bytes();
    usize::from(low)
}

/// The two files of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) directory: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) sidecar: PathBuf,
}

impl Paths {
    /// Of a finalized replica.
    pub(crate) fn finalized(volume: &Path, pool: &PoolId, chunk: ChunkId) -> Self {
        let directory = volume.join(CHUNKS).join(format!("{:02x}", bucket(chunk)));
        Self::within(directory, &pool.chunk_uuid(chunk).to_string())
    }

    /// Of a replica that is being written. `serial` keeps apart what is written after one another for the same chunk.
    pub(crate) fn temporary(volume: &Path, pool: &PoolId, chunk: ChunkId, serial: u64) -> Self {
        Self::within(volume.join(TMP), &format!("{}.{serial}", pool.chunk_uuid(chunk)))
    }

    fn within(directory: PathBuf, stem: &str) -> Self {
        Self {
            data: directory.join(format!("{PREFIX}{stem}")),
            sidecar: directory.join(format!("{PREFIX}{stem}{SIDECAR_SUFFIX}")),
            directory,
        }
    }
}

/// What the name of a file among the finalized replicas stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileName {
    Data(Uuid),
    Sidecar(Uuid),
    Unknown,
}

impl FileName {
    pub(crate) fn parse(path: &Path) -> Self {
        let parse = || {
            let stem = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
            let (uuid, kind): (_, fn(Uuid) -> Self) = match stem.strip_suffix(SIDECAR_SUFFIX) {
                Some(uuid) => (uuid, Self::Sidecar),
                None => (stem, Self::Data),
            };
            let parsed = Uuid::try_parse(uuid).ok()?;
            // Only the usual spelling, so that no two names are the same chunk.
            (parsed.to_string() == uuid).then(|| kind(parsed))
        };
        parse().unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use types::ClusterId;

    use super::*;

    #[test]
    fn names_are_read_back() {
        let pool = PoolId::of(ClusterId::from_random_bytes([1; 16]));
        let chunk = ChunkId::new(0x1_02ab).unwrap();
        let paths = Paths::finalized(Path::new("/v"), &pool, chunk);
        assert_eq!(paths.directory, Path::new("/v/chunks/ab"));
        assert_eq!(
            FileName::parse(&paths.data),
            FileName::Data(pool.chunk_uuid(chunk))
        );
        assert_eq!(
            FileName::parse(&paths.sidecar),
            FileName::Sidecar(pool.chunk_uuid(chunk))
        );
        for name in [
            "chunk-",
            "chunk-x",
            "other",
            "chunk-00000000000000000000000000000000.meta",
        ] {
            assert_eq!(FileName::parse(Path::new(name)), FileName::Unknown, "{name}");
        }
    }
}
