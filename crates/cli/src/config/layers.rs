//! The layers on top of each other: flags over environment over file over defaults.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use types::ChunkSize;

use super::file::{ConfigFile, FileError};
use super::flags::Flag;
use super::table::{Fallback, Key, Setting, TABLE};
use super::value::Value;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// On which line.
        line: u64,
    },
    /// The environment.
    Environment(&'static str),
    /// The command line.
    Flag(&'static str),
}

impl Source {
    /// What wins over what.
    const fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }

    /// The layer in one word, for programs.
    pub(crate) const fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// A setting as it is in force.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Which.
    pub(crate) setting: &'static Setting,
    /// Its value; none where the default depends on where it is used.
    pub(crate) value: Option<Value>,
    /// Where that came from.
    pub(crate) source: Source,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file is of no use.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable of the environment has a value that the setting can not have.
    #[error("environment variable {name} can not be {text:?}: {why}")]
    Environment {
        /// Which.
        name: &'static str,
        /// What it says.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// A flag has a value that the setting can not have.
    #[error("--{name} can not be {text:?}: {why}")]
    Flag {
        /// Which.
        name: &'static str,
        /// What it says.
        text: String,
        /// What is wrong.
        why: String,
    },
}

/// All settings as they are in force. One entry for each row of the table.
#[derive(Debug)]
pub(crate) struct Settings {
    entries: Vec<Entry>,
    file: Option<PathBuf>,
}

impl Settings {
    /// Puts the layers together: `flags` over `env` over the file (`named`, or where it is looked for) over defaults.
    /// An empty environment variable counts as not set.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub(crate) fn load(
        flags: &[Flag],
        env: &dyn Fn(&str) -> Option<String>,
        named: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        Self::layer(flags, env, ConfigFile::find(named, env)?)
    }

    fn layer(
        flags: &[Flag],
        env: &dyn Fn(&str) -> Option<String>,
        file: Option<ConfigFile>,
    ) -> Result<Self, ConfigError> {
        let entries = TABLE
            .iter()
            .map(|setting| entry(setting, flags, env, file.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            entries,
            file: file.map(|file| file.path),
        })
    }

    /// Every setting, in the order of the table.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The file that was read.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    fn entry(&self, key: Key) -> &Entry {
        #[expect(clippy::expect_used, reason = "there is one entry for each row of the table")]
        self.entries
            .iter()
            .find(|entry| entry.setting.key == key)
            .expect("every key has an entry")
    }

    fn value(&self, key: Key) -> Option<&Value> {
        self.entry(key).value.as_ref()
    }

    /// Whether the setting was given on the command line.
    pub(crate) fn is_flag(&self, key: Key) -> bool {
        matches!(self.entry(key).source, Source::Flag(_))
    }

    /// Whether anybody set it.
    pub(crate) fn is_set(&self, key: Key) -> bool {
        self.entry(key).source != Source::Default
    }

    /// The value of a text.
    pub(crate) fn text(&self, key: Key) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            other => wrong_kind(key, other),
        }
    }

    /// The value of a path.
    pub(crate) fn path(&self, key: Key) -> Option<&Path> {
        match self.value(key)? {
            Value::Path(path) => Some(path),
            other => wrong_kind(key, other),
        }
    }

    /// The value of a list.
    pub(crate) fn list(&self, key: Key) -> Option<&[String]> {
        match self.value(key)? {
            Value::List(list) => Some(list),
            other => wrong_kind(key, other),
        }
    }

    /// The value of a number; the largest possible where it does not fit.
    pub(crate) fn number<N: TryFrom<u64> + Bounded>(&self, key: Key) -> Option<N> {
        match self.value(key)? {
            Value::Number(number) => Some(N::try_from(*number).unwrap_or(N::MAX)),
            other => wrong_kind(key, other),
        }
    }

    /// The value of a number of bytes.
    pub(crate) fn bytes(&self, key: Key) -> Option<u64> {
        match self.value(key)? {
            Value::Bytes(bytes) => Some(*bytes),
            other => wrong_kind(key, other),
        }
    }

    /// The value of a chunk size.
    pub(crate) fn chunk_size(&self, key: Key) -> Option<ChunkSize> {
        self.bytes(key).and_then(|bytes| ChunkSize::new(bytes).ok())
    }

    /// The value of a duration.
    pub(crate) fn duration(&self, key: Key) -> Option<Duration> {
        match self.value(key)? {
            Value::Duration(duration) => Some(*duration),
            other => wrong_kind(key, other),
        }
    }

    /// The value of a share, from 0 to 1.
    pub(crate) fn share(&self, key: Key) -> Option<f64> {
        match self.value(key)? {
            value @ Value::Share(_) => value.to_json().as_f64(),
            other => wrong_kind(key, other),
        }
    }

    /// Where the masters are: `master`, or what the masters themselves are started with (`masters`), unless the host or the
    /// port was set by a stronger layer.
    pub(crate) fn masters(&self) -> Vec<String> {
        let rank = |key| self.entry(key).source.rank();
        let weakest = rank(Key::MasterHost).max(rank(Key::MasterPort));
        let list = |key| self.list(key).filter(|_| rank(key) >= weakest);
        let named = match (list(Key::Master), list(Key::Masters)) {
            (Some(_), Some(masters)) if rank(Key::Masters) > rank(Key::Master) => Some(masters),
            (Some(master), _) => Some(master),
            (None, masters) => masters,
        };
        match named {
            Some(list) => list.to_vec(),
            None => {
                let host = self.text(Key::MasterHost).unwrap_or("127.0.0.1");
                let port: u16 = self
                    .number(Key::MasterPort)
                    .unwrap_or(super::masters::MASTER_PORT);
                let host = if host.contains(':') && !host.starts_with('[') {
                    format!("[{host}]")
                } else {
                    host.to_owned()
                };
                vec![format!("{host}:{port}")]
            }
        }
    }
}

