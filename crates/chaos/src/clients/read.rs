//! Those who read: whatever they see must be possible at that moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Error, FileSystem};
use fastrand::Rng;

use super::bounded;
use super::change::path_of;
use crate::field::Field;
use crate::model::{Name, Seen, judge};
use crate::options::Profile;
use crate::tally::{Operation, Outcome};

/// Between two reads, at most.
const PAUSE_MS: u64 = 60;
/// The end of a file, as somebody sees it who follows it.
const TAIL: u64 = 256 << 10;

pub(super) struct Reader {
    field: Arc<Field>,
    fs: FileSystem,
    number: usize,
    random: Rng,
}

/// What came of a look at a file.
pub(crate) struct Look {
    /// What was seen; none: nothing that says anything.
    pub seen: Option<Seen>,
    /// Why it broke off.
    pub error: Option<Error>,
}

impl Reader {
    pub(super) fn new(field: Arc<Field>, fs: FileSystem, number: usize) -> Self {
        let seed = field
            .options
            .seed
            .wrapping_mul(1000)
            .wrapping_add(500 + number as u64);
        Self {
            field,
            fs,
            number,
            random: Rng::with_seed(seed),
        }
    }

    pub(super) async fn run(mut self) {
        let field = Arc::clone(&self.field);
        let who = format!("reader {}", self.number);
        while !field.stopped() {
            bounded(&field, &who, self.step(&who)).await;
            let pause = self.random.u64(..PAUSE_MS);
            field.pause(Duration::from_millis(pause)).await;
        }
    }

    async fn step(&mut self, who: &str) {
        let (name, read) = {
            let mut model = self.field.model();
            let count = model.paths().count();
            let chosen = self.random.usize(..count.max(1));
            let Some(name) = model.paths().nth(chosen).cloned() else {
                return;
            };
            let read = model.read(&name);
            (name, read)
        };
        let begun = Instant::now();
        let part = match self.field.options.profile {
            _ if self.random.bool() => Part::All,
            Profile::Files => Part::Some(self.random.u64(..=1000), self.random.u64(1..500_000)),
            Profile::Flush => Part::Tail,
        };
        let look = look(&self.fs, &name, part).await;
        let possible = self.field.model().was_read(read);
        let operation = if part == Part::All {
            Operation::Read
        } else {
            Operation::ReadPart
        };
        if let Some(error) = &look.error {
            self.field.event(&format!("{} {name}: {error}", operation.name()));
        }
        let outcome = match (&look.seen, &look.error) {
            (Some(_), None) => Outcome::Done,
            _ => Outcome::Unknown,
        };
        self.field.ended(operation, outcome, begun);
        let Some(seen) = &look.seen else { return };
        if !self.field.judged(&name, who, judge(&possible, seen)) {
            return;
        }
        if let Seen::Bytes { len, bytes, .. } = seen {
            self.field.tally().verified += bytes.len() as u64;
            if self.field.options.profile == Profile::Flush && look.error.is_none() {
                // Whoever looks later sees as much.
                self.field.model().sure(&name, *len);
            }
        }
    }
}

/// Which part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// From so many thousandths of it on, so many bytes.
    Some(u64, u64),
    Tail,
}

/// Looks at a file.
pub(crate) async fn look(fs: &FileSystem, name: &Name, part: Part) -> Look {
    let reader = match fs.open(&path_of(name)).await {
        Ok(reader) => reader,
        Err(Error::NotFound(_)) => {
            return Look {
                seen: Some(Seen::Absent),
                error: None,
            };
        }
        Err(error) => {
            return Look {
                seen: None,
                error: Some(error),
            };
        }
    };
    let len = reader.len();
    let range = match part {
        Part::All => 0..len,
        Part::Some(thousandths, count) => {
            let from = len * thousandths / 1000;
            from..len.min(from + count)
        }
        Part::Tail => len.saturating_sub(TAIL)..len,
    };
    let offset = range.start;
    let mut bytes = Vec::new();
    let mut stream = reader.stream(range.clone());
    let mut error = None;
    while let Some(part) = stream.next().await {
        match part {
            Ok(part) => bytes.extend_from_slice(&part),
            Err(why) => {
                error = Some(why);
                break;
            }
        }
    }
    let expected = range.end.saturating_sub(range.start);
    let short = error.is_none() && (bytes.len() as u64) < expected;
    // What ends early without a word is a shorter file.
    let len = if short { offset + bytes.len() as u64 } else { len };
    let seen = Seen::Bytes { len, offset, bytes };
    Look {
        seen: Some(seen),
        error,
    }
}
