//! The operations: half of them on names that everybody shares, half on names of one's own.
//!
//! - Shared names come in groups of a few, which renames connect, so that the checker has small pieces to look at. After some
//!   seconds there are new ones: a piece ends.
//! - Names of one's own are made, marked, renamed and removed one after the other. Whoever does that alone knows exactly what
//!   must be there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use client::FileSystem;
use fastrand::Rng;
use oracle::{Call, Entry, Kind, Outcome};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use types::FsPath;

use super::client::{Paths, connect, perform};
use super::record::Record;

/// Names in a group.
const GROUP_NAMES: u32 = 4;
/// Groups at a time.
const GROUPS: u32 = 12;
/// How long they are used.
const AGE: Duration = Duration::from_secs(4);
/// How many names of its own a worker keeps.
const OWN_MAX: usize = 64;
/// Clients: programs that share a connection.
const CLIENTS: usize = 8;

/// How much to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub workers: u32,
    pub rate: u32,
    pub seed: u64,
}

/// Where the shared names are at the moment.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    begun: Instant,
    /// The newest directory of shared names that is there.
    newest: Arc<AtomicU64>,
}

impl Ground {
    /// The directory of the shared names.
    pub(super) fn shared(&self) -> String {
        format!("/shared/{}", self.newest.load(Ordering::Relaxed))
    }

    /// One of the shared names.
    pub(super) fn shared_name(&self, random: &mut Rng) -> String {
        let (group, name) = (random.u32(..GROUPS), random.u32(..GROUP_NAMES));
        format!("{}/{group}.{name}", self.shared())
    }

    /// Two of one group.
    fn two_names(&self, random: &mut Rng) -> (String, String) {
        let (dir, group) = (self.shared(), random.u32(..GROUPS));
        let first = random.u32(..GROUP_NAMES);
        let second = (first + random.u32(1..GROUP_NAMES)) % GROUP_NAMES;
        (
            format!("{dir}/{group}.{first}"),
            format!("{dir}/{group}.{second}"),
        )
    }
}

/// Makes the directories.
pub(super) async fn prepare(masters: &[String], workers: u32) -> anyhow::Result<Ground> {
    let fs = connect(masters)?;
    for dir in ["/shared", "/shared/0", "/own", "/probe"] {
        fs.mkdir(&dir.parse()?, 0o755, true).await?;
    }
    for worker in 0..workers {
        fs.mkdir(&format!("/own/{worker}").parse()?, 0o755, true).await?;
    }
    Ok(Ground {
        begun: Instant::now(),
        newest: Arc::default(),
    })
}

/// Starts the workers, and whoever makes new directories for them.
pub(super) fn spawn(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    masters: &[String],
    ground: &Ground,
    plan: Plan,
    record: &Arc<Record>,
    ended: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let clients = (0..CLIENTS)
        .map(|_| connect(masters))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for (worker, fs) in (0..plan.workers).zip(clients.iter().cycle()) {
        let worker = Worker {
            number: worker,
            fs: fs.clone(),
            ground: ground.clone(),
            record: Arc::clone(record),
            random: Rng::with_seed(plan.seed.wrapping_mul(1 << 20).wrapping_add(worker.into())),
            own: Vec::new(),
            made: 0,
        };
        let interval = Duration::from_secs(1) * plan.workers / plan.rate;
        tasks.spawn(worker.run(interval, ended.clone()));
    }
    tasks.spawn(new_ground(connect(masters)?, ground.clone(), ended.clone()));
    Ok(())
}

