//! Says whether a recorded history of metadata operations is linearizable.
//!
//! A history is what clients saw: who called what, when, and what was answered, when. It is linearizable when all
//! operations can be put into one order that keeps to real time (an operation that was answered before another was called
//! comes first) and in which each answer is the one that a namespace without any concurrency gives ([`Namespace`]). An
//! operation without an answer may take effect at any time after its call, or never.
//!
//! ```
//! use oracle::{Call, Effort, Entry, History, Kind, Operation, Outcome};
//!
//! let mut history = History::default();
//! let name = history.name("/a");
//! let made = Entry { kind: Kind::Directory, mode: 0o755, mark: 0 };
//! history.push(Operation::answered(1, 10, Call::Create { name, entry: made }, 20, Outcome::Done));
//! // Called after the directory was made for sure: it must be there.
//! history.push(Operation::answered(2, 30, Call::Stat { name }, 40, Outcome::NotFound));
//! assert!(history.check(Effort::default()).violation().is_some());
//! ```
//!
//! # Method
//! - Names that no rename connects do not touch each other: a history is checked component by component (P-compositional;
//!   Herlihy and Wing's locality).
//! - Each component is searched by just-in-time linearization (Wing and Gong, with Lowe's memory of what was seen): at each
//!   answer, the set of *configurations*, namespace and operations still open, is carried on to all those in which the
//!   answered operation has happened. An operation that changes nothing is taken as soon as its answer is right, which never
//!   loses an order; operations that share no name, also not through others, are left for later.
//! - When no configuration is left, there is no such order. What is shown then begins at the last moment at which nothing
//!   was under way, and leaves out whatever can be left out without making the rest explainable.
//!
//! # Guarantees
//! - A violation is one: nothing that is left out of it could explain it.
//! - Never a guess: where the search would take more than [`Effort`], the answer is "not decided".
//! - Pure: no clock, no input or output.

mod check;
mod component;
mod history;
mod operation;
mod search;
mod shrink;
mod spec;
mod violation;

pub use check::{Effort, Verdict};
pub use history::History;
pub use operation::{Answer, Call, Entry, Kind, Name, Operation, Outcome};
pub use spec::Namespace;
pub use violation::Violation;
