//! Whether what a reader saw can be explained.

use super::State;

/// What a reader saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// That there is nothing.
    Absent,
    /// A file of this length, and these bytes of it, from an offset on.
    Bytes {
        /// The length of the file.
        len: u64,
        /// Where the bytes begin.
        offset: u64,
        /// The bytes: all that were asked for, or those that came before the read broke off.
        bytes: Vec<u8>,
    },
}

/// What that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Something possible explains it.
    Fits,
    /// Acknowledged bytes, or a whole file, are missing.
    Lost(String),
    /// A byte is not the one that was written.
    Corrupted(String),
    /// An acknowledged change is not in force any more.
    Undone(String),
}

/// Judges what was seen by what may be seen.
#[must_use]
pub fn judge(possible: &[State], seen: &Seen) -> Verdict {
    match seen {
        Seen::Absent if possible.contains(&State::Absent) => Verdict::Fits,
        Seen::Absent => Verdict::Lost("the file is not there".to_owned()),
        Seen::Bytes { len, offset, bytes } => bytes_seen(possible, *len, *offset, bytes),
    }
}

fn bytes_seen(possible: &[State], len: u64, offset: u64, bytes: &[u8]) -> Verdict {
    let mut short = None;
    let mut wrong: Option<u64> = None;
    let mut any = false;
    for state in possible {
        let State::File(file) = state else { continue };
        any = true;
        // The length is part of it: bytes behind the end differ.
        let differs = file.content.difference(offset, bytes);
        match differs {
            None if (file.least()..=file.content.len()).contains(&len) => return Verdict::Fits,
            None if len < file.least() => short = Some(file.least()),
            None => wrong = wrong.max(Some(file.content.len())),
            Some(at) => wrong = wrong.max(Some(at)),
        }
    }
    match (any, short, wrong) {
        (false, ..) => Verdict::Undone(format!("there is a file of {len} bytes, and it was removed")),
        (_, Some(sure), _) => Verdict::Lost(format!("it has {len} bytes, and {sure} were acknowledged")),
        (_, _, at) => Verdict::Corrupted(format!(
            "wrong from byte {} on; {len} bytes long, {} bytes read at {offset}; possible: {}",
            at.unwrap_or(offset),
            bytes.len(),
            told(possible)
        )),
    }
}

/// What was possible, in a line.
#[must_use]
pub fn told(possible: &[State]) -> String {
    let one = |state: &State| match state {
        State::Absent => "nothing".to_owned(),
        State::File(file) if state.is_fixed() => format!("{} bytes", file.sure),
        State::File(file) => format!("{} to {} bytes", file.least(), file.content.len()),
    };
    possible.iter().map(one).collect::<Vec<_>>().join(" or ")
}
