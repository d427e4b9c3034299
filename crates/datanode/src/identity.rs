//! Whose a directory is: `identity.json` in each.
//!
//! A datanode is formatted once, for one cluster, and keeps its id for life; each directory is a storage with an id of its
//! own. A directory that is added later gets the datanode's id and cluster.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunkstore::VolumeDir;
use env::Env;
use env::disk::{DirLock, Disk, read_file, replace_file};
use serde::{Deserialize, Serialize};
use types::{ClusterId, DatanodeId, PoolId, StorageId, Term};

use crate::error::StartError;
use crate::fence;

/// The file's name.
pub(crate) const FILE: &str = "identity.json";

const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    format: u32,
    cluster_id: ClusterId,
    pool_id: PoolId,
    datanode_id: DatanodeId,
    storage_id: StorageId,
}

/// A locked directory.
pub(crate) struct Directory {
    path: PathBuf,
    identity: Option<Identity>,
    /// Keeps other processes out for as long as it lives.
    _lock: Box<dyn DirLock>,
}

/// The directories of a datanode, locked.
pub(crate) struct Directories {
    disk: Arc<dyn Disk>,
    list: Vec<Directory>,
    /// Those that can not be opened. They are tried again.
    missing: Vec<PathBuf>,
    id: DatanodeId,
}

impl Directories {
    /// Locks the directories and reads whose they are. A datanode without any identity gets a new id, which is written when
    /// its cluster is known.
    pub(crate) fn open(env: &Env, paths: &[PathBuf]) -> Result<Self, StartError> {
        let disk = &*env.disk;
        let (mut list, mut failed) = (Vec::new(), Vec::new());
        for path in paths {
            match open(disk, path) {
                Ok(directory) => list.push(directory),
                // A disk that has failed, perhaps; not one of another process, or cluster.
                Err(StartError::Directory { dir, source }) if source.kind() != io::ErrorKind::WouldBlock => {
                    failed.push((dir, source));
                }
                Err(error) => return Err(error),
            }
        }
        // Without a directory that says who it is, it could become somebody new.
        let known = list
            .iter()
            .any(|directory: &Directory| directory.identity.is_some());
        if !known && let Some((dir, source)) = failed.pop() {
            return Err(StartError::Directory { dir, source });
        }
        for (dir, error) in &failed {
            tracing::error!(dir = %dir.display(), %error, "can not use a directory; the datanode goes on without it, and tries again");
        }
        let mut known = list.iter().filter_map(|d| Some((&d.path, d.identity.as_ref()?)));
        let first = known.next();
        if let Some((path, identity)) = first {
            for (other_path, other) in known {
                agree((path, identity), (other_path, other))?;
            }
        }
        let id = match first {
            Some((_, identity)) => identity.datanode_id,
            None if list.is_empty() => return Err(StartError::NoDirectory),
            None => DatanodeId::from_random_bytes(env.random.uuid_bytes()),
        };
        Ok(Self {
            disk: Arc::clone(&env.disk),
            list,
            missing: failed.into_iter().map(|(dir, _)| dir).collect(),
            id,
        })
    }

    /// Those that were named and could not be opened.
    pub(crate) fn missing(&self) -> Vec<PathBuf> {
        self.missing.clone()
    }

