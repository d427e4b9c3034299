//! What lies on the datanodes' disks, by a look of our own: names and lengths of files, and the entries of packs. No code of
//! the datanode's is used, and nobody is asked.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Where the bytes of a replica are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In files of its own.
    Files { data: PathBuf, sidecar: PathBuf },
    /// In a pack.
    Pack { file: PathBuf, at: u64 },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { data, .. } => write!(f, "{}", data.display()),
            Self::Pack { file, at } => write!(f, "{} from {at} on", file.display()),
        }
    }
}

/// A replica that is whole, as far as names and lengths tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The number of the datanode.
    pub node: usize,
    pub place: Place,
    pub len: u64,
}

/// The replicas, by the UUID of their chunk.
#[derive(Debug, Default)]
pub(super) struct Walk(BTreeMap<String, Vec<Found>>);

/// Looks at the directories of these datanodes. What vanishes meanwhile is not there.
pub(super) fn walk(nodes: impl IntoIterator<Item = (usize, PathBuf)>) -> anyhow::Result<Walk> {
    let mut found = Walk::default();
    for (node, dir) in nodes {
        for bucket in entries(&dir.join("chunks"))? {
            found.add_files(node, &bucket)?;
        }
        for pack in entries(&dir.join("packs"))? {
            found.add_pack(node, &pack)?;
        }
    }
    Ok(found)
}

impl Walk {
    /// The replicas of a chunk.
    pub(super) fn of(&self, chunk: &str) -> &[Found] {
        self.0.get(chunk).map_or(&[], Vec::as_slice)
    }

    /// On how many datanodes a chunk is with this length.
    pub(super) fn copies(&self, chunk: &str, len: u64) -> usize {
        let mut nodes: Vec<_> = (self.of(chunk).iter())
            .filter(|found| found.len == len)
            .map(|found| found.node)
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.len()
    }

    fn add(&mut self, chunk: String, found: Found) {
        self.0.entry(chunk).or_default().push(found);
    }

    fn add_files(&mut self, node: usize, bucket: &Path) -> anyhow::Result<()> {
        for data in entries(bucket)? {
            let name = data
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Some(uuid) = name.strip_prefix("chunk-").filter(|rest| rest.len() == 36) else {
                continue;
            };
            let sidecar = bucket.join(format!("{name}.meta"));
            if let (Ok(metadata), true) = (fs::metadata(&data), sidecar.is_file()) {
                let len = metadata.len();
                let place = Place::Files { data, sidecar };
                self.add(uuid.to_owned(), Found { node, place, len });
            }
        }
        Ok(())
    }

    /// The live entries of a pack: each at a multiple of 64, with a header of 64 bytes, four bytes for each 512 of data, and
    /// the data. Numbers are little-endian; where there is no header, the next multiple of 64 is looked at.
    fn add_pack(&mut self, node: usize, pack: &Path) -> anyhow::Result<()> {
        let Ok(file) = File::open(pack) else { return Ok(()) };
        let mut at = 64;
        let mut header = [0; 64];
        while file.read_exact_at(&mut header, at).is_ok() {
            let Some(entry) = Entry::decode(&header) else {
                at += 64;
                continue;
            };
            let data_at = at + 64 + entry.len.div_ceil(512) * 4;
            if entry.live {
                let place = Place::Pack {
                    file: pack.to_owned(),
                    at: data_at,
                };
                let len = entry.len;
                self.add(entry.uuid, Found { node, place, len });
            }
            at = (data_at + entry.len).next_multiple_of(64);
        }
        Ok(())
    }
}

/// What the header of an entry in a pack says.
struct Entry {
    live: bool,
    uuid: String,
    len: u64,
}

impl Entry {
    fn decode(header: &[u8; 64]) -> Option<Self> {
        let magic = header.first_chunk::<8>()?;
        let live = magic == b"DFSENTRY";
        if !live && magic != b"DFSREST\n" && magic != b"DFSGONE\n" {
            return None;
        }
        let len = header
            .get(32..40)?
            .first_chunk()
            .copied()
            .map(u64::from_le_bytes)?;
        let hex: String = header
            .get(40..56)?
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let parts = [
            hex.get(..8)?,
            hex.get(8..12)?,
            hex.get(12..16)?,
            hex.get(16..20)?,
            hex.get(20..)?,
        ];
        Some(Self {
            live,
            uuid: parts.join("-"),
            // More than is ever packed is no entry.
            len: Some(len).filter(|len| *len <= 1 << 20)?,
        })
    }
}

impl Found {
    /// The bytes of the replica as they are on disk now.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        match &self.place {
            Place::Files { data, .. } => fs::read(data),
            Place::Pack { file, at } => {
                let mut bytes = vec![0; usize::try_from(self.len).unwrap_or_default()];
                File::open(file)?.read_exact_at(&mut bytes, *at)?;
                Ok(bytes)
            }
        }
    }
}

/// What is in a directory; nothing when there is none.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    Ok(listed.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "01020304-0506-8708-890a-0b0c0d0e0f10";

    fn entry(magic: &[u8; 8], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + data.len().div_ceil(512) * 4];
        bytes[..8].copy_from_slice(magic);
        bytes[32..40].copy_from_slice(&(data.len() as u64).to_le_bytes());
        bytes[40..56].copy_from_slice(&[1, 2, 3, 4, 5, 6, 0x87, 8, 0x89, 10, 11, 12, 13, 14, 15, 16]);
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        bytes
    }

    #[test]
    fn whole_replicas_are_found_in_files_and_in_packs() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("1"), dir.path().join("2"));
        let bucket = first.join("chunks/0f");
        fs::create_dir_all(&bucket).unwrap();
        fs::write(bucket.join(format!("chunk-{UUID}")), [7; 600]).unwrap();
        // Without its sidecar it is none.
        assert_eq!(walk([(1, first.clone())]).unwrap().copies(UUID, 600), 0);
        fs::write(bucket.join(format!("chunk-{UUID}.meta")), "").unwrap();
        fs::create_dir_all(second.join("packs")).unwrap();
        let mut pack = vec![0; 64];
        pack.extend(entry(b"DFSREST\n", &[1; 513]));
        pack.extend(entry(b"DFSENTRY", &[7; 600]));
        fs::write(second.join("packs/pack-00000001"), pack).unwrap();
        let found = walk([(1, first), (2, second)]).unwrap();
        assert_eq!((found.copies(UUID, 600), found.copies(UUID, 513)), (2, 0));
        for replica in found.of(UUID) {
            assert_eq!(replica.read().unwrap(), [7; 600]);
        }
    }
}
