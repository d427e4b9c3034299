//! Work on numbered files by so many threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::anyhow;

/// Does `work` for each number below `count`, `threads` at a time. Answers the seconds.
///
/// # Errors
/// The first one.
pub(crate) fn in_threads(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        let one = || -> anyhow::Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                work(number)?;
            }
        };
        let all: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(one)).collect();
        all.into_iter()
            .try_for_each(|one| one.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    Ok(begun.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_number_is_done_once_and_what_fails_is_told() {
        let seen = Mutex::new(Vec::new());
        in_threads(100, 7, |number| {
            seen.lock().unwrap().push(number);
            Ok(())
        })
        .unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        let failed = in_threads(5, 2, |number| match number {
            3 => Err(anyhow!("three")),
            _ => Ok(()),
        });
        assert_eq!(failed.unwrap_err().to_string(), "three");
    }
}
