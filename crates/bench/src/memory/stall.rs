//! How long a change takes at most while the state is saved beside it.
//!
//! Files are made at a steady rate, with a snapshot after each, as a master publishes one; meanwhile another thread saves a snapshot
//! of all that there is, as fast as it can. Two clocks are read: that on the wall, and that of the thread's own processor time. What
//! a change had to do, copies of pages that the saved snapshot still holds included, is on both; that the machine gave the
//! processor to somebody else is on the first alone.

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::files::Files;
use super::state::State;
use crate::report::print_columns;
use crate::stats::{Durations, Percentiles};

/// Files that are made a second.
const RATE: u32 = 10_000;

/// How long they are made beside nothing.
const ALONE: Duration = Duration::from_secs(5);

/// What changes took.
#[derive(Debug, Serialize)]
pub(super) struct Stall {
    beside: &'static str,
    seconds: f64,
    wall: Percentiles,
    processor: Percentiles,
}

impl Stall {
    /// Beside nothing for a while, then beside a save from its beginning to its end. The files are removed again.
    pub(super) fn measure(state: &mut State, files: Files, first: u64) -> anyhow::Result<Vec<Self>> {
        let mut made = first;
        let begun = Instant::now();
        let alone = Self::of("nothing", state, files, &mut made, || begun.elapsed() < ALONE)?;

        let saved = state.namespace.clone();
        let ended = AtomicBool::new(false);
        let beside = thread::scope(|scope| {
            let saving = scope.spawn(|| {
                let done = saved.save(&mut io::sink());
                ended.store(true, Ordering::Release);
                done
            });
            let measured = Self::of("a save", state, files, &mut made, || {
                !ended.load(Ordering::Acquire)
            });
            saving
                .join()
                .map_err(|_| anyhow!("the saving thread panicked"))??;
            measured
        })?;
        drop(saved);
        (first..made).try_for_each(|number| state.delete(files.path(number)?))?;
        Ok(vec![alone, beside])
    }

    fn of(
        beside: &'static str,
        state: &mut State,
        files: Files,
        next: &mut u64,
        goes_on: impl Fn() -> bool,
    ) -> anyhow::Result<Self> {
        let (mut wall, mut processor) = (Vec::new(), Vec::new());
        let begun = Instant::now();
        let mut published = state.namespace.clone();
        while goes_on() {
            let due = begun + Duration::from_secs(1) / RATE * u32::try_from(wall.len())?;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let path = files.path(*next)?;
            let (start, processor_start) = (Instant::now(), processor_time());
            state.create(path)?;
            published = black_box(state.namespace.clone());
            processor.push(processor_time().saturating_sub(processor_start));
            wall.push(start.elapsed());
            *next += 1;
        }
        drop(published);
        Ok(Self {
            beside,
            seconds: begun.elapsed().as_secs_f64(),
            wall: Durations::new(wall).percentiles(),
            processor: Durations::new(processor).percentiles(),
        })
    }

    /// Prints all, one below the other.
    pub(super) fn print(stalls: &[Self]) {
        let heading = [
            "creates (3 commands) beside",
            "count",
            "seconds",
            "wall ms p50",
            "p99",
            "longest",
            "processor ms p50",
            "p99",
            "longest",
        ];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        for stall in stalls {
            let times = [stall.wall, stall.processor];
            let times = times.iter().flat_map(|of| [of.p50_ms, of.p99_ms, of.max_ms]);
            let mut row = vec![
                stall.beside.to_owned(),
                stall.wall.count.to_string(),
                format!("{:.2}", stall.seconds),
            ];
            row.extend(times.map(|ms| format!("{ms:.3}")));
            rows.push(row);
        }
        println!();
        print_columns(&rows);
    }
}

/// What this thread has computed so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
