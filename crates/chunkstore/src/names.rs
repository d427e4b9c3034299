//! The names of files on a volume.

use std::path::{Path, PathBuf};

use types::{ChunkId, Generation, PoolId, UnixMillis};
use uuid::Uuid;

/// Finalized replicas, in subdirectories.
pub(crate) const CHUNKS: &str = "chunks";
/// Replicas that are being written.
pub(crate) const TMP: &str = "tmp";
/// Replicas that were deleted and rest.
pub(crate) const QUARANTINE: &str = "quarantine";
/// Marks of replicas that are known to be corrupt.
pub(crate) const CORRUPT: &str = "corrupt";

const PREFIX: &str = "chunk-";
const SIDECAR_SUFFIX: &str = ".meta";
const KEPT_SUFFIX: &str = ".synced";

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
    /// Of one that is being written: what of it outlives the process.
    pub(crate) kept: PathBuf,
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

    /// Of a replica that rests since a moment.
    pub(crate) fn resting(
        volume: &Path,
        pool: &PoolId,
        chunk: ChunkId,
        generation: Generation,
        since: UnixMillis,
    ) -> Self {
        let stem = format!(
            "{}.{}.{}",
            pool.chunk_uuid(chunk),
            generation.as_u64(),
            since.as_u64()
        );
        Self::within(volume.join(QUARANTINE), &stem)
    }

    fn within(directory: PathBuf, stem: &str) -> Self {
        Self {
            data: directory.join(format!("{PREFIX}{stem}")),
            sidecar: directory.join(format!("{PREFIX}{stem}{SIDECAR_SUFFIX}")),
            kept: directory.join(format!("{PREFIX}{stem}{KEPT_SUFFIX}")),
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

/// What the name of a file in quarantine says: chunk, generation, since when; and whether it is a sidecar.
pub(crate) fn parse_resting(path: &Path, pool: &PoolId) -> Option<(ChunkId, Generation, UnixMillis, bool)> {
    let stem = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (stem, is_sidecar) = match stem.strip_suffix(SIDECAR_SUFFIX) {
        Some(stem) => (stem, true),
        None => (stem, false),
    };
    let mut parts = stem.split('.');
    let uuid = Uuid::try_parse(parts.next()?).ok()?;
    let generation = Generation(parts.next()?.parse().ok()?);
    let since = UnixMillis(parts.next()?.parse().ok()?);
    let chunk = pool.chunk_of(uuid)?;
    parts
        .next()
        .is_none()
        .then_some((chunk, generation, since, is_sidecar))
}

/// Of what a record of a replica that was being written tells, by its name: chunk and serial number.
pub(crate) fn parse_kept(path: &Path, pool: &PoolId) -> Option<(ChunkId, u64)> {
    let stem = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (uuid, serial) = stem.strip_suffix(KEPT_SUFFIX)?.split_once('.')?;
    let chunk = pool.chunk_of(Uuid::try_parse(uuid).ok()?)?;
    Some((chunk, serial.parse().ok()?))
}

/// The mark of a corrupt replica.
pub(crate) fn corrupt_mark(volume: &Path, pool: &PoolId, chunk: ChunkId, generation: Generation) -> PathBuf {
    let name = format!("{PREFIX}{}.{}", pool.chunk_uuid(chunk), generation.as_u64());
    volume.join(CORRUPT).join(name)
}

/// What the name of a mark says.
pub(crate) fn parse_corrupt_mark(path: &Path, pool: &PoolId) -> Option<(ChunkId, Generation)> {
    let stem = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (uuid, generation) = stem.split_once('.')?;
    let chunk = pool.chunk_of(Uuid::try_parse(uuid).ok()?)?;
    Some((chunk, Generation(generation.parse().ok()?)))
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

    #[test]
    fn names_of_what_rests_and_of_marks_are_read_back() {
        let pool = PoolId::of(ClusterId::from_random_bytes([1; 16]));
        let other = PoolId::of(ClusterId::from_random_bytes([2; 16]));
        let (chunk, generation) = (ChunkId::new(0x1_02ab).unwrap(), Generation(1001));
        let since = UnixMillis(1_700_000_000_123);
        let paths = Paths::resting(Path::new("/v"), &pool, chunk, generation, since);
        for (path, is_sidecar) in [(&paths.data, false), (&paths.sidecar, true)] {
            assert_eq!(
                parse_resting(path, &pool),
                Some((chunk, generation, since, is_sidecar))
            );
            assert_eq!(parse_resting(path, &other), None);
        }
        let mark = corrupt_mark(Path::new("/v"), &pool, chunk, generation);
        assert_eq!(parse_corrupt_mark(&mark, &pool), Some((chunk, generation)));
        assert_eq!(parse_corrupt_mark(&mark, &other), None);
        for name in ["chunk-", "chunk-x.1.2", "chunk-.", "other"] {
            assert_eq!(parse_resting(Path::new(name), &pool), None, "{name}");
            assert_eq!(parse_corrupt_mark(Path::new(name), &pool), None, "{name}");
        }
    }
}
