//! What is done to the cluster, one after the other, and what has to come of it.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use client::NodeLiveness;

use super::Run;
use super::result::Step;
use super::rot::{self, Victim};
use super::truth::{lost, told};
use super::walk::walk;

/// Replicas of each kind that are spoiled.
const SPOILED: usize = 4;

/// How long a full disk stays full.
const FULL: Duration = Duration::from_secs(20);

/// A slow datanode: so often, so long stopped, so long running.
const PULSES: usize = 15;
const STOPPED: Duration = Duration::from_secs(3);
const RUNNING: Duration = Duration::from_secs(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

impl Run {
    /// One datanode dies for good; it is removed, and a new one comes in its place.
    pub(super) fn kill_one(&mut self) -> anyhow::Result<Step> {
        let mut step = Step::new("one killed for good");
        let event = Instant::now();
        self.cluster.kill(0)?;
        self.until_full(&mut step, event)?;
        self.until_tidy(&mut step, event)?;
        self.remove_dead(&mut step)?;
        self.cluster.wipe(0)?;
        self.cluster.begin(0)?;
        self.finish(step)
    }

    /// One comes back without anything on its disk.
    pub(super) fn wipe_one(&mut self) -> anyhow::Result<Step> {
        let mut step = Step::new("one wiped");
        let event = Instant::now();
        self.cluster.kill(1)?;
        self.cluster.wipe(1)?;
        self.cluster.begin(1)?;
        self.until_full(&mut step, event)?;
        self.until_tidy(&mut step, event)?;
        self.remove_dead(&mut step)?;
        self.finish(step)
    }

    /// The disk of one is full to its last byte for a while.
    pub(super) fn fill_one(&mut self) -> anyhow::Result<Option<Step>> {
        let Some(disk) = self.cluster.disk(super::SMALL).map(std::path::Path::to_owned) else {
            return Ok(None);
        };
        let mut step = Step::new("one filled");
        let filler = disk.join("filler");
        let file = File::create(&filler)?;
        let free = rustix::fs::statvfs(&disk)?;
        let mut bytes = free.f_bavail * free.f_frsize;
        let event = Instant::now();
        // What the file system needs for itself is not known: the rest goes in ever smaller pieces.
        let (mut at, mut piece) = (0, bytes);
        while piece >= 4096 {
            let flags = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&file, flags, at, piece) {
                Ok(()) => {
                    at += piece;
                    bytes = bytes.saturating_sub(piece);
                }
                Err(_) => piece /= 2,
            }
        }
        thread::sleep(FULL);
        step.notes
            .push(format!("{} MiB taken, {} KiB left", at >> 20, bytes >> 10));
        self.until_full(&mut step, event)?;
        drop(file);
        std::fs::remove_file(&filler)?;
        self.until_tidy(&mut step, event)?;
        Ok(Some(self.finish(step)?))
    }

    /// Replicas of one rot, are cut, and vanish, while it runs.
    pub(super) fn rot_one(&mut self) -> anyhow::Result<Step> {
        let mut step = Step::new("one rotten");
        let node = self.cluster.len() - 1;
        let period = self.scrub_period();
        self.cluster.restart_with(node, &["--scrub-period", &period])?;
        // It is back, and nothing is wrong, before anything is done to it.
        let mut calm = Step::new("calm");
        self.until_full(&mut calm, Instant::now())?;
        self.until_tidy(&mut calm, Instant::now())?;
        step.problems.append(&mut calm.problems);

        let event = Instant::now();
        let found = walk(self.cluster.dirs())?;
        let victims = rot::spoil(&found, node, &self.shared.files.base(), SPOILED)?;
        let count = victims.len();
        step.notes.push(format!(
            "{count} replicas spoiled, of as many chunks; scrubbed within {period}"
        ));
        self.until_healed(&mut step, &victims, event)?;
        self.until_tidy(&mut step, event)?;
        self.cluster.restart_with(node, &[])?;
        let mut calm = Step::new("calm");
        self.until_full(&mut calm, Instant::now())?;
        step.problems.append(&mut calm.problems);
        self.finish(step)
    }

    /// A time in which what is on a datanode is read at about 100 MB/s: a round takes two fifths of it.
    fn scrub_period(&self) -> String {
        let bytes: u64 = self.shared.files.base().iter().map(|file| file.len).sum();
        let here = bytes * u64::from(super::REPLICATION) / self.cluster.len().max(1) as u64;
        let seconds = (here / 100_000_000 * 5 / 2).max(30);
        format!("{seconds}s")
    }

    fn until_healed(&mut self, step: &mut Step, victims: &[Victim], event: Instant) -> anyhow::Result<()> {
        let mut corrupt = 0;
        loop {
            self.cluster.check_alive()?;
            let found = walk(self.cluster.dirs())?;
            let sick = |victim: &&Victim| !victim.is_healed(&found, &self.shared.content);
            let sick: Vec<_> = victims.iter().filter(sick).collect();
            if let Some(told) = told(&self.cluster)? {
                corrupt = corrupt.max(told.with_corrupt);
            }
            if sick.is_empty() {
                step.full_seconds = Some(event.elapsed().as_secs_f64());
                step.notes
                    .push(format!("health told of up to {corrupt} corrupt replicas at once"));
                return Ok(());
            }
            if event.elapsed() > self.patience {
                let kinds: Vec<_> = sick.iter().map(|victim| victim.what).collect();
                step.problems.push(format!("not replaced: {}", kinds.join(", ")));
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
    }

    /// One is stopped and goes on, again and again, never long enough to be dead.
    pub(super) fn slow_one(&mut self) -> anyhow::Result<Step> {
        let mut step = Step::new("one slow");
        let event = Instant::now();
        for _ in 0..PULSES {
            self.cluster.pause(2)?;
            thread::sleep(STOPPED);
            self.cluster.resume(2)?;
            thread::sleep(RUNNING);
        }
        self.until_full(&mut step, event)?;
        self.until_tidy(&mut step, event)?;
        self.finish(step)
    }

    /// One is cut off until everything has its copies elsewhere, and comes back with all that it had.
    pub(super) fn cut_one(&mut self) -> anyhow::Result<Option<Step>> {
        if !self.cluster.can_cut() {
            return Ok(None);
        }
        let mut step = Step::new("one cut off");
        let event = Instant::now();
        self.cluster.cut(2)?;
        self.until_full(&mut step, event)?;
        self.cluster.mend(2)?;
        self.until_tidy(&mut step, event)?;
        Ok(Some(self.finish(step)?))
    }

    /// Two die at once; last copies are to be made first. They come back with what they had.
    pub(super) fn lose_two(&mut self) -> anyhow::Result<Step> {
        let mut step = Step::new("two at once");
        let event = Instant::now();
        self.cluster.kill(0)?;
        self.cluster.kill(1)?;
        self.until_full(&mut step, event)?;
        self.cluster.begin(0)?;
        self.cluster.begin(1)?;
        self.until_tidy(&mut step, event)?;
        self.finish(step)
    }

    /// Three die at once: exactly the files are named that had all copies of a chunk there. They come back.
    pub(super) fn lose_three(&mut self) -> anyhow::Result<Step> {
        let mut step = Step::new("three at once");
        let event = Instant::now();
        // What is written until it is over could not be repaired in any case.
        let shared = self.shared.clone();
        let quiet = self.runtime.block_on(shared.quiet());
        for number in 0..3 {
            self.cluster.kill(number)?;
        }
        let files = shared.files.all();
        let at_once = lost(&self.cluster, &files)?.len();
        loop {
            // Some of them may come back: what was destroyed as one too many rests on the disks of others.
            let before = lost(&self.cluster, &files)?;
            let named = self.listed_lost()?;
            if named == before && lost(&self.cluster, &files)? == before {
                step.notes.push(format!(
                    "fsck names exactly the {} files that are lost after {:.1} s; {} more came back out of quarantine",
                    before.len(),
                    event.elapsed().as_secs_f64(),
                    at_once.saturating_sub(before.len())
                ));
                break;
            }
            if event.elapsed() > self.patience {
                step.problems.push(format!(
                    "fsck names {} files, {} are lost",
                    named.len(),
                    before.len()
                ));
                break;
            }
            thread::sleep(PAUSE);
        }
        for number in 0..3 {
            self.cluster.begin(number)?;
        }
        drop(quiet);
        // What readers asked for meanwhile could not be had.
        let back = Instant::now();
        self.until_full(&mut step, back)?;
        self.until_tidy(&mut step, back)?;
        self.finish(step)
    }

    /// The paths that `fsck --list-lost` prints.
    fn listed_lost(&self) -> anyhow::Result<Vec<String>> {
        let output = self.cluster.verb(&["fsck", "/", "--list-lost"])?;
        let text = String::from_utf8(output.stdout).context("paths that are not UTF-8")?;
        let mut paths: Vec<_> = text.lines().map(str::to_owned).collect();
        paths.sort();
        Ok(paths)
    }

    /// Removes the datanodes that are held for dead.
    fn remove_dead(&mut self, step: &mut Step) -> anyhow::Result<()> {
        let operations = self.shared.fs.operations();
        let nodes = self.runtime.block_on(operations.nodes())?;
        let dead: Vec<_> = nodes
            .iter()
            .filter(|node| node.liveness == NodeLiveness::Dead)
            .collect();
        if dead.len() != 1 {
            let count = dead.len();
            step.problems
                .push(format!("{count} datanodes are held for dead, and one is"));
        }
        for node in dead {
            self.runtime
                .block_on(operations.remove_node(&node.id.to_string(), false))?;
        }
        Ok(())
    }
}
