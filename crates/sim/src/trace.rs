//! What happened, in lines; their sum; and those around the first thing that went wrong.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

/// Lines that are kept.
const KEPT: usize = 4_000;
/// Of these, lines after something was found: what came before tells why, and the end of a run can be long.
const KEPT_AFTER: usize = 400;

/// A sum of what happened, for which eight bytes cost no more than one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum(u64);

impl Sum {
    pub(crate) const NONE: Self = Self(0xcbf2_9ce4_8422_2325);

    pub(crate) const fn and(self, word: u64) -> Self {
        let mixed = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(mixed ^ (mixed >> 32))
    }

    /// With bytes, and how many there are.
    pub(crate) fn of(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let sum = words
            .iter()
            .fold(self, |sum, word| sum.and(u64::from_le_bytes(*word)));
        let sum = rest.iter().fold(sum, |sum, byte| sum.and(u64::from(*byte)));
        sum.and(bytes.len() as u64)
    }

    pub(crate) const fn value(self) -> u64 {
        self.0
    }
}

/// Where lines go. Clones are the same trace.
#[derive(Clone)]
pub(crate) struct Trace(Rc<Inner>);

struct Inner {
    now: Cell<Duration>,
    sum: Cell<u64>,
    lines: Cell<u64>,
    last: RefCell<VecDeque<String>>,
    /// How many more are kept, when something was found.
    left: Cell<Option<usize>>,
    out: RefCell<Option<Box<dyn Write>>>,
}

impl Trace {
    /// Writes every line to `out`, too, if there is one.
    pub(crate) fn new(out: Option<Box<dyn Write>>) -> Self {
        Self(Rc::new(Inner {
            now: Cell::default(),
            sum: Cell::new(Sum::NONE.value()),
            lines: Cell::default(),
            last: RefCell::default(),
            left: Cell::default(),
            out: RefCell::new(out),
        }))
    }

    pub(crate) fn at(&self, now: Duration) {
        self.0.now.set(now);
    }

    /// One more line that is only for the whole trace. What `counts` for the sum is the same as what the text says.
    pub(crate) fn note(&self, counts: &[u64], text: std::fmt::Arguments<'_>) {
        let time = u64::try_from(self.0.now.get().as_nanos()).unwrap_or(u64::MAX);
        let sum = counts
            .iter()
            .fold(Sum(self.0.sum.get()).and(time), |sum, count| sum.and(*count));
        self.count(sum);
        if self.0.out.borrow().is_some() {
            self.write(&self.with_time(text));
        }
    }

    /// Something that people want to know.
    pub(crate) fn tell(&self, text: impl std::fmt::Display) {
        let line = self.with_time(format_args!("{text}"));
        self.count(Sum(self.0.sum.get()).of(line.as_bytes()));
        self.write(&line);
        if self.0.left.get() != Some(0) {
            self.0.left.set(self.0.left.get().map(|left| left - 1));
            let mut last = self.0.last.borrow_mut();
            if last.len() == KEPT {
                last.pop_front();
            }
            last.push_back(line);
        }
    }

    fn with_time(&self, text: std::fmt::Arguments<'_>) -> String {
        format!("{:10.3} {text}\n", self.0.now.get().as_secs_f64())
    }

    fn count(&self, sum: Sum) {
        self.0.sum.set(sum.0);
        self.0.lines.set(self.0.lines.get() + 1);
    }

    fn write(&self, line: &str) {
        if let Some(out) = &mut *self.0.out.borrow_mut() {
            // A trace that can not be written is missed soon enough.
            let _ = out.write_all(line.as_bytes());
        }
    }

    /// Something is wrong: what was told until now stays, and little is kept of what follows.
    pub(crate) fn found(&self) {
        if self.0.left.get().is_none() {
            self.0.left.set(Some(KEPT_AFTER));
        }
    }

    /// The sum of all lines, and how many there were.
    pub(crate) fn sum(&self) -> (u64, u64) {
        (self.0.sum.get(), self.0.lines.get())
    }

    /// The last lines that people want to know: of the run, or around what was found first.
    pub(crate) fn last(&self) -> Vec<String> {
        self.0.last.borrow().iter().cloned().collect()
    }

    pub(crate) fn flush(&self) {
        if let Some(out) = &mut *self.0.out.borrow_mut() {
            let _ = out.flush();
        }
    }
}
