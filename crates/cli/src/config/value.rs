//! What kinds of values settings have, and how each is read from text.

use std::path::PathBuf;
use std::time::Duration;

use types::{ByteSize, ChunkSize, format_duration, parse_duration};

use super::masters::normalize_master;

/// How the text of a setting is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text that is not empty.
    Text,
    /// A path of the local file system.
    Path,
    /// Texts separated by commas.
    List,
    /// `HOST:PORT` of masters, separated by commas.
    Masters,
    /// `HOST`, `HOST:PORT` or `:PORT` to listen on.
    Listen,
    /// A whole number from `min` to `max`.
    Count {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A TCP port; 0 lets the system choose.
    Port,
    /// A chunk size.
    ChunkSize,
    /// A number of bytes of at least `min`.
    Bytes {
        /// The smallest.
        min: u64,
    },
    /// A duration above zero; a number alone is seconds.
    Seconds,
    /// A share of a whole: `0.999` or `99.9%`.
    Share,
    /// A log level, or a filter as `tracing` reads it.
    LogFilter,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// A value that has been read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of [`Kind::Text`], [`Kind::Listen`], [`Kind::LogFilter`] and [`Kind::OneOf`].
    Text(String),
    /// Of [`Kind::Path`].
    Path(PathBuf),
    /// Of [`Kind::List`] and [`Kind::Masters`].
    List(Vec<String>),
    /// Of [`Kind::Count`] and [`Kind::Port`].
    Number(u64),
    /// Of [`Kind::ChunkSize`] and [`Kind::Bytes`].
    Bytes(u64),
    /// Of [`Kind::Seconds`].
    Duration(Duration),
    /// Of [`Kind::Share`], in millionths.
    Share(u32),
}

impl Kind {
    /// Reads a value.
    ///
    /// # Errors
    /// With what is wrong with the text and what is expected.
    pub(crate) fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        match self {
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Path => Ok(Value::Path(PathBuf::from(text))),
            Self::List => Ok(Value::List(items(text).map(ToOwned::to_owned).collect())),
            Self::Masters => items(text)
                .map(normalize_master)
                .collect::<Result<Vec<_>, _>>()
                .map(Value::List),
            Self::Listen => listen(text),
            Self::Count { min, max } => match text.replace('_', "").parse() {
                Ok(number) if (min..=max).contains(&number) => Ok(Value::Number(number)),
                _ if max == u64::MAX => Err(format!("expected a whole number of at least {min}")),
                _ => Err(format!("expected a whole number from {min} to {max}")),
            },
            Self::Port => text
                .parse::<u16>()
                .map(|port| Value::Number(port.into()))
                .map_err(|_| "expected a port from 0 to 65535 (0: the system chooses)".to_owned()),
            Self::ChunkSize => {
                let bytes: ByteSize = text
                    .parse()
                    .map_err(|error: types::InvalidByteSize| error.to_string())?;
                ChunkSize::new(bytes.0)
                    .map(|size| Value::Bytes(size.bytes()))
                    .map_err(|error| error.to_string())
            }
            Self::Bytes { min } => match text.parse::<ByteSize>() {
                Ok(bytes) if bytes.0 >= min => Ok(Value::Bytes(bytes.0)),
                Ok(_) => Err(format!("expected at least {}", ByteSize(min))),
                Err(error) => Err(error.to_string()),
            },
            Self::Seconds => match parse_duration(text) {
                Ok(Duration::ZERO) => Err("expected more than zero".to_owned()),
                Ok(duration) => Ok(Value::Duration(duration)),
                Err(error) => Err(error.to_string()),
            },
            Self::Share => share(text).map(Value::Share),
            Self::OneOf(words) => match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
                Some(word) => Ok(Value::Text((*word).to_owned())),
                None => Err(format!("expected one of {}", words.join(", "))),
            },
            Self::LogFilter => match tracing_subscriber::EnvFilter::try_new(text.to_ascii_lowercase()) {
                Ok(_) => Ok(Value::Text(text.to_ascii_lowercase())),
                Err(_) => Err(
                    "expected off, error, warn, info, debug or trace, or a filter such as \
                               info,consensus=debug"
                        .to_owned(),
                ),
            },
        }
    }

    /// What stands for the value in `--help`.
    pub(crate) const fn placeholder(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Path => "PATH",
            Self::List => "NAME,…",
            Self::Masters => "HOST:PORT,…",
            Self::Listen => "HOST[:PORT]",
            Self::Count { .. } => "NUMBER",
            Self::Port => "PORT",
            Self::ChunkSize | Self::Bytes { .. } => "SIZE",
            Self::Seconds => "SECONDS",
            Self::Share => "SHARE",
            Self::LogFilter => "LEVEL",
            Self::OneOf(_) => "WORD",
        }
    }

    /// The unit of a number that has none, for `distrifs config`.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::ChunkSize | Self::Bytes { .. } => "bytes",
            Self::Seconds => "seconds",
            _ => "",
        }
    }
}

