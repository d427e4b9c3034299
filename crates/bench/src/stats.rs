//! Percentiles and histograms.

use std::time::Duration;

use serde::Serialize;

/// Durations, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durations(Vec<Duration>);

/// What is written down of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub count: usize,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Durations {
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The smallest one that so many of a hundred do not exceed (nearest rank); none without durations.
    pub(crate) fn percentile(&self, percent: u32) -> Option<Duration> {
        let percent = usize::try_from(percent.min(100)).unwrap_or(100);
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let ms = |percent| self.percentile(percent).unwrap_or_default().as_secs_f64() * 1e3;
        Percentiles {
            count: self.0.len(),
            p50_ms: ms(50),
            p90_ms: ms(90),
            p99_ms: ms(99),
            max_ms: ms(100),
        }
    }

    /// A bar for each step of `step` from the smallest to the largest; what is `steps` steps and more in the last one.
    pub(crate) fn histogram(&self, step: Duration, steps: usize) -> Vec<Bar> {
        let step_nanos = step.as_nanos().max(1);
        let mut counts = vec![0usize; steps.max(1)];
        let last = counts.len() - 1;
        for duration in &self.0 {
            let bar = usize::try_from(duration.as_nanos() / step_nanos)
                .unwrap_or(last)
                .min(last);
            if let Some(count) = counts.get_mut(bar) {
                *count += 1;
            }
        }
        let used = counts.iter().rposition(|count| *count > 0).map_or(0, |at| at + 1);
        counts.truncate(used);
        let mut from = Duration::ZERO;
        counts
            .into_iter()
            .map(|count| {
                let bar = Bar { from, count };
                from += step;
                bar
            })
            .collect()
    }
}

/// One bar of a histogram: from here on to where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bar {
    pub from: Duration,
    pub count: usize,
}

/// The bars as lines, the longest `width` characters long.
pub(crate) fn lines(bars: &[Bar], step: Duration, width: usize) -> Vec<String> {
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or_default().max(1);
    bars.iter()
        .map(|bar| {
            // At least one mark for whatever is there.
            let marks = (bar.count * width).div_ceil(most);
            let to = bar.from + step;
            let line = format!(
                "{:>6} – {:>5} ms {:>5}  {}",
                bar.from.as_millis(),
                to.as_millis(),
                bar.count,
                "#".repeat(marks)
            );
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let hundred = Durations::new((1..=100).rev().map(ms).collect());
        assert_eq!(hundred.percentile(50), Some(ms(50)));
        assert_eq!(hundred.percentile(99), Some(ms(99)));
        assert_eq!(hundred.percentile(100), Some(ms(100)));
        assert_eq!(hundred.percentile(0), Some(ms(1)));
        let few = Durations::new(vec![ms(3), ms(1), ms(2)]);
        assert_eq!(few.percentile(50), Some(ms(2)));
        assert_eq!(few.percentile(90), Some(ms(3)));
        assert_eq!(Durations::default().percentile(50), None);
    }

    #[test]
    fn every_duration_is_in_one_bar() {
        let durations = Durations::new([0, 9, 10, 35, 9_999].map(ms).to_vec());
        let bars = durations.histogram(ms(10), 6);
        let counts: Vec<_> = bars.iter().map(|bar| bar.count).collect();
        assert_eq!(counts, [2, 1, 0, 1, 0, 1], "the last takes all that is longer");
        assert_eq!(bars.last().map(|bar| bar.from), Some(ms(50)));
        assert!(Durations::default().histogram(ms(10), 6).is_empty());
    }

    #[test]
    fn bars_are_drawn_to_scale() {
        let bars = [
            Bar {
                from: ms(0),
                count: 10,
            },
            Bar {
                from: ms(100),
                count: 1,
            },
            Bar {
                from: ms(200),
                count: 0,
            },
        ];
        let lines = lines(&bars, ms(100), 20);
        let marks: Vec<_> = lines.iter().map(|line| line.matches('#').count()).collect();
        assert_eq!(marks, [20, 2, 0]);
        assert!(lines[1].contains("100 –   200 ms     1"), "{lines:?}");
    }
}
