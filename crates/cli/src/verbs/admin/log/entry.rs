//! A record of the log in words.

use namespace::Entry;
use serde_json::{Value, json};
use wal::Record;

use crate::offline::{OP_BLANK, OP_MEMBERSHIP};
use crate::output::iso_time;

/// What a record says.
#[derive(Debug)]
pub(crate) enum Said {
    /// A new leader's first record.
    Blank,
    /// Who belongs to the group from here on.
    Membership { bytes: usize },
    /// A command.
    Entry(Box<Entry>),
    /// What this program does not know.
    Unknown(String),
}

impl Said {
    pub(crate) fn of(record: &Record<'_>) -> Self {
        match record.op {
            OP_BLANK => Self::Blank,
            OP_MEMBERSHIP => Self::Membership {
                bytes: record.payload.len(),
            },
            op => match Entry::decode(op, record.payload) {
                Ok(entry) => Self::Entry(Box::new(entry)),
                Err(error) => Self::Unknown(error.to_string()),
            },
        }
    }

    /// The name of the operation, and the rest of it.
    fn name_and_rest(&self) -> (String, String) {
        match self {
            Self::Blank => ("Blank".to_owned(), String::new()),
            Self::Membership { bytes } => ("Membership".to_owned(), format!("{bytes} bytes")),
            Self::Entry(entry) => {
                let text = format!("{:?}", entry.command);
                let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
                let (name, rest) = text.split_at(end);
                (name.to_owned(), rest.trim_start().to_owned())
            }
            Self::Unknown(why) => ("Unknown".to_owned(), why.clone()),
        }
    }
}

/// One line: index, term, when, who, operation and what it is about.
pub(crate) fn text(record: &Record<'_>, said: &Said) -> String {
    let (name, rest) = said.name_and_rest();
    let (at, who) = match said {
        Said::Entry(entry) => {
            let by = if entry.caller.superuser { "*" } else { "" };
            (
                iso_time(entry.at.as_u64()),
                format!("{}{by}", entry.caller.user.escape_debug()),
            )
        }
        _ => ("-".to_owned(), "-".to_owned()),
    };
    let line = format!("{} {} {at} {who} {name} {rest}", record.index, record.term);
    line.trim_end().to_owned()
}

/// The same for programs.
pub(crate) fn to_json(record: &Record<'_>, said: &Said) -> Value {
    let (name, rest) = said.name_and_rest();
    let mut line = json!({
        "index": record.index,
        "term": record.term.as_u64(),
        "op": record.op,
        "name": name,
        "bytes": record.payload.len(),
    });
    let Some(fields) = line.as_object_mut() else {
        return line;
    };
    match said {
        Said::Entry(entry) => {
            let command = serde_json::to_value(&entry.command).unwrap_or_else(|_| Value::from(rest));
            // `{"Mkdir": {…}}`: the name is told already.
            let arguments = match command {
                Value::Object(map) if map.len() == 1 => map.into_iter().next().map(|(_, value)| value),
                Value::String(_) | Value::Null => None,
                other => Some(other),
            };
            fields.extend([
                ("at_ms".to_owned(), entry.at.as_u64().into()),
                ("user".to_owned(), entry.caller.user.clone().into()),
                ("superuser".to_owned(), entry.caller.superuser.into()),
                (
                    "client".to_owned(),
                    entry.request.map(|request| request.client.to_string()).into(),
                ),
                (
                    "call".to_owned(),
                    entry.request.map(|request| request.call.0).into(),
                ),
                ("command".to_owned(), arguments.unwrap_or_else(|| json!({}))),
            ]);
        }
        Said::Unknown(why) => {
            fields.insert("error".to_owned(), why.clone().into());
        }
        Said::Blank | Said::Membership { .. } => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use namespace::Command;
    use types::{CallId, Caller, ClientId, FsPath, RequestId, Term, UnixMillis};

    use super::*;

    fn entry(command: Command) -> Entry {
        Entry {
            at: UnixMillis(1_000),
            caller: Caller {
                user: "ann".into(),
                groups: Vec::new(),
                superuser: false,
            },
            request: Some(RequestId {
                client: ClientId(u128::MAX - 1),
                call: CallId(3),
            }),
            command,
        }
    }

    #[test]
    fn a_command_is_told_in_words_and_to_programs() {
        let command = Command::Mkdir {
            path: FsPath::parse("/a b").unwrap(),
            mode: 0o755,
            parents: true,
        };
        let mut payload = Vec::new();
        entry(command.clone()).encode(&mut payload);
        let record = Record {
            index: 12,
            term: Term(3),
            op: command.op_code(),
            payload: &payload,
        };
        let said = Said::of(&record);
        let line = text(&record, &said);
        assert!(
            line.starts_with("12 3 1970-01-01T00:00:01.000Z ann Mkdir {"),
            "{line}"
        );
        assert!(line.contains("/a b"), "{line}");
        let json = to_json(&record, &said);
        assert_eq!(
            (&json["name"], &json["command"]["path"]),
            (&"Mkdir".into(), &"/a b".into())
        );
        assert_eq!(json["client"], "fffffffffffffffffffffffffffffffe");
    }

    #[test]
    fn a_command_without_arguments_and_records_that_are_none() {
        let mut payload = Vec::new();
        entry(Command::RenewLease).encode(&mut payload);
        let record = Record {
            index: 1,
            term: Term(1),
            op: Command::RenewLease.op_code(),
            payload: &payload,
        };
        let json = to_json(&record, &Said::of(&record));
        assert_eq!(
            (&json["name"], &json["command"]),
            (&"RenewLease".into(), &serde_json::json!({}))
        );
        for (op, payload, name) in [
            (0, &b""[..], "Blank"),
            (255, b"us", "Membership"),
            (77, b"?", "Unknown"),
        ] {
            let record = Record {
                op,
                payload,
                ..record
            };
            let said = Said::of(&record);
            assert_eq!(to_json(&record, &said)["name"], name);
            assert!(
                text(&record, &said).starts_with(&format!("1 1 - - {name}")),
                "{}",
                text(&record, &said)
            );
        }
    }
}
