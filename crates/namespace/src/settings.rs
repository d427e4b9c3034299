//! The settings of the cluster that operators change while it runs. They are a part of the state, so that every leader
//! works by the same.
//!
//! Only what was chosen is kept, as text: a default may be another one in a later version. A text is checked when it is
//! chosen, so that what is kept can always be read.

use std::collections::BTreeMap;

use imbl::OrdMap;
use types::ByteSize;

use crate::{Namespace, NamespaceError};

/// All of them, as they are in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// `repair.streams_per_node`: replicas that one datanode may send, and may receive, at once for repair.
    pub repair_streams_per_node: u32,
    /// `repair.bandwidth`: bytes per second that all datanodes together may send for repair; 0: no limit.
    pub repair_bandwidth: u64,
    /// `repair.bandwidth_per_node`: bytes per second that one datanode may send for repair; 0: no limit.
    pub repair_bandwidth_per_node: u64,
    /// `repair.streams`: replicas that are copied at once for repair in the whole cluster.
    pub repair_streams: u32,
    /// `repair.settle_ms`: how long a chunk has to be short of replicas before it is repaired, in milliseconds. One that
    /// has its last replica does not wait.
    pub repair_settle_ms: u64,
    /// `balance.bandwidth_per_node`: bytes per second that one datanode may send for the balancer; 0: no limit.
    pub balance_bandwidth_per_node: u64,
    /// `balance.run`: whether chunks are moved until all datanodes are about equally full. It is switched off when they are.
    pub balance_run: bool,
    /// `balance.threshold`: how far the used share of a datanode may be from that of the cluster, from 0 to 1.
    pub balance_threshold: f64,
}

/// One of them, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// What it is now.
    pub value: String,
    /// What it is by default.
    pub default: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// What a value can be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A number from 1 on.
    Count { max: u64 },
    /// A time in milliseconds.
    Millis { max: u64 },
    /// Bytes per second, with or without a unit; 0: no limit.
    Rate,
    /// `on` or `off`.
    Switch,
    /// A share.
    Share { min: f64, max: f64 },
}

struct Known {
    key: &'static str,
    kind: Kind,
    default: &'static str,
    what: &'static str,
}

const REPAIR_STREAMS_PER_NODE: &str = "repair.streams_per_node";
const REPAIR_BANDWIDTH: &str = "repair.bandwidth";
const REPAIR_BANDWIDTH_PER_NODE: &str = "repair.bandwidth_per_node";
const REPAIR_STREAMS: &str = "repair.streams";
const REPAIR_SETTLE_MS: &str = "repair.settle_ms";
const BALANCE_BANDWIDTH_PER_NODE: &str = "balance.bandwidth_per_node";
const BALANCE_RUN: &str = "balance.run";
const BALANCE_THRESHOLD: &str = "balance.threshold";

/// In the order of their names.
const KNOWN: [Known; 8] = [
    Known {
        key: BALANCE_BANDWIDTH_PER_NODE,
        kind: Kind::Rate,
        default: "10485760",
        what: "bytes per second that one datanode may send for the balancer; 0: no limit",
    },
    Known {
        key: BALANCE_RUN,
        kind: Kind::Switch,
        default: "off",
        what: "whether chunks are moved until all datanodes are about equally full; it goes off by itself then",
    },
    Known {
        key: BALANCE_THRESHOLD,
        kind: Kind::Share { min: 0.001, max: 1.0 },
        default: "0.05",
        what: "how far the used share of a datanode may be from that of the cluster",
    },
    Known {
        key: REPAIR_BANDWIDTH,
        kind: Kind::Rate,
        default: "0",
        what: "bytes per second that all datanodes together may send for repair; four times as much for what is urgent; 0: no \
               limit",
    },
    Known {
        key: REPAIR_BANDWIDTH_PER_NODE,
        kind: Kind::Rate,
        default: "0",
        what: "bytes per second that one datanode may send for repair; four times as much for what is urgent; 0: no limit",
    },
    Known {
        key: REPAIR_SETTLE_MS,
        kind: Kind::Millis { max: 86_400_000 },
        default: "15000",
        what: "milliseconds that a chunk has to be short of replicas before it is repaired; a last replica does not wait",
    },
    Known {
        key: REPAIR_STREAMS,
        kind: Kind::Count { max: 10_000 },
        default: "64",
        what: "replicas that are copied at once for repair in the whole cluster",
    },
    Known {
        key: REPAIR_STREAMS_PER_NODE,
        kind: Kind::Count { max: 1_000 },
        default: "2",
        what: "replicas that one datanode may send, and receive, at once for repair",
    },
];