/// Integers that settings are read as.
pub(crate) trait Bounded {
    /// The largest.
    const MAX: Self;
}
macro_rules! bounded {
    ($($number:ty)*) => {$(impl Bounded for $number { const MAX: Self = <$number>::MAX; })*};
}
bounded!(u16 u32 u64 usize);

fn wrong_kind(key: Key, value: &Value) -> ! {
    unreachable!("{key:?} was read as another kind of value than the table says: {value:?}")
}

fn entry(
    setting: &'static Setting,
    flags: &[Flag],
    env: &dyn Fn(&str) -> Option<String>,
    file: Option<&ConfigFile>,
) -> Result<Entry, ConfigError> {
    let found = |value, source| {
        Ok(Entry {
            setting,
            value: Some(value),
            source,
        })
    };
    if let Some(flag) = flags.iter().rev().find(|flag| flag.key == setting.key) {
        let value = setting.kind.parse(&flag.text).map_err(|why| ConfigError::Flag {
            name: setting.flag,
            text: flag.text.clone(),
            why,
        })?;
        return found(value, Source::Flag(setting.flag));
    }
    if let Some(text) = env(setting.env).filter(|text| !text.trim().is_empty()) {
        return match setting.kind.parse(&text) {
            Ok(value) => found(value, Source::Environment(setting.env)),
            Err(why) => Err(ConfigError::Environment {
                name: setting.env,
                text,
                why,
            }),
        };
    }
    let in_file = file.and_then(|file| {
        let entry = file.entries.iter().find(|entry| entry.key == setting.key)?;
        Some((file, entry))
    });
    if let Some((file, entry)) = in_file {
        let source = Source::File {
            path: file.path.clone(),
            line: entry.line,
        };
        return found(entry.value.clone(), source);
    }
    let value = match setting.fallback {
        Fallback::Is(text) => setting.kind.parse(text).ok(),
        Fallback::Depends(_) => None,
    };
    Ok(Entry {
        setting,
        value,
        source: Source::Default,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &[(Key, &str)], env: &[(&str, &str)], file: &str) -> Result<Settings, ConfigError> {
        let flags: Vec<_> = flags
            .iter()
            .map(|&(key, text)| Flag {
                key,
                text: text.to_owned(),
            })
            .collect();
        let env = |name: &str| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, text)| (*text).to_owned())
        };
        Settings::layer(&flags, &env, Some(ConfigFile::parse(Path::new("c.yaml"), file)?))
    }

    #[test]
    fn each_layer_wins_over_the_one_below() {
        let file = "rack: /file\ndata_port: 1\nhttp_port: 2\n";
        let env = [("DISTRIFS_DATA_PORT", "3"), ("DISTRIFS_HTTP_PORT", "4")];
        let all = settings(&[(Key::HttpPort, "5")], &env, file).unwrap();
        assert_eq!(all.text(Key::Rack), Some("/file"));
        assert_eq!(all.number::<u16>(Key::DataPort), Some(3));
        assert_eq!(all.number::<u16>(Key::HttpPort), Some(5));
        assert_eq!(all.number::<u16>(Key::MasterPort), Some(9800));
        let source = |key| all.entry(key).source.to_string();
        assert_eq!(source(Key::Rack), "c.yaml:1");
        assert_eq!(source(Key::DataPort), "DISTRIFS_DATA_PORT");
        assert_eq!(source(Key::HttpPort), "--http-port");
        assert_eq!(source(Key::MasterPort), "default");
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let all = settings(&[], &[("DISTRIFS_RF", "")], "").unwrap();
        assert_eq!(all.number::<u16>(Key::ReplicationFactor), None);
        assert!(!all.is_set(Key::ReplicationFactor));
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let error = settings(&[], &[("DISTRIFS_RF", "0")], "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable DISTRIFS_RF can not be \"0\": expected a whole number from 1 to 512"
        );
    }

    #[test]
    fn the_master_is_found_by_the_strongest_layer() {
        let masters = |flags: &[(Key, &str)], env: &[(&str, &str)], file: &str| {
            settings(flags, env, file).unwrap().masters().join(",")
        };
        assert_eq!(masters(&[], &[], ""), "127.0.0.1:9800");
        assert_eq!(masters(&[], &[("DISTRIFS_MASTER_HOST", "h")], ""), "h:9800");
        assert_eq!(
            masters(
                &[],
                &[("DISTRIFS_MASTER_HOST", "h"), ("DISTRIFS_MASTER_PORT", "1")],
                ""
            ),
            "h:1"
        );
        assert_eq!(
            masters(&[], &[("DISTRIFS_MASTER_HOST", "h")], "master: f:1"),
            "h:9800"
        );
        assert_eq!(masters(&[], &[], "master: [f:1, g]"), "f:1,g:9800");
        assert_eq!(masters(&[], &[], "masters: [f:1, g]"), "f:1,g:9800");
        assert_eq!(masters(&[], &[], "masters: f\nmaster: g"), "g:9800");
        assert_eq!(masters(&[], &[("DISTRIFS_MASTERS", "e")], "master: f"), "e:9800");
        assert_eq!(masters(&[(Key::MasterHost, "h")], &[], "masters: f"), "h:9800");
        assert_eq!(
            masters(
                &[(Key::Master, "http://x:7")],
                &[("DISTRIFS_MASTER_HOST", "h")],
                ""
            ),
            "x:7"
        );
        assert_eq!(
            masters(&[(Key::MasterPort, "7")], &[("DISTRIFS_MASTER", "e:1")], ""),
            "127.0.0.1:7"
        );
    }

    #[test]
    fn every_setting_can_be_set_by_each_layer() {
        for setting in TABLE {
            let text = match setting.fallback {
                Fallback::Is(text) => text,
                Fallback::Depends(_) => match setting.kind {
                    super::super::value::Kind::Masters => "m:1",
                    super::super::value::Kind::Count { .. } => "2",
                    super::super::value::Kind::ChunkSize => "1MiB",
                    super::super::value::Kind::LogFilter => "debug",
                    super::super::value::Kind::Seconds | super::super::value::Kind::Port => "9",
                    _ => "some",
                },
            };
            let by_flag = settings(&[(setting.key, text)], &[], "").unwrap();
            assert_eq!(
                by_flag.entry(setting.key).source.layer(),
                "flag",
                "{}",
                setting.name
            );
            let by_env = settings(&[], &[(setting.env, text)], "").unwrap();
            assert_eq!(by_env.entry(setting.key).source.layer(), "environment");
            let by_file = settings(&[], &[], &format!("{}: '{text}'", setting.name)).unwrap();
            assert_eq!(by_file.entry(setting.key).source.layer(), "file");
        }
    }
}
