//! Figures with their spread.

use std::fmt;

use serde::Serialize;

/// The samples of one figure, in the order in which they were taken.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(into = "Summary")]
pub(crate) struct Samples(Vec<f64>);

/// What is written down of samples.
#[derive(Debug, Serialize)]
struct Summary {
    median: f64,
    min: f64,
    max: f64,
    samples: Vec<f64>,
}

impl Samples {
    pub(crate) fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// The middle one; between the two middle ones where their number is even; 0 without samples.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
            (Some(below), Some(above)) if sorted.len().is_multiple_of(2) => f64::midpoint(*below, *above),
            (_, Some(above)) => *above,
            _ => 0.0,
        }
    }

    pub(crate) fn min(&self) -> f64 {
        self.sorted().first().copied().unwrap_or_default()
    }

    pub(crate) fn max(&self) -> f64 {
        self.sorted().last().copied().unwrap_or_default()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl From<Samples> for Summary {
    fn from(samples: Samples) -> Self {
        Self {
            median: samples.median(),
            min: samples.min(),
            max: samples.max(),
            samples: samples.0,
        }
    }
}

impl fmt::Display for Samples {
    /// `median (min–max)`, with the precision asked for, else two decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        let text = format!(
            "{:.decimals$} ({:.decimals$}–{:.decimals$})",
            self.median(),
            self.min(),
            self.max()
        );
        f.pad_integral(true, "", &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples(values.to_vec())
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(samples(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(samples(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(samples(&[7.0]).median(), 7.0);
        assert_eq!(samples(&[]).median(), 0.0);
    }

    #[test]
    fn a_figure_is_shown_with_its_spread() {
        assert_eq!(samples(&[1.0, 2.0, 4.0]).to_string(), "2.00 (1.00–4.00)");
        assert_eq!(format!("{:.0}", samples(&[10.0, 30.0])), "20 (10–30)");
    }
}