    /// Those that are used.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.list.iter().map(|directory| directory.path.clone()).collect()
    }

    /// The storage that a directory is.
    pub(crate) fn storage_of(&self, path: &Path) -> Option<StorageId> {
        let directory = self.list.iter().find(|directory| directory.path == path)?;
        directory.identity.as_ref().map(|identity| identity.storage_id)
    }

    /// Takes one more directory in, of a datanode whose cluster is known; formats it when it is empty.
    pub(crate) fn add(&mut self, env: &Env, added: Directory) -> Result<VolumeDir, StartError> {
        let (cluster, pool) = match self.cluster() {
            Some((cluster, pool, _)) => (cluster, pool),
            None => return Err(StartError::NotYet),
        };
        let ours = self
            .list
            .iter()
            .find_map(|d| Some((&d.path, d.identity.as_ref()?)));
        if let (Some(ours), Some(theirs)) = (ours, &added.identity) {
            agree(ours, (&added.path, theirs))?;
        }
        let path = added.path.clone();
        self.missing.retain(|missing| *missing != path);
        self.list.push(added);
        let volumes = self.format(env, cluster, &pool);
        let place = volumes.map(|volumes| volumes.into_iter().find(|volume| volume.dir == path));
        match place {
            Ok(Some(place)) => Ok(place),
            Ok(None) => Err(StartError::NoDirectory),
            Err(error) => {
                self.remove(&path);
                Err(error)
            }
        }
    }

    /// Unlocks a directory. It stays as it is.
    pub(crate) fn remove(&mut self, path: &Path) {
        self.list.retain(|directory| directory.path != path);
        self.missing.retain(|missing| missing != path);
    }

    /// Holds a directory by another lock: it was mounted anew.
    pub(crate) fn hold(&mut self, path: &Path, lock: Box<dyn DirLock>) {
        if let Some(directory) = self.list.iter_mut().find(|directory| directory.path == path) {
            *directory = Directory {
                path: directory.path.clone(),
                identity: directory.identity.clone(),
                _lock: lock,
            };
        }
    }

    pub(crate) const fn id(&self) -> DatanodeId {
        self.id
    }

    /// The highest term that any directory keeps.
    pub(crate) fn term(&self) -> Result<Term, StartError> {
        let mut highest = Term(0);
        for directory in &self.list {
            highest = highest.max(fence::read(&*self.disk, &directory.path)?);
        }
        Ok(highest)
    }

    /// The directories that belong to the cluster.
    pub(crate) fn formatted(&self) -> Vec<PathBuf> {
        let formatted = self.list.iter().filter(|directory| directory.identity.is_some());
        formatted.map(|directory| directory.path.clone()).collect()
    }

    /// The cluster and pool that the directories belong to, and the first of them that does.
    pub(crate) fn cluster(&self) -> Option<(ClusterId, PoolId, &Path)> {
        self.list.iter().find_map(|directory| {
            let identity = directory.identity.as_ref()?;
            Some((
                identity.cluster_id,
                identity.pool_id.clone(),
                directory.path.as_path(),
            ))
        })
    }

    /// Writes the identity of those directories that have none; gives all of them as volumes.
    pub(crate) fn format(
        &mut self,
        env: &Env,
        cluster: ClusterId,
        pool: &PoolId,
    ) -> Result<Vec<VolumeDir>, StartError> {
        let mut volumes = Vec::new();
        for directory in &mut self.list {
            let identity = match &directory.identity {
                Some(identity) => identity.clone(),
                None => {
                    let identity = Identity {
                        format: FORMAT,
                        cluster_id: cluster,
                        pool_id: pool.clone(),
                        datanode_id: self.id,
                        storage_id: StorageId::from_random_bytes(env.random.uuid_bytes()),
                    };
                    write(&*self.disk, &directory.path, &identity).map_err(|source| {
                        StartError::Directory {
                            dir: directory.path.clone(),
                            source,
                        }
                    })?;
                    identity
                }
            };
            volumes.push(VolumeDir {
                storage: identity.storage_id,
                dir: directory.path.clone(),
            });
            directory.identity = Some(identity);
        }
        Ok(volumes)
    }
}