/// Makes a new directory of shared names whenever the newest is old.
async fn new_ground(fs: FileSystem, ground: Ground, ended: watch::Receiver<bool>) -> anyhow::Result<()> {
    while !*ended.borrow() {
        let wanted = ground.begun.elapsed().as_secs() / AGE.as_secs().max(1);
        if wanted > ground.newest.load(Ordering::Relaxed) {
            let path: FsPath = format!("/shared/{wanted}").parse()?;
            // Should nobody answer, the old names do for longer.
            if fs.mkdir(&path, 0o755, true).await.is_ok() {
                ground.newest.store(wanted, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

struct Worker {
    number: u32,
    fs: FileSystem,
    ground: Ground,
    record: Arc<Record>,
    random: Rng,
    /// Names of its own that are there.
    own: Vec<String>,
    made: u64,
}

/// What happens to a name of one's own.
enum Own {
    Appears(String),
    Stays,
    Goes(usize),
    Moves(usize, String),
}

impl Worker {
    async fn run(mut self, interval: Duration, ended: watch::Receiver<bool>) -> anyhow::Result<()> {
        // Not all in the same moment.
        tokio::time::sleep(interval.mul_f64(self.random.f64())).await;
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*ended.borrow() {
            ticks.tick().await;
            if self.random.bool() {
                self.shared().await?;
            } else {
                self.own().await?;
            }
        }
        Ok(())
    }

    async fn shared(&mut self) -> anyhow::Result<()> {
        let path = self.ground.shared_name(&mut self.random);
        let name = self.record.name(&path);
        let mut second = None;
        let call = match self.random.u32(..20) {
            0..=4 => Call::Create {
                name,
                entry: self.entry(),
            },
            5..=6 => Call::Delete { name },
            7..=9 => {
                let (from, to) = self.ground.two_names(&mut self.random);
                let call = Call::Rename {
                    from: self.record.name(&from),
                    to: self.record.name(&to),
                    replace: self.random.bool(),
                };
                second = Some((from, to));
                call
            }
            10..=12 => Call::SetMark {
                name,
                mark: self.mark(),
            },
            13 => Call::SetMode {
                name,
                mode: self.random.u16(..0o1000),
            },
            _ => Call::Stat { name },
        };
        match second {
            Some((from, to)) => self.perform(call, &from, Some(&to)).await.map(drop),
            None => self.perform(call, &path, None).await.map(drop),
        }
    }

    async fn own(&mut self) -> anyhow::Result<()> {
        let pick = (!self.own.is_empty()).then(|| self.random.usize(..self.own.len()));
        let full = self.own.len() >= OWN_MAX;
        let (call, from, to, after) = match (pick, self.random.u32(..10)) {
            (Some(at), 0..=1) => {
                let path = self.at(at)?;
                let name = self.record.name(&path);
                (Call::Delete { name }, path, None, Own::Goes(at))
            }
            (Some(at), 2..=3) => {
                let (path, new) = (self.at(at)?, self.new_path());
                let call = Call::Rename {
                    from: self.record.name(&path),
                    to: self.record.name(&new),
                    replace: false,
                };
                (call, path, Some(new.clone()), Own::Moves(at, new))
            }
            (Some(at), 4..=5) => {
                let path = self.at(at)?;
                let name = self.record.name(&path);
                let mark = self.mark();
                (Call::SetMark { name, mark }, path, None, Own::Stays)
            }
            (Some(at), 6) => {
                let path = self.at(at)?;
                let name = self.record.name(&path);
                (Call::Stat { name }, path, None, Own::Stays)
            }
            (Some(at), _) if full => {
                let path = self.at(at)?;
                let name = self.record.name(&path);
                (Call::Delete { name }, path, None, Own::Goes(at))
            }
            _ => {
                let path = self.new_path();
                let name = self.record.name(&path);
                let entry = self.entry();
                (
                    Call::Create { name, entry },
                    path.clone(),
                    None,
                    Own::Appears(path),
                )
            }
        };
        let outcome = self.perform(call, &from, to.as_deref()).await?;
        match (after, outcome) {
            (Own::Appears(path), Some(Outcome::Done)) => self.own.push(path),
            (Own::Moves(at, new), Some(Outcome::Done)) => {
                if let Some(own) = self.own.get_mut(at) {
                    *own = new;
                }
            }
            // What can not be, or is not known, is left alone from now on.
            (Own::Goes(at) | Own::Moves(at, _), _) => drop(self.own.swap_remove(at)),
            (Own::Appears(_) | Own::Stays, _) => {}
        }
        Ok(())
    }

    async fn perform(
        &mut self,
        call: Call,
        path: &str,
        second: Option<&str>,
    ) -> anyhow::Result<Option<Outcome>> {
        let paths = Paths {
            first: path.parse().with_context(|| format!("not a path: {path}"))?,
            second: second.map(str::parse).transpose()?,
        };
        let called = self.record.now();
        let outcome = perform(&self.fs, &call, &paths).await;
        self.record.push(self.number, called, call, outcome);
        Ok(outcome)
    }

    fn at(&self, at: usize) -> anyhow::Result<String> {
        self.own
            .get(at)
            .cloned()
            .context("a name of one's own is missing")
    }

    fn new_path(&mut self) -> String {
        self.made += 1;
        format!("/own/{}/{}", self.number, self.made)
    }

    /// A mark that nobody else sets.
    fn mark(&mut self) -> u64 {
        self.made += 1;
        self.made * 1_000 + u64::from(self.number % 1_000)
    }

    fn entry(&mut self) -> Entry {
        Entry {
            kind: match self.random.u32(..8) {
                0 => Kind::File,
                _ => Kind::Directory,
            },
            mode: self.random.u16(..0o1000),
            mark: 0,
        }
    }
}
