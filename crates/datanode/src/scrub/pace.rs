//! How fast a volume is scrubbed: pure, so that it can be told for any load and any time.
//!
//! A round that is begun every half of the period, and ends within that half, reads every replica at least once in each
//! period, wherever in the round it comes. The aim is to end a little before.

use std::time::Duration;

/// What else the datanode does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// No stream moves data.
    Idle,
    /// Some do: scrubbing is as slow as it may be.
    Busy,
}

/// While nothing else is done, at least this.
const IDLE_BYTES_PER_S: f64 = 16.0 * 1_048_576.0;

/// How much faster than it must be, while nothing else is done.
const IDLE_FACTOR: f64 = 4.0;

/// The part of a round's time that it aims to take.
const AIM: f64 = 0.8;

/// The longest pause: the load may be another one by then, or the datanode may be about to end.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The time from the beginning of a round to that of the next.
pub(crate) fn interval(period: Duration) -> Duration {
    period / 2
}

/// Bytes per second for what is left of a round, of which `elapsed` has gone by. Infinite when it is late.
pub(crate) fn rate(period: Duration, elapsed: Duration, left: u64, load: Load) -> f64 {
    let whole = interval(period).as_secs_f64();
    let time = whole * AIM - elapsed.as_secs_f64();
    // Past the aim: what is left of the whole.
    let time = if time > 0.0 {
        time
    } else {
        whole - elapsed.as_secs_f64()
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let needed = if time > 0.0 {
        left as f64 / time
    } else {
        f64::INFINITY
    };
    match load {
        Load::Busy => needed,
        Load::Idle => (needed * IDLE_FACTOR).max(IDLE_BYTES_PER_S),
    }
}

/// How long to pause after `bytes` were read in `took`.
pub(crate) fn pause(rate: f64, bytes: u64, took: Duration) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let due = if rate > 0.0 {
        bytes as f64 / rate
    } else {
        f64::INFINITY
    };
    let due = Duration::try_from_secs_f64(due).unwrap_or(PAUSE_MAX);
    due.saturating_sub(took).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const GIB: u64 = 1 << 30;

    #[test]
    fn a_round_ends_in_time_however_busy_it_is() {
        // 4 TiB in 14 days, streams all the time, on a disk that gives 100 MiB/s.
        let (period, total) = (14 * DAY, 4096 * GIB);
        let (mut elapsed, mut left) = (Duration::ZERO, total);
        while left > 0 {
            let piece = left.min(GIB);
            let took = Duration::from_secs_f64(piece as f64 / (100.0 * 1_048_576.0));
            let rate = rate(period, elapsed, left, Load::Busy);
            let due = Duration::from_secs_f64(piece as f64 / rate);
            elapsed += due.max(took);
            left -= piece;
        }
        assert!(elapsed <= interval(period), "{elapsed:?}");
        assert!(
            elapsed > interval(period) / 2,
            "no faster than it must be: {elapsed:?}"
        );
    }

    #[test]
    fn it_is_faster_when_nothing_else_is_done_and_when_it_is_late() {
        let period = 14 * DAY;
        let busy = rate(period, Duration::ZERO, GIB, Load::Busy);
        let idle = rate(period, Duration::ZERO, GIB, Load::Idle);
        assert!(busy < 4096.0 && idle >= IDLE_BYTES_PER_S);
        let late = rate(period, interval(period).mul_f64(0.99), GIB, Load::Busy);
        assert!(late > busy * 50.0, "{late} {busy}");
        assert!(rate(period, period, GIB, Load::Busy).is_infinite());
    }

    #[test]
    fn pauses_make_up_the_time_that_reading_did_not_take_and_are_short() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(1000.0, 1500, second), second / 2);
        assert_eq!(pause(1000.0, 500, second), Duration::ZERO);
        assert_eq!(pause(f64::INFINITY, 500, Duration::ZERO), Duration::ZERO);
        assert_eq!(pause(0.0, 500, Duration::ZERO), PAUSE_MAX);
        assert_eq!(pause(1.0, 500, Duration::ZERO), PAUSE_MAX);
    }
}