/// Whether a directory that was used is still that of the storage. Gives the lock of one that was exchanged for another that
/// is the same: it was mounted anew.
pub(crate) fn still_ours(
    disk: &dyn Disk,
    path: &Path,
    storage: StorageId,
) -> Result<Option<Box<dyn DirLock>>, StartError> {
    let failed = |source| StartError::Directory {
        dir: path.to_owned(),
        source,
    };
    let file = path.join(FILE);
    let identity = parse(&file, &read_file(disk, &file).map_err(failed)?)?;
    if identity.storage_id != storage {
        return Err(StartError::Exchanged {
            dir: path.to_owned(),
            storage,
        });
    }
    match disk.lock_dir(path) {
        Ok(lock) => Ok(Some(lock)),
        // By us, since it was taken in.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Locks a directory, which is made when it is missing, and reads whose it is.
pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Directory, StartError> {
    let failed = |source| StartError::Directory {
        dir: path.to_owned(),
        source,
    };
    disk.create_dir_all(path).map_err(failed)?;
    let lock = disk.lock_dir(path).map_err(failed)?;
    let file = path.join(FILE);
    let identity = match read_file(disk, &file) {
        Ok(bytes) => Some(parse(&file, &bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if identity.is_none() && disk.exists(&path.join("chunks")).map_err(failed)? {
        return Err(StartError::Unidentified { dir: path.to_owned() });
    }
    Ok(Directory {
        path: path.to_owned(),
        identity,
        _lock: lock,
    })
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Identity, StartError> {
    let broken = |why| StartError::Identity {
        path: path.to_owned(),
        why,
    };
    let identity: Identity = serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
    if identity.format == FORMAT {
        Ok(identity)
    } else {
        Err(broken(format!(
            "its format is {}; this program knows format {FORMAT}",
            identity.format
        )))
    }
}

fn write(disk: &dyn Disk, directory: &Path, identity: &Identity) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(identity)?;
    bytes.push(b'\n');
    replace_file(disk, &directory.join(FILE), &bytes)
}

fn agree(first: (&PathBuf, &Identity), second: (&PathBuf, &Identity)) -> Result<(), StartError> {
    if first.1.cluster_id != second.1.cluster_id {
        return Err(StartError::Clusters {
            first: first.0.clone(),
            first_cluster: first.1.cluster_id,
            second: second.0.clone(),
            second_cluster: second.1.cluster_id,
        });
    }
    if first.1.datanode_id != second.1.datanode_id {
        return Err(StartError::Datanodes {
            first: first.0.clone(),
            first_id: first.1.datanode_id,
            second: second.0.clone(),
            second_id: second.1.datanode_id,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use env::disk::{Effect, Fault, Op, SimDisk};

    use super::*;

    fn world(disk: &SimDisk) -> Env {
        Env {
            disk: Arc::new(disk.clone()),
            ..Env::real()
        }
    }

    fn cluster(seed: u8) -> (ClusterId, PoolId) {
        let cluster = ClusterId::from_random_bytes([seed; 16]);
        (cluster, PoolId::of(cluster))
    }

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_formatted_datanode_keeps_its_identity_and_gives_it_to_new_directories() {
        let disk = SimDisk::new();
        let (ours, pool) = cluster(1);
        let mut first = Directories::open(&world(&disk), &paths(&["/a"])).unwrap();
        assert!(first.cluster().is_none());
        let volumes = first.format(&world(&disk), ours, &pool).unwrap();
        let id = first.id();
        drop(first);
        disk.crash(1);

        let mut again = Directories::open(&world(&disk), &paths(&["/b", "/a"])).unwrap();
        assert_eq!(again.id(), id);
        assert_eq!(again.cluster(), Some((ours, pool.clone(), Path::new("/a"))));
        let more = again.format(&world(&disk), ours, &pool).unwrap();
        assert_eq!(more[1], volumes[0]);
        assert_ne!(more[0].storage, volumes[0].storage);
    }

    #[test]
    fn directories_come_and_go_and_a_strange_one_is_refused() {
        let disk = SimDisk::new();
        let (ours, pool) = cluster(1);
        let world = world(&disk);
        let mut stranger = Directories::open(&world, &paths(&["/strange"])).unwrap();
        let (other, other_pool) = cluster(2);
        stranger.format(&world, other, &other_pool).unwrap();
        drop(stranger);

        let mut list = Directories::open(&world, &paths(&["/a"])).unwrap();
        let early = list.add(&world, open(&disk, Path::new("/b")).unwrap());
        assert!(matches!(early, Err(StartError::NotYet)));
        list.format(&world, ours, &pool).unwrap();
        let place = list.add(&world, open(&disk, Path::new("/b")).unwrap()).unwrap();
        assert_eq!(list.storage_of(Path::new("/b")), Some(place.storage));
        let refused = list.add(&world, open(&disk, Path::new("/strange")).unwrap());
        assert!(matches!(refused, Err(StartError::Clusters { .. })));
        assert_eq!(list.paths(), paths(&["/a", "/b"]));

        assert!(
            still_ours(&disk, Path::new("/b"), place.storage)
                .unwrap()
                .is_none(),
            "locked by us"
        );
        let exchanged = still_ours(&disk, Path::new("/a"), place.storage).err().unwrap();
        assert!(matches!(exchanged, StartError::Exchanged { .. }));
        list.remove(Path::new("/b"));
        assert!(
            still_ours(&disk, Path::new("/b"), place.storage)
                .unwrap()
                .is_some(),
            "free"
        );
        // It comes back as what it was.
        let again = list.add(&world, open(&disk, Path::new("/b")).unwrap()).unwrap();
        assert_eq!(again, place);
    }

    #[test]
    fn a_directory_that_can_not_be_read_is_left_out_unless_it_alone_says_who_this_is() {
        let disk = SimDisk::new();
        let (ours, pool) = cluster(1);
        let mut both = Directories::open(&world(&disk), &paths(&["/a", "/b"])).unwrap();
        both.format(&world(&disk), ours, &pool).unwrap();
        let id = both.id();
        drop(both);
        let broken = || Fault::always(Op::Open, Effect::Fail(5)).on("/b/identity.json");
        disk.faults().add(broken());
        let list = Directories::open(&world(&disk), &paths(&["/a", "/b"])).unwrap();
        assert_eq!(
            (list.id(), list.paths(), list.missing()),
            (id, paths(&["/a"]), paths(&["/b"]))
        );
        drop(list);
        let alone = Directories::open(&world(&disk), &paths(&["/new", "/b"]))
            .err()
            .unwrap();
        assert!(matches!(alone, StartError::Directory { .. }));
        disk.faults().clear();
        // Somebody else's process is no broken disk.
        let held = open(&disk, Path::new("/b")).unwrap();
        assert!(Directories::open(&world(&disk), &paths(&["/a", "/b"])).is_err());
        drop(held);
        let list = Directories::open(&world(&disk), &paths(&["/a", "/b"])).unwrap();
        assert_eq!(list.missing(), paths(&[]));
    }

    #[test]
    fn directories_that_do_not_belong_together_are_refused() {
        let disk = SimDisk::new();
        for (path, seed) in [("/a", 1), ("/b", 2), ("/c", 1)] {
            let (cluster, pool) = cluster(seed);
            let mut one = Directories::open(&world(&disk), &paths(&[path])).unwrap();
            one.format(&world(&disk), cluster, &pool).unwrap();
        }
        let refuse = |names: &[&str]| Directories::open(&world(&disk), &paths(names)).err().unwrap();
        let text = refuse(&["/a", "/b"]).to_string();
        for seed in [1, 2] {
            assert!(text.contains(&cluster(seed).0.to_string()), "{text}");
        }
        assert!(matches!(refuse(&["/a", "/c"]), StartError::Datanodes { .. }));
        assert!(matches!(refuse(&[]), StartError::NoDirectory));
    }

    #[test]
    fn a_directory_is_locked_and_chunks_without_identity_are_refused() {
        let disk = SimDisk::new();
        let first = Directories::open(&world(&disk), &paths(&["/a"])).unwrap();
        let second = Directories::open(&world(&disk), &paths(&["/a"])).err().unwrap();
        assert!(matches!(&second, StartError::Directory { source, .. }
            if source.kind() == io::ErrorKind::WouldBlock));
        drop(first);
        disk.create_dir_all(Path::new("/a/chunks")).unwrap();
        let refused = Directories::open(&world(&disk), &paths(&["/a"])).err().unwrap();
        assert!(matches!(refused, StartError::Unidentified { .. }));
        replace_file(&disk, Path::new("/a/identity.json"), b"{}").unwrap();
        let refused = Directories::open(&world(&disk), &paths(&["/a"])).err().unwrap();
        assert!(matches!(refused, StartError::Identity { .. }));
    }
}
