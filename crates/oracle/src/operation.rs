//! Operations as clients record them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name, by its number in a [`History`](crate::History).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(pub u32);

/// Whether something is a file or a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A file.
    File,
    /// A directory, always empty here.
    Directory,
}

/// What is under a name, as far as operations can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// File or directory.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Any number that a client has set; 0 for one that none has. It makes each write tell from every other.
    pub mark: u64,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Call {
    /// Makes a file or directory where nothing is.
    Create {
        /// Where.
        name: Name,
        /// What.
        entry: Entry,
    },
    /// Removes what is there.
    Delete {
        /// Where.
        name: Name,
    },
    /// Gives something another name.
    Rename {
        /// The old name.
        from: Name,
        /// The new name, another one.
        to: Name,
        /// Whether what has the new name goes, if it is of the same kind.
        replace: bool,
    },
    /// Sets the permission bits.
    SetMode {
        /// Where.
        name: Name,
        /// The new bits.
        mode: u16,
    },
    /// Sets the mark.
    SetMark {
        /// Where.
        name: Name,
        /// The new mark.
        mark: u64,
    },
    /// Looks.
    Stat {
        /// Where.
        name: Name,
    },
}

impl Call {
    /// The name that it is about, and the second one of a rename.
    #[must_use]
    pub const fn names(&self) -> (Name, Option<Name>) {
        match *self {
            Self::Create { name, .. }
            | Self::Delete { name }
            | Self::SetMode { name, .. }
            | Self::SetMark { name, .. }
            | Self::Stat { name } => (name, None),
            Self::Rename { from, to, .. } => (from, Some(to)),
        }
    }

    /// Whether it is about `name`.
    pub(crate) fn touches(&self, name: Name) -> bool {
        let (first, second) = self.names();
        first == name || second == Some(name)
    }
}

/// What a client was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The change was made.
    Done,
    /// There is something already.
    Exists,
    /// There is nothing.
    NotFound,
    /// There is this.
    Found(Entry),
    /// Refused for a reason of which nothing is modelled, and without effect: always right.
    Refused,
}

/// The end of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When it came, in nanoseconds on a clock that all processes share.
    pub at: u64,
    /// What it was.
    pub outcome: Outcome,
}

/// One operation of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who called. Only for the reader: one process may have several operations open.
    pub process: u32,
    /// What was asked for.
    pub call: Call,
    /// When, in nanoseconds.
    pub called: u64,
    /// The answer; none when none came, or one that does not tell whether the change was made.
    pub answer: Option<Answer>,
}

impl Operation {
    /// An operation that was answered.
    #[must_use]
    pub const fn answered(process: u32, called: u64, call: Call, at: u64, outcome: Outcome) -> Self {
        Self {
            process,
            call,
            called,
            answer: Some(Answer { at, outcome }),
        }
    }

    /// An operation that was not.
    #[must_use]
    pub const fn unanswered(process: u32, called: u64, call: Call) -> Self {
        Self {
            process,
            call,
            called,
            answer: None,
        }
    }

    /// Whether it says anything: a refusal and a look without an answer do not.
    pub(crate) fn tells(&self) -> bool {
        match self.answer {
            Some(answer) => answer.outcome != Outcome::Refused,
            None => !matches!(self.call, Call::Stat { .. }),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::File => "file",
            Kind::Directory => "directory",
        };
        write!(f, "{kind} {:04o}", self.mode)?;
        match self.mark {
            0 => Ok(()),
            mark => write!(f, " mark {mark}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Exists => f.write_str("exists"),
            Self::NotFound => f.write_str("not found"),
            Self::Found(entry) => write!(f, "found {entry}"),
            Self::Refused => f.write_str("refused"),
        }
    }
}