impl Kind {
    /// The one way to write a value.
    ///
    /// # Errors
    /// What it has to be instead.
    fn canonical(self, text: &str) -> Result<String, String> {
        let number = text.parse::<u64>().ok();
        match self {
            Self::Count { max } => match number.filter(|number| (1..=max).contains(number)) {
                Some(number) => Ok(number.to_string()),
                None => Err(format!("{text:?} is not a number from 1 to {max}")),
            },
            Self::Millis { max } => match number.filter(|number| *number <= max) {
                Some(number) => Ok(number.to_string()),
                None => Err(format!("{text:?} is not a number of milliseconds up to {max}")),
            },
            Self::Rate => match text.parse::<ByteSize>() {
                Ok(ByteSize(bytes)) => Ok(bytes.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Self::Switch => match text {
                "on" | "off" => Ok(text.to_owned()),
                _ => Err(format!("{text:?} is neither on nor off")),
            },
            Self::Share { min, max } => {
                let share = text.parse::<f64>().ok();
                match share.filter(|share| (min..=max).contains(share)) {
                    Some(share) => Ok(share.to_string()),
                    None => Err(format!(
                        "{text:?} is not a share from {min} to {max}, such as 0.05"
                    )),
                }
            }
        }
    }
}

/// What operators have chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chosen(OrdMap<&'static str, String>);

impl Chosen {
    /// Chooses a value; an empty one takes the choice back.
    ///
    /// # Errors
    /// When there is no such setting, or it can not have this value.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), NamespaceError> {
        let refused = |why: String| NamespaceError::Setting {
            key: key.to_owned(),
            why,
        };
        let Some(known) = KNOWN.iter().find(|known| known.key == key) else {
            let keys: Vec<_> = KNOWN.iter().map(|known| known.key).collect();
            let why = format!("there is no such setting; there are {}", keys.join(", "));
            return Err(refused(why));
        };
        if value.is_empty() {
            self.0.remove(known.key);
        } else {
            let value = known.kind.canonical(value).map_err(refused)?;
            self.0.insert(known.key, value);
        }
        Ok(())
    }

    fn text(&self, known: &Known) -> &str {
        self.0.get(known.key).map_or(known.default, String::as_str)
    }

    fn value<T: std::str::FromStr + Default>(&self, key: &str) -> T {
        let known = KNOWN.iter().find(|known| known.key == key);
        // What is kept was checked, and so are the defaults, by a test.
        known
            .and_then(|known| self.text(known).parse().ok())
            .unwrap_or_default()
    }

    /// What is to be saved.
    pub(crate) fn saved(&self) -> BTreeMap<String, String> {
        let chosen = self.0.iter();
        chosen
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    }

    /// What was saved.
    ///
    /// # Errors
    /// When it can not have been, or not by this version.
    pub(crate) fn loaded(saved: &BTreeMap<String, String>) -> Result<Self, NamespaceError> {
        let mut chosen = Self::default();
        for (key, value) in saved {
            chosen.set(key, value)?;
            if chosen.0.get(key.as_str()) != Some(value) {
                return Err(NamespaceError::Setting {
                    key: key.clone(),
                    why: format!("{value:?} is not how it is written"),
                });
            }
        }
        Ok(chosen)
    }
}

fn known_text<'a>(chosen: &'a Chosen, key: &str) -> Option<&'a str> {
    let known = KNOWN.iter().find(|known| known.key == key)?;
    Some(chosen.text(known))
}