impl Value {
    /// For people: sizes and durations with units.
    pub(crate) fn show(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Path(path) => path.display().to_string(),
            Self::List(items) => items.join(","),
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => ByteSize(*bytes).to_string(),
            Self::Duration(duration) => format_duration(*duration),
            Self::Share(millionths) => format!("{}%", f64::from(*millionths) / 10_000.0),
        }
    }

    /// For programs: numbers in the setting's unit.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Path(path) => path.to_string_lossy().into(),
            Self::List(items) => items.as_slice().into(),
            Self::Number(number) | Self::Bytes(number) => (*number).into(),
            Self::Duration(duration) => duration.as_secs_f64().into(),
            Self::Share(millionths) => (f64::from(*millionths) / MILLION).into(),
        }
    }
}

/// The whole, in parts.
const MILLION: f64 = 1_000_000.0;

/// Millionths of `0.999` or `99.9%`.
fn share(text: &str) -> Result<u32, String> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim(), 100.0),
        None => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if (0.0..=whole).contains(&number) => {
            let millionths = (number / whole * MILLION).round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to a million"
            )]
            Ok(millionths as u32)
        }
        _ => Err("expected a share from 0 to 1, or from 0% to 100%".to_owned()),
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn listen(text: &str) -> Result<Value, String> {
    let port_ok = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, "")) => true,
        Some((_, rest)) => rest
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok()),
        None => match text.split_once(':') {
            Some((_, port)) => port.parse::<u16>().is_ok(),
            None => true,
        },
    };
    if port_ok {
        Ok(Value::Text(text.to_owned()))
    } else {
        Err("expected HOST, HOST:PORT or :PORT (an IPv6 address in brackets: [::1]:9800)".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_units() {
        assert_eq!(Kind::ChunkSize.parse("1MiB"), Ok(Value::Bytes(1 << 20)));
        assert_eq!(
            Kind::Seconds.parse("3"),
            Ok(Value::Duration(Duration::from_secs(3)))
        );
        assert_eq!(
            Kind::Seconds.parse("500ms"),
            Ok(Value::Duration(Duration::from_millis(500)))
        );
        assert_eq!(Kind::Port.parse("9800"), Ok(Value::Number(9800)));
        assert_eq!(
            Kind::LogFilter.parse("INFO"),
            Ok(Value::Text("info".to_owned())),
            "the upper case of the log level is accepted"
        );
        assert_eq!(
            Kind::Masters.parse("http://a:1, b"),
            Ok(Value::List(vec!["a:1".to_owned(), "b:9800".to_owned()]))
        );
    }

    #[test]
    fn wrong_values_say_what_is_expected() {
        assert!(
            Kind::ChunkSize
                .parse("513")
                .unwrap_err()
                .contains("multiple of 512")
        );
        let count = Kind::Count { min: 1, max: 512 };
        assert_eq!(
            count.parse("0").unwrap_err(),
            "expected a whole number from 1 to 512"
        );
        assert!(Kind::Port.parse("70000").unwrap_err().contains("65535"));
        assert!(Kind::Seconds.parse("0").is_err());
        assert_eq!(
            Kind::OneOf(&["spread", "ring"]).parse("best").unwrap_err(),
            "expected one of spread, ring"
        );
        assert!(Kind::Text.parse("  ").is_err());
        assert!(Kind::Listen.parse("a:b").is_err());
        assert!(Kind::Listen.parse("::1").is_err());
    }

    #[test]
    fn shares_are_read_as_fractions_and_as_percents() {
        for (text, millionths) in [
            ("0.999", 999_000),
            ("99.9%", 999_000),
            ("1", 1_000_000),
            ("0", 0),
            ("100 %", 1_000_000),
        ] {
            assert_eq!(Kind::Share.parse(text), Ok(Value::Share(millionths)), "{text}");
        }
        for text in ["1.1", "101%", "-1", "x", "NaN", "%"] {
            assert!(Kind::Share.parse(text).is_err(), "{text}");
        }
        assert_eq!(Value::Share(999_000).show(), "99.9%");
    }

    #[test]
    fn listen_addresses() {
        for text in ["0.0.0.0", "localhost:9800", ":9800", "[::1]", "[::1]:9800"] {
            assert_eq!(Kind::Listen.parse(text), Ok(Value::Text(text.to_owned())));
        }
    }
}
