//! Byte sizes and durations as people write them: `64MiB`, `1.5 GiB`, `10GB`, `3s`, `500ms`, `24h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

/// A text that is not a byte size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a size: {0:?} (write a number of bytes, or a number with a unit: 512, 64KiB, 1.5GiB, 10GB)")]
pub struct InvalidByteSize(pub String);

/// Units by their name in lower case; `k`, `m`, `g`, `t` alone are binary, as in Hadoop and coreutils.
const UNITS: [(&str, u64); 16] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
    ("p", 1 << 50),
    ("pib", 1 << 50),
];

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        let invalid = || InvalidByteSize(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let number = number.replace('_', "");
        let unit = unit.trim().to_ascii_lowercase();
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(*factor).map(Self).ok_or_else(invalid);
        }
        let (whole, fraction) = number.split_once('.').ok_or_else(invalid)?;
        if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| invalid())?);
        let whole: u128 = if whole.is_empty() {
            0
        } else {
            whole.parse::<u64>().map_err(|_| invalid())?.into()
        };
        let fraction: u128 = fraction.parse::<u64>().map_err(|_| invalid())?.into();
        let scaled = (whole * scale + fraction)
            .checked_mul(u128::from(*factor))
            .ok_or_else(invalid)?;
        if !scaled.is_multiple_of(scale) {
            return Err(invalid());
        }
        u64::try_from(scaled / scale).map(Self).map_err(|_| invalid())
    }
}

impl fmt::Display for ByteSize {
    /// With a binary unit and at most one decimal: `0 B`, `513 B`, `1.5 KiB`, `64 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let mut power = (63 - (self.0 | 1).leading_zeros()) / 10;
        let tenths = |power: u32| {
            let unit = 1u128 << (10 * power);
            (u128::from(self.0) * 10 + unit / 2) / unit
        };
        let mut value = tenths(power);
        if value >= 10_240 {
            power += 1;
            value = tenths(power);
        }
        let name = usize::try_from(power)
            .ok()
            .and_then(|p| NAMES.get(p))
            .copied()
            .unwrap_or("B");
        let text = if power == 0 || value.is_multiple_of(10) {
            format!("{} {name}", value / 10)
        } else {
            format!("{}.{} {name}", value / 10, value % 10)
        };
        f.pad(&text)
    }
}

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a duration: {0:?} (write a number with a unit: 500ms, 3s, 10m, 24h, 14d; a number alone is seconds)"
)]
pub struct InvalidDuration(pub String);

/// Reads `500ms`, `3s`, `1.5s`, `10m`, `24h`, `14d`; a number alone is seconds.
///
/// # Errors
/// When `text` is none of these.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let trimmed = text.trim();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(invalid()),
    };
    let number: f64 = number.parse().map_err(|_| invalid())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| invalid())
}

/// Writes a duration with its largest unit that divides it: `500ms`, `3s`, `10m`, `24h`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit, in_ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms > 0 && ms.is_multiple_of(in_ms) {
            return format!("{}{unit}", ms / in_ms);
        }
    }
    format!("{ms}ms")
}

/// The whole milliseconds of a duration.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Words as one, for programs: `at risk` is `at-risk`.
#[must_use]
pub fn word(words: &str) -> String {
    words.replace(' ', "-")
}

/// A duration in one unit, for people who want to know about how long: `3 min`.
#[must_use]
pub fn about_duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn about_how_long_has_one_unit() {
        let texts = [0, 119, 120, 7_200, 172_800].map(|seconds| about_duration(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0 s", "119 s", "2 min", "2 h", "2 d"]);
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("64MiB", 64 << 20),
            ("64m", 64 << 20),
            ("64 MB", 64_000_000),
            ("1.5GiB", 3 << 29),
            ("67_108_864", 64 << 20),
            ("1T", 1 << 40),
        ] {
            assert_eq!(text.parse::<ByteSize>().unwrap().0, bytes, "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.",
            "1.0001KiB",
            "5 apples",
            "99999999999PiB",
            "1e3",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_written() {
        for (bytes, text) in [
            (0, "0 B"),
            (513, "513 B"),
            (1536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            ((1 << 20) - 1, "1 MiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [
            ("500ms", 500),
            ("3s", 3_000),
            ("3", 3_000),
            ("1.5s", 1_500),
            ("10m", 600_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "s", "-1s", "1w", "1s2", "1e999"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(format_duration(Duration::from_secs(3)), "3s");
        assert_eq!(format_duration(Duration::from_secs(86_400)), "1d");
        assert_eq!(format_duration(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(format_duration(Duration::ZERO), "0ms");
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<ByteSize>();
            let _ = parse_duration(&text);
        }

        #[test]
        fn writing_never_panics(bytes: u64) {
            let _ = ByteSize(bytes).to_string();
        }
    }
}