impl Namespace {
    /// The settings of the cluster, as they are in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let chosen = &self.settings;
        Settings {
            repair_streams_per_node: chosen.value(REPAIR_STREAMS_PER_NODE),
            repair_bandwidth: chosen.value(REPAIR_BANDWIDTH),
            repair_bandwidth_per_node: chosen.value(REPAIR_BANDWIDTH_PER_NODE),
            repair_streams: chosen.value(REPAIR_STREAMS),
            repair_settle_ms: chosen.value(REPAIR_SETTLE_MS),
            balance_bandwidth_per_node: chosen.value(BALANCE_BANDWIDTH_PER_NODE),
            balance_run: known_text(chosen, BALANCE_RUN) == Some("on"),
            balance_threshold: chosen.value(BALANCE_THRESHOLD),
        }
    }

    /// The same as texts, in the order of their names.
    pub fn setting_texts(&self) -> impl Iterator<Item = Setting> + '_ {
        KNOWN.iter().map(|known| Setting {
            key: known.key,
            value: self.settings.text(known).to_owned(),
            default: known.default,
            what: known.what,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;
    use crate::testing::{Fs, denied};

    fn set(fs: &mut Fs, user: &str, key: &str, value: &str) -> Result<(), NamespaceError> {
        let (key, value) = (key.to_owned(), value.to_owned());
        fs.by(user).run(Command::SetSetting { key, value }).map(|_| ())
    }

    #[test]
    fn defaults_can_be_read_and_are_written_as_they_are_kept() {
        for known in &KNOWN {
            assert_eq!(known.kind.canonical(known.default).as_deref(), Ok(known.default));
        }
        assert!(KNOWN.is_sorted_by_key(|known| known.key));
        let expected = Settings {
            repair_streams_per_node: 2,
            repair_bandwidth: 0,
            repair_bandwidth_per_node: 0,
            repair_streams: 64,
            repair_settle_ms: 15_000,
            balance_bandwidth_per_node: 10 << 20,
            balance_run: false,
            balance_threshold: 0.05,
        };
        assert_eq!(Namespace::new().settings(), expected);
    }

    #[test]
    fn what_is_chosen_is_in_force_until_it_is_taken_back() {
        let mut fs = Fs::new();
        set(&mut fs, "root", "repair.bandwidth_per_node", "50 MiB").unwrap();
        set(&mut fs, "root", "balance.threshold", "0.20").unwrap();
        set(&mut fs, "root", "repair.streams", "007").unwrap();
        let settings = fs.ns.settings();
        assert_eq!(settings.repair_bandwidth_per_node, 50 << 20);
        assert_eq!((settings.balance_threshold, settings.repair_streams), (0.2, 7));
        let texts: Vec<_> = fs.ns.setting_texts().map(|setting| setting.value).collect();
        assert_eq!(
            texts,
            ["10485760", "off", "0.2", "0", "52428800", "15000", "7", "2"]
        );
        set(&mut fs, "root", "balance.run", "on").unwrap();
        assert!(fs.ns.settings().balance_run);
        set(&mut fs, "root", "balance.run", "off").unwrap();
        assert!(!fs.ns.settings().balance_run);
        set(&mut fs, "root", "repair.bandwidth_per_node", "").unwrap();
        assert_eq!(fs.ns.settings().repair_bandwidth_per_node, 0);
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let mut fs = Fs::new();
        for (key, value, told) in [
            ("repair.stream", "1", "there are balance.bandwidth_per_node"),
            ("repair.streams", "0", "from 1 to 10000"),
            ("repair.streams", "many", "from 1 to 10000"),
            ("repair.settle_ms", "86400001", "up to 86400000"),
            ("repair.bandwidth_per_node", "fast", "not a size"),
            ("balance.run", "yes", "neither on nor off"),
            ("balance.threshold", "5", "not a share"),
            ("balance.threshold", "NaN", "not a share"),
            ("balance.threshold", "0", "not a share"),
        ] {
            let refused = set(&mut fs, "root", key, value).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("setting {key}: ")), "{refused}");
            assert!(refused.contains(told), "{refused}");
        }
        let refusal = Err(denied("/", "ann", "superuser privilege"));
        assert_eq!(set(&mut fs, "ann", "repair.streams", "1"), refusal);
    }

    #[test]
    fn only_what_can_have_been_saved_is_loaded() {
        let saved = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let good = saved("repair.streams", "7");
        assert_eq!(Chosen::loaded(&good).unwrap().saved(), good);
        for (key, value) in [
            ("repair.streams", "07"),
            ("repair.streams", ""),
            ("of the future", "1"),
        ] {
            assert!(Chosen::loaded(&saved(key, value)).is_err(), "{key} {value}");
        }
    }
}
