//! The end: the cluster must become whole, and everything that was acknowledged is asked back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use client::{Error as ClientError, FileSystem, FsckShow, Sum};
use types::FsPath;

use crate::clients::{Look, Part, look};
use crate::field::Field;
use crate::model::{Name, Seen, State, Verdict, judge, told};
use crate::report::FindingKind;
use crate::watch::Watch;

/// Between two questions whether the cluster is whole.
const PAUSE: Duration = Duration::from_millis(300);
/// Tries to read a file of a whole cluster, and the pause between them.
const TRIES: u32 = 10;
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// Waits until the cluster is whole. Answers how long that took.
pub async fn heal(field: &Field, watch: &Watch, calm: Duration) -> Option<Duration> {
    let begun = Instant::now();
    let mut whole_since = None;
    loop {
        if watch.ask().await {
            // Rot that nobody has read yet is found within a period of scrubbing.
            let since = *whole_since.get_or_insert_with(Instant::now);
            if begun.elapsed() >= calm {
                return Some(since.duration_since(begun));
            }
        } else {
            whole_since = None;
        }
        if begun.elapsed() > field.options.heal_timeout + calm {
            let why = watch.why();
            field.found(FindingKind::Unhealed, "the cluster", &why);
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads everything. Answers how many files there are.
pub async fn read_back(field: &Field, fs: &FileSystem) -> u64 {
    let cells: Vec<_> = field.model().connected().collect();
    let mut there = 0;
    for worlds in cells {
        let Some(world) = worlds.first() else { continue };
        let mut seen = BTreeMap::new();
        for name in world.keys() {
            match read(fs, name).await {
                Ok(what) => {
                    if let Seen::Bytes { bytes, .. } = &what {
                        field.tally().verified += bytes.len() as u64;
                        there += 1;
                    }
                    seen.insert(name.clone(), what);
                }
                Err(error) => {
                    let possible = possible(&worlds, name);
                    let what = format!("it can not be read: {error}; possible: {}", told(&possible));
                    field.found(FindingKind::Lost, name, &what);
                }
            }
        }
        if seen.len() == world.len() {
            check(field, &worlds, &seen);
        }
    }
    names(field, fs).await;
    replicas(field, fs).await;
    there
}

/// Whether one of the worlds explains all that was seen.
fn check(field: &Field, worlds: &[BTreeMap<Name, State>], seen: &BTreeMap<Name, Seen>) {
    let explains = |world: &BTreeMap<Name, State>| {
        world.iter().all(|(name, state)| {
            seen.get(name)
                .is_some_and(|seen| judge(std::slice::from_ref(state), seen) == Verdict::Fits)
        })
    };
    if worlds.iter().any(explains) {
        return;
    }
    let mut alone = true;
    for (name, seen) in seen {
        alone &= field.judged(name, "at the end", judge(&possible(worlds, name), seen));
    }
    if alone {
        let names: Vec<_> = seen.keys().map(ToString::to_string).collect();
        let what = "at the end: each could be so, but not all of them together";
        field.found(FindingKind::Undone, &names.join(", "), what);
    }
}

fn possible(worlds: &[BTreeMap<Name, State>], name: &Name) -> Vec<State> {
    worlds
        .iter()
        .filter_map(|world| world.get(name).cloned())
        .collect()
}

async fn read(fs: &FileSystem, name: &Name) -> Result<Seen, ClientError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match look(fs, name, Part::All).await {
            Look {
                seen: Some(seen),
                error: None,
            } => return Ok(seen),
            Look {
                error: Some(error), ..
            } if tries >= TRIES => return Err(error),
            _ => tokio::time::sleep(TRY_PAUSE).await,
        }
    }
}

/// There must be no name that nobody made.
async fn names(field: &Field, fs: &FileSystem) {
    let known: BTreeSet<Name> = field.model().paths().cloned().collect();
    let directories: BTreeSet<&str> = known
        .iter()
        .filter_map(|name| name.rsplit_once('/'))
        .map(|two| two.0)
        .collect();
    for directory in directories {
        let Ok(path) = directory.parse::<FsPath>() else {
            continue;
        };
        match fs.list_all(&path).await {
            Ok(entries) => {
                for entry in entries {
                    let name = format!("{directory}/{}", entry.name);
                    if !known.contains(name.as_str()) {
                        field.found(FindingKind::Undone, &name, "nobody made it, and it is there");
                    }
                }
            }
            Err(ClientError::NotFound(_)) => {}
            Err(error) => field.found(
                FindingKind::Lost,
                directory,
                &format!("it can not be listed: {error}"),
            ),
        }
    }
}

/// The replicas of each chunk must be equal.
async fn replicas(field: &Field, fs: &FileSystem) {
    let operations = fs.operations();
    let mut fsck = match operations.fsck(&FsPath::root(), Some(FsckShow::All), true).await {
        Ok(fsck) => fsck,
        Err(error) => return field.found(FindingKind::Unhealed, "fsck", &error.to_string()),
    };
    loop {
        let part = match fsck.next().await {
            Ok(Some(part)) => part,
            Ok(None) => return,
            Err(error) => return field.found(FindingKind::Unhealed, "fsck", &error.to_string()),
        };
        for file in part.files {
            let verdict = match operations.verify(&file).await {
                Ok(verdict) => verdict,
                Err(error) => {
                    field.found(
                        FindingKind::Unhealed,
                        &file.path,
                        &format!("fsck --verify: {error}"),
                    );
                    continue;
                }
            };
            for chunk in &verdict.chunks {
                let differs = chunk
                    .replicas
                    .iter()
                    .any(|replica| matches!(replica.sum, Sum::Differs(_)));
                if differs {
                    let what = format!(
                        "the replicas of chunk {} differ: {:?}",
                        chunk.extent.chunk, chunk.replicas
                    );
                    field.found(FindingKind::Corrupted, &file.path, &what);
                }
            }
        }
    }
}
