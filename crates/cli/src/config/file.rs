//! `config.yaml`: where it is looked for, and what it says.
//!
//! The file is one mapping from the names of [`TABLE`] to scalars (a list where the setting is one). Unknown and repeated
//! keys are errors. Every error names the file and the line.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::table::{Key, Setting, TABLE};
use super::value::Value;

/// A setting in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileEntry {
    /// Which.
    pub(crate) key: Key,
    /// What it says, checked.
    pub(crate) value: Value,
    /// On which line, from 1.
    pub(crate) line: u64,
}

/// A file that has been read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it sets.
    pub(crate) entries: Vec<FileEntry>,
}

/// Why a configuration file is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It can not be read.
    #[error("{}: can not be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a YAML mapping of scalars.
    #[error("{}:{line}: not a mapping of settings: {why}", path.display())]
    Yaml {
        /// Which.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What the parser says.
        why: String,
    },
    /// A key that is no setting.
    #[error("{}:{line}: unknown setting {name:?}; the nearest known one is {nearest:?}", path.display())]
    Unknown {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What it says.
        name: String,
        /// What was probably meant.
        nearest: &'static str,
    },
    /// A key that was there before.
    #[error("{}:{line}: {name:?} is set a second time; it is also on line {first}", path.display())]
    Twice {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What.
        name: &'static str,
        /// Where before.
        first: u64,
    },
    /// A value that the setting can not have.
    #[error("{}:{line}: {name} can not be {text:?}: {why}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// The setting.
        name: &'static str,
        /// What it says.
        text: String,
        /// What is wrong.
        why: String,
    },
}

impl ConfigFile {
    /// Finds and reads the file; none where there is none. `named` is what the user named, which then must exist.
    ///
    /// # Errors
    /// See [`FileError`].
    pub(crate) fn find(
        named: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, FileError> {
        let from_env = env("DISTRIFS_CONFIG")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        if let Some(path) = named.map(Path::to_path_buf).or(from_env) {
            return Self::read(&path).map(Some);
        }
        let here = Path::new("config.yaml");
        if looks_like_ours(here) {
            return Self::read(here).map(Some);
        }
        let home = env("XDG_CONFIG_HOME")
            .filter(|path| path.starts_with('/'))
            .map(PathBuf::from)
            .or_else(|| env("HOME").map(|home| Path::new(&home).join(".config")));
        let places = home.into_iter().chain([PathBuf::from("/etc")]);
        for path in places.map(|place| place.join("distrifs/config.yaml")) {
            if path.is_file() {
                return Self::read(&path).map(Some);
            }
        }
        Ok(None)
    }

    fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// See [`FileError`].
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let path = path.to_path_buf();
        let raw = match serde_saphyr::from_str::<Option<RawFile>>(text) {
            Ok(raw) => raw.unwrap_or_default(),
            Err(error) => {
                let line = error.location().map_or(1, |location| location.line());
                let why = error.to_string();
                let why = why.lines().next().unwrap_or_default().to_owned();
                return Err(FileError::Yaml { path, line, why });
            }
        };
        let mut entries: Vec<FileEntry> = Vec::with_capacity(raw.0.len());
        for (name, text) in raw.0 {
            let line = name.referenced.line();
            let Some(setting) = TABLE.iter().find(|setting| setting.name == name.value) else {
                let nearest = nearest(&name.value);
                return Err(FileError::Unknown {
                    path,
                    line,
                    name: name.value,
                    nearest,
                });
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == setting.key) {
                let first = first.line;
                return Err(FileError::Twice {
                    path,
                    line,
                    name: setting.name,
                    first,
                });
            }
            match setting.kind.parse(&text.0) {
                Ok(value) => entries.push(FileEntry {
                    key: setting.key,
                    value,
                    line,
                }),
                Err(why) => {
                    let name = setting.name;
                    return Err(FileError::Value {
                        path,
                        line,
                        name,
                        text: text.0,
                        why,
                    });
                }
            }
        }
        Ok(Self { path, entries })
    }
}

/// The setting whose name is nearest to `name`.
fn nearest(name: &str) -> &'static str {
    let likeness = |setting: &&Setting| {
        let folded = name.to_ascii_lowercase().replace(['-', '.'], "_");
        [setting.name, setting.flag]
            .into_iter()
            .map(|known| strsim::jaro_winkler(&folded, known))
            .fold(0.0, f64::max)
    };
    TABLE
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .map_or("", |setting| setting.name)
}

