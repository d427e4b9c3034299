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
            sum: Cell::new(0xcbf2_9ce4_8422_2325),
            lines: Cell::default(),
            last: RefCell::default(),
            left: Cell::default(),
            out: RefCell::new(out),
        }))
    }

    pub(crate) fn at(&self, now: Duration) {
        self.0.now.set(now);
    }

    /// One more line. It counts for the sum; kept for people are only those that are `told`.
    pub(crate) fn line(&self, told: bool, text: std::fmt::Arguments<'_>) {
        let line = format!("{:10.3} {text}\n", self.0.now.get().as_secs_f64());
        let sum = line.bytes().fold(self.0.sum.get(), |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.0.sum.set(sum);
        self.0.lines.set(self.0.lines.get() + 1);
        if let Some(out) = &mut *self.0.out.borrow_mut() {
            // A trace that can not be written is missed soon enough.
            let _ = out.write_all(line.as_bytes());
        }
        if told && self.0.left.get() != Some(0) {
            self.0.left.set(self.0.left.get().map(|left| left - 1));
            let mut last = self.0.last.borrow_mut();
            if last.len() == KEPT {
                last.pop_front();
            }
            last.push_back(line);
        }
    }

    /// Something that people want to know.
    pub(crate) fn tell(&self, text: impl std::fmt::Display) {
        self.line(true, format_args!("{text}"));
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
