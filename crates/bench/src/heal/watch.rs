//! A step is followed: when `health` knows, when everything has all its copies, when nothing is too much; and whether all that was
//! acknowledged can be read.

use std::thread;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Run;
use super::files::compare;
use super::result::Step;
use super::truth::{OnDisk, Told, on_disk, told};

/// Between two looks at the disks.
const PAUSE: Duration = Duration::from_millis(250);

/// Every so many looks `health` is asked too, with the writer held.
const ASKED_EVERY: u32 = 4;

/// Files that are read back at once.
const READERS: usize = 4;

/// A look at the disks before and after `health` was asked, while nobody wrote.
struct Look {
    before: OnDisk,
    told: Option<Told>,
    after: OnDisk,
}

impl Look {
    /// What `health` said, when it is just what was on the disks.
    fn agreed(&self) -> Option<&Told> {
        let told = self.told.as_ref()?;
        let same = told.exact && self.before.copies == self.after.copies && told.copies == self.before.copies;
        same.then_some(told)
    }

    /// By how many copies `health` is outside of what the disks had before and after it.
    fn apart(&self) -> Option<u64> {
        let told = self.told.as_ref().filter(|told| told.exact)?.copies.missing();
        let (before, after) = (self.before.copies.missing(), self.after.copies.missing());
        Some(told.saturating_sub(before.max(after)) + before.min(after).saturating_sub(told))
    }
}

impl Run {
    fn look(&self) -> anyhow::Result<Look> {
        let _quiet = self.runtime.block_on(self.shared.quiet());
        let files = self.shared.files.all();
        Ok(Look {
            before: on_disk(&self.cluster, &files)?,
            told: told(&self.cluster)?,
            after: on_disk(&self.cluster, &files)?,
        })
    }

    /// Waits until every chunk has all its copies after an `event`, by the disks and by `health`.
    pub(super) fn until_full(&mut self, step: &mut Step, event: Instant) -> anyhow::Result<()> {
        let base = self.shared.files.base();
        let (mut missing, mut had_last_copies) = (Vec::new(), false);
        for turn in 0.. {
            self.cluster.check_alive()?;
            let disk = on_disk(&self.cluster, &base)?;
            let at = event.elapsed();
            missing.push((at, disk.missing_bytes));
            had_last_copies |= disk.copies.of(1) > 0;
            if had_last_copies && disk.copies.of(1) == 0 && step.last_copies_seconds.is_none() {
                step.last_copies_seconds = Some(at.as_secs_f64());
                let left = disk.copies.of(2);
                step.notes.push(format!(
                    "no chunk had a single copy any more when {left} still had two"
                ));
            }
            if turn % ASKED_EVERY == 0 || disk.missing_bytes == 0 {
                let look = self.look()?;
                let agreed = look.agreed();
                if step.known_seconds.is_none() {
                    if let Some(told) = agreed {
                        step.known_seconds = Some(event.elapsed().as_secs_f64());
                        step.known = told.copies.to_string();
                    }
                } else if let Some(apart) = look.apart() {
                    step.compared += 1;
                    step.apart_max = step.apart_max.max(apart);
                }
                if agreed.is_some_and(|told| told.copies.are_full()) {
                    step.full_seconds = Some(event.elapsed().as_secs_f64());
                    break;
                }
                if at > self.patience {
                    let told = look.told.unwrap_or_default();
                    step.problems.push(format!(
                        "not all copies after {:.0} s: on the disks {}; health: {}, exact: {}, being written: {}",
                        at.as_secs_f64(),
                        look.after.copies,
                        told.copies,
                        told.exact,
                        told.being_written
                    ));
                    break;
                }
            }
            thread::sleep(PAUSE);
        }
        if let Some((bytes, took)) = copying(&missing) {
            step.copied(bytes, took);
        }
        Ok(())
    }

    /// Waits until no chunk has a replica too many, nor a bad one.
    pub(super) fn until_tidy(&mut self, step: &mut Step, event: Instant) -> anyhow::Result<()> {
        loop {
            self.cluster.check_alive()?;
            let look = self.look()?;
            let at = event.elapsed();
            let tidy = |told: &Told| told.copies.are_full() && told.surplus == 0 && told.with_corrupt == 0;
            if look.agreed().is_some_and(tidy) && look.after.surplus == 0 {
                step.tidy_seconds = Some(at.as_secs_f64());
                return Ok(());
            }
            if at > self.patience {
                let told = look.told.unwrap_or_default();
                step.problems.push(format!(
                    "not tidy after {:.0} s: on the disks {}, {} with too many; health ({}): {}, {} surplus, {} with a corrupt \
                     replica, exact: {}",
                    at.as_secs_f64(),
                    look.after.copies,
                    look.after.surplus,
                    told.level,
                    told.copies,
                    told.surplus,
                    told.with_corrupt,
                    told.exact
                ));
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
    }

    /// Reads everything back that was acknowledged and was not deleted, and ends the step.
    pub(super) fn finish(&mut self, mut step: Step) -> anyhow::Result<Step> {
        let shared = self.shared.clone();
        let (files, wrong) = self.runtime.block_on(async {
            let _quiet = shared.quiet().await;
            let files = shared.files.all();
            let mut tasks = JoinSet::new();
            for reader in 0..READERS {
                let (shared, files) = (shared.clone(), files.clone());
                tasks.spawn(async move {
                    let mut wrong = Vec::new();
                    for file in files.iter().skip(reader).step_by(READERS) {
                        match compare(&shared.fs, &shared.content, file).await {
                            Ok(Ok(())) => {}
                            Ok(Err(why)) => wrong.push(why),
                            Err(error) => wrong.push(format!("{} can not be read back: {error}", file.path)),
                        }
                    }
                    wrong
                });
            }
            (files, tasks.join_all().await.concat())
        });
        step.read_back_files = files.len() as u64;
        step.read_back_bytes = files.iter().map(|file| file.len).sum();
        step.problems.extend(wrong);
        step.load(self.shared.take_seen());
        println!(
            "{}: full after {} s, {} problems",
            step.name,
            step.full_seconds
                .map_or_else(|| "?".to_owned(), |s| format!("{s:.1}")),
            step.problems.len()
        );
        Ok(step)
    }
}

/// Bytes that were copied, and how long that took: the time between looks in which something came, so that what repair waits for
/// (whether a datanode comes back) does not count. None when nothing came.
fn copying(missing: &[(Duration, u64)]) -> Option<(u64, Duration)> {
    let (mut bytes, mut took) = (0, Duration::ZERO);
    for ((from, before), (to, after)) in missing.iter().zip(missing.iter().skip(1)) {
        if after < before {
            bytes += before - after;
            took += to.saturating_sub(*from);
        }
    }
    (bytes > 0).then_some((bytes, took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_counts_in_which_something_comes() {
        let at = |seconds: u64, bytes: u64| (Duration::from_secs(seconds), bytes);
        let missing = [
            at(0, 0),
            at(1, 90),
            at(2, 50),
            at(20, 50),
            at(21, 40),
            at(24, 0),
            at(30, 0),
        ];
        assert_eq!(copying(&missing), Some((90, Duration::from_secs(5))));
        assert_eq!(copying(&[at(0, 0), at(1, 90)]), None);
    }
}