/// Whether a `config.yaml` that nobody named has at least one line that sets one of our settings: it may as well be the
/// file of another program, in whose directory a command happens to run.
fn looks_like_ours(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| {
        text.lines().any(|line| {
            line.split_once(':')
                .is_some_and(|(name, _)| TABLE.iter().any(|setting| setting.name == name.trim_end()))
        })
    })
}

/// The mapping as it is written: names with their places, and texts.
#[derive(Default)]
struct RawFile(Vec<(Spanned<String>, Scalar)>);

impl<'de> Deserialize<'de> for RawFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = RawFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lines of the form `name: value`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFile, A::Error> {
                let mut pairs = Vec::new();
                while let Some(name) = map.next_key()? {
                    pairs.push((name, map.next_value()?));
                }
                Ok(RawFile(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A scalar as text; a list of scalars with commas between.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a list of them")
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar(truth.to_string()))
            }
            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar(String::new()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
                let mut items = Vec::new();
                while let Some(Scalar(item)) = seq.next_element()? {
                    if item.contains(',') {
                        return Err(A::Error::custom("an item of a list must not have a comma in it"));
                    }
                    items.push(item);
                }
                Ok(Scalar(items.join(",")))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, String> {
        ConfigFile::parse(Path::new("config.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_of_the_readme_is_read() {
        let file = parse(
            "# a cluster\nreplication_factor: 3\nhash_ring_size: 1024\nstorage_path: \"./data\"\nlog_level: \"INFO\"\n",
        )
        .unwrap();
        let found: Vec<_> = file.entries.iter().map(|entry| (entry.key, entry.line)).collect();
        assert_eq!(
            found,
            [
                (Key::ReplicationFactor, 2),
                (Key::HashRingSize, 3),
                (Key::StoragePath, 4),
                (Key::LogLevel, 5),
            ]
        );
        assert_eq!(file.entries[3].value, Value::Text("info".to_owned()));
    }

    #[test]
    fn values_may_be_numbers_texts_and_lists() {
        let file =
            parse("chunk_size: 1048576\nheartbeat_interval_s: 1.5\nmaster: [a:1, 'http://b:2']\n").unwrap();
        let values: Vec<_> = file.entries.into_iter().map(|entry| entry.value).collect();
        assert_eq!(
            values,
            [
                Value::Bytes(1 << 20),
                Value::Duration(Duration::from_millis(1500)),
                Value::List(vec!["a:1".to_owned(), "b:2".to_owned()]),
            ]
        );
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        assert!(parse("").unwrap().entries.is_empty());
        assert!(parse("# nothing\n").unwrap().entries.is_empty());
    }

    #[test]
    fn unknown_names_are_errors_with_the_nearest_one() {
        for (text, expected) in [
            (
                "log_level: info\nreplication: 3\n",
                "config.yaml:2: unknown setting \"replication\"; the nearest known one is \"replication_factor\"",
            ),
            (
                "chunksize: 1\n",
                "config.yaml:1: unknown setting \"chunksize\"; the nearest known one is \"chunk_size\"",
            ),
            (
                "HEARTBEAT_INTERVAL: 1\n",
                "config.yaml:1: unknown setting \"HEARTBEAT_INTERVAL\"; the nearest known one is \"heartbeat_interval_s\"",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn wrong_values_name_file_line_and_setting() {
        assert_eq!(
            parse("\nreplication_factor: many\n").unwrap_err(),
            "config.yaml:2: replication_factor can not be \"many\": expected a whole number from 1 to 512"
        );
        assert!(parse("chunk_size:\n").unwrap_err().contains("it is empty"));
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        for text in ["- a\n- b\n", "just words\n", "rack: {a: b}\n", "rack: [a\n"] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("config.yaml:"), "{error}");
        }
    }

    #[test]
    fn a_repeated_name_is_refused() {
        let error = parse("rack: /a\nchunk_size: 512\nrack: /b\n").unwrap_err();
        assert!(error.contains(":3:"), "{error}");
    }

    #[test]
    fn a_named_file_must_exist() {
        let missing = ConfigFile::find(Some(Path::new("/nonexistent/config.yaml")), &|_| None);
        assert!(matches!(missing, Err(FileError::Read { .. })));
        let by_env = ConfigFile::find(None, &|name| {
            (name == "DISTRIFS_CONFIG").then(|| "/nonexistent/other.yaml".to_owned())
        });
        assert!(
            by_env
                .unwrap_err()
                .to_string()
                .contains("/nonexistent/other.yaml")
        );
    }
}
