//! The namespace as what the group agrees for, and its publication to everybody who asks.
//!
//! Commands are applied to a working copy that only the group touches. After each batch for which somebody waits, the state
//! is published: a pointer is exchanged, and pages are shared with the working copy until that changes them. So a reader never
//! waits for a writer, nor a writer for a reader, and what a reader holds stands still for as long as it likes.
//!
//! What is published is copied when it changes. Nobody waits for what a standby applies, and few look at it: it publishes when
//! somebody does, who may wait for the end of a batch then, and else after so many commands.
//!
//! Guarantee: a reader sees all that was applied before it asked. An outcome is answered only after the state that has it is
//! published.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use consensus::{Image, LogCommand, RestoreError, StateMachine};
use namespace::{Command, DecodeError, Entry, Namespace, NamespaceError, Outcome};
use types::{ChunkId, UnixMillis};

/// After so many commands the state is published, whether somebody wants to see it or not: the last one that was is kept beside
/// all that has changed since.
const UNPUBLISHED_MAX: usize = 4_096;

/// One record of the log.
pub(crate) struct Logged(pub(crate) Entry);

impl LogCommand for Logged {
    type DecodeError = DecodeError;

    fn op_code(&self) -> u8 {
        self.0.command.op_code()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(op: u8, payload: &[u8]) -> Result<Self, DecodeError> {
        Entry::decode(op, payload).map(Self)
    }
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Machine {
    working: Mutex<Namespace>,
    published: ArcSwap<Namespace>,
    /// How many commands were applied that are not published. Changes under the lock of `working`.
    unpublished: AtomicUsize,
    freed: Mutex<Vec<ChunkId>>,
    touched: Mutex<Vec<ChunkId>>,
    left_safe_mode_at: AtomicU64,
    /// The last record that was applied.
    applied: AtomicU64,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The state as of the last applied commands, for a short look: not to be held over an `await`.
    pub(crate) fn read(&self) -> Guard<Arc<Namespace>> {
        self.catch_up();
        self.published.load()
    }

    /// The same, to be held for long.
    pub(crate) fn snapshot(&self) -> Arc<Namespace> {
        self.catch_up();
        self.published.load_full()
    }

    /// Publishes what is not yet.
    fn catch_up(&self) {
        let is_behind = || self.unpublished.load(Ordering::Acquire) > 0;
        if is_behind() {
            let mut working = self.working();
            if is_behind() {
                self.publish(&mut working);
            }
        }
    }

    fn working(&self) -> MutexGuard<'_, Namespace> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chunks that no file holds any more, since the last call.
    pub(crate) fn take_freed(&self) -> Vec<ChunkId> {
        self.catch_up();
        std::mem::take(&mut *self.freed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The chunks of which something else is expected than before: added, committed, changed or let go, since the last call.
    pub(crate) fn take_touched(&self) -> Vec<ChunkId> {
        self.catch_up();
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When an operator last ordered to leave the safe mode, of what was applied since this process started; 0 for never.
    pub(crate) fn left_safe_mode_at(&self) -> UnixMillis {
        UnixMillis(self.left_safe_mode_at.load(Ordering::Relaxed))
    }

    /// Whether chunks have changed of which nobody has taken notice yet.
    pub(crate) fn has_news(&self) -> bool {
        self.catch_up();
        let is_empty =
            |chunks: &Mutex<Vec<ChunkId>>| chunks.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        !is_empty(&self.freed) || !is_empty(&self.touched)
    }

    /// The last record that was applied; 0 when the state came out of a checkpoint, and none was since.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    fn publish(&self, working: &mut Namespace) {
        let (freed, touched) = (working.take_freed(), working.take_touched());
        self.published.store(Arc::new(working.clone()));
        self.unpublished.store(0, Ordering::Release);
        if !freed.is_empty() {
            self.freed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(freed);
        }
        if !touched.is_empty() {
            self.touched
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(touched);
        }
    }
}

impl StateMachine for Machine {
    type Command = Logged;
    type Outcome = Result<Outcome, NamespaceError>;
    type Image = Published;

    fn apply_batch(&self, first_index: u64, commands: Vec<Logged>, awaited: bool) -> Vec<Self::Outcome> {
        let mut working = self.working();
        let outcomes = commands
            .iter()
            .map(|Logged(entry)| {
                let outcome = working.apply(entry);
                if let (Command::SetSafeMode { on: false }, Ok(_)) = (&entry.command, &outcome) {
                    self.left_safe_mode_at
                        .fetch_max(entry.at.as_u64(), Ordering::Relaxed);
                }
                outcome
            })
            .collect();
        let unpublished = self.unpublished.load(Ordering::Relaxed) + commands.len();
        if awaited || unpublished >= UNPUBLISHED_MAX {
            self.publish(&mut working);
        } else {
            self.unpublished.store(unpublished, Ordering::Release);
        }
        let count = u64::try_from(commands.len()).unwrap_or(u64::MAX);
        if let Some(before) = count.checked_sub(1) {
            self.applied
                .store(first_index.saturating_add(before), Ordering::Release);
        }
        outcomes
    }

    fn image(&self) -> Published {
        Published(self.snapshot())
    }

    fn restore(&self, input: &mut dyn io::Read) -> Result<(), RestoreError> {
        let loaded = Namespace::load(input).map_err(|error| RestoreError(Box::new(error)))?;
        let mut working = self.working();
        *working = loaded;
        self.publish(&mut working);
        self.applied.store(0, Ordering::Release);
        Ok(())
    }
}

/// A state that was published.
pub(crate) struct Published(Arc<Namespace>);

impl Image for Published {
    fn save(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.0.save(out)
    }
}

#[cfg(test)]
mod tests {
    use types::{Caller, ClusterId, FsPath};

    use super::*;

    fn logged(command: Command) -> Logged {
        Logged(Entry {
            at: UnixMillis(1),
            caller: Caller {
                user: "root".to_owned(),
                groups: Vec::new(),
                superuser: true,
            },
            request: None,
            command,
        })
    }

    fn mkdir(path: &str) -> Logged {
        logged(Command::Mkdir {
            path: FsPath::parse(path).unwrap(),
            mode: 0o755,
            parents: false,
        })
    }

    fn machine() -> Machine {
        let machine = Machine::new();
        let cluster = ClusterId::from_random_bytes([7; 16]);
        let commands = vec![logged(Command::FormatSlotted { cluster }), mkdir("/a")];
        machine.apply_batch(1, commands, true);
        machine
    }

    /// What those see who come in whatever way.
    fn directories(machine: &Machine) -> [u64; 3] {
        let image = machine.image();
        let read = machine.read().totals().directories;
        [
            read,
            machine.snapshot().totals().directories,
            image.0.totals().directories,
        ]
    }

    #[test]
    fn what_a_reader_holds_stands_still() {
        let machine = machine();
        let before = machine.snapshot();
        machine.apply_batch(3, vec![mkdir("/a/b"), mkdir("/c")], true);
        assert_eq!(before.totals().directories, 2);
        assert_eq!(machine.read().totals().directories, 4);
    }

    #[test]
    fn a_standby_publishes_when_somebody_looks() {
        let machine = machine();
        let published = || machine.published.load().totals().directories;
        machine.apply_batch(3, vec![mkdir("/b")], false);
        machine.apply_batch(4, vec![mkdir("/c")], false);
        assert_eq!(published(), 2, "nobody has looked");
        assert_eq!(directories(&machine), [4; 3]);
        assert_eq!(published(), 4);
        machine.apply_batch(5, vec![mkdir("/d")], false);
        machine.apply_batch(6, vec![mkdir("/e")], true);
        assert_eq!(published(), 6, "somebody waits");
    }

    #[test]
    fn a_standby_publishes_now_and_then_although_nobody_looks() {
        let machine = machine();
        for index in 0..UNPUBLISHED_MAX as u64 {
            machine.apply_batch(3 + index, vec![mkdir(&format!("/a/{index}"))], false);
        }
        let published = machine.published.load().totals().directories;
        assert_eq!(published, 2 + UNPUBLISHED_MAX as u64);
    }

    #[test]
    fn what_a_standby_has_let_go_is_told_before_anybody_looks() {
        let machine = machine();
        let file = Entry {
            request: Some(types::RequestId::default()),
            ..logged(Command::CreateWithChunk {
                path: FsPath::parse("/f").unwrap(),
                options: namespace::CreateOptions {
                    replication: 1,
                    chunk_size: types::ChunkSize::default(),
                    mode: 0o644,
                    overwrite: false,
                    parents: false,
                    publish: namespace::Publish::AtCreate,
                },
            })
            .0
        };
        machine.apply_batch(3, vec![Logged(file)], false);
        assert!(machine.has_news());
        assert_eq!(machine.take_touched().len(), 1);
        let path = FsPath::parse("/f").unwrap();
        let recursive = false;
        machine.apply_batch(4, vec![logged(Command::Delete { path, recursive })], false);
        assert_eq!(machine.take_freed().len(), 1);
    }

    #[test]
    fn an_image_gives_the_state_back() {
        let machine = machine();
        let image = machine.image();
        machine.apply_batch(3, vec![mkdir("/later")], true);
        let mut bytes = Vec::new();
        image.save(&mut bytes).unwrap();
        let other = Machine::new();
        other.restore(&mut bytes.as_slice()).unwrap();
        assert_eq!(other.read().totals().directories, 2);
        other.apply_batch(3, vec![mkdir("/a/b")], true);
        assert_eq!(other.read().totals().directories, 3, "it goes on from there");
        assert!(other.restore(&mut &b"no state"[..]).is_err());
    }
}
