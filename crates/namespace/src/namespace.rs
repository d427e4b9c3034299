//! The state machine: takes entries of the log one after the other.

use types::{ChunkId, ClusterId, UnixMillis};

use crate::handler::{
    Answer, Call, Files, append, attributes, chunk, complete, concat, create, delete, format, lease, member,
    mkdir, reap, recover, rename, safe_mode, setting, sync, truncate,
};
use crate::settings::Chosen;
use crate::table::{CallKey, Members, RetryCache};
use crate::{Command, Entry, NamespaceError, Outcome};

/// The metadata of one cluster.
///
/// Two that were given the same entries in the same order give the same answers and are saved as the same bytes, also when
/// one of them was saved and loaded in between. A clone takes no time, however much there is, and does not change with the
/// original: it is a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Namespace {
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) files: Files,
    pub(crate) members: Members,
    pub(crate) retries: RetryCache,
    /// The time of the last entry; it never goes back.
    pub(crate) now: UnixMillis,
    pub(crate) safe_mode: bool,
    pub(crate) settings: Chosen,
}

impl Namespace {
    /// One that is not formatted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Carries out the next entry of the log. The same call given again gets the first answer, and nothing is done.
    ///
    /// # Errors
    /// When the command is refused; nothing is changed then.
    pub fn apply(&mut self, entry: &Entry) -> Result<Outcome, NamespaceError> {
        let before = self.now;
        self.now = self.now.max(entry.at);
        self.retries.pass(before, self.now);
        let key = CallKey::of(entry);
        if let Some(answer) = key.as_ref().and_then(|key| self.retries.find(key)) {
            return answer.clone();
        }
        let call = Call {
            at: self.now,
            caller: &entry.caller,
            client: entry.request.map(|request| request.client),
        };
        // A command that finds no room may have done a part of what it does: that is taken back.
        let before = self.files.is_nearly_full().then(|| self.files.clone());
        let answer = self.carry_out(&call, &entry.command);
        if let (Err(NamespaceError::Full(_)), Some(before)) = (&answer, before) {
            self.files = before;
        }
        if let (Ok(_), Some(client)) = (&answer, call.client) {
            self.files.leases.renew(client, self.now);
        }
        if let Some(key) = key
            && !matches!(answer, Err(NamespaceError::Changed(_)))
        {
            self.retries.keep(key, self.now, answer.clone());
        }
        answer
    }

    /// Chunks that no file holds any more, each of them once, in the order in which they were let go. Also those of the
    /// log's past: a master that has just replayed it need not look at them.
    pub fn take_freed(&mut self) -> Vec<ChunkId> {
        self.files.chunks.take_freed()
    }

    /// Chunks of which something else is expected than at the last call: other generations, another length or number of
    /// replicas, another file, or nothing at all any more. Each of them once, by id, with those of the log's past as with
    /// [`Namespace::take_freed`]. A state that was loaded knows of no change: look at all.
    pub fn take_touched(&mut self) -> Vec<ChunkId> {
        self.files.chunks.take_touched()
    }

    /// The answer that a call has got already, as long as it is known.
    pub(crate) fn first_answer(&self, key: &CallKey) -> Option<&Answer> {
        self.retries.find(key)
    }

    fn carry_out(&mut self, call: &Call<'_>, command: &Command) -> Answer {
        let formats = matches!(command, Command::Format { .. } | Command::FormatSlotted { .. });
        if formats == self.cluster.is_some() {
            return Err(NamespaceError::Format(formats));
        }
        let files = &mut self.files;
        match command {
            Command::Format { cluster } => {
                self.cluster = Some(*cluster);
                format::format(files, call, false)
            }
            Command::FormatSlotted { cluster } => {
                self.cluster = Some(*cluster);
                format::format(files, call, true)
            }
            Command::Mkdir { path, mode, parents } => {
                mkdir::mkdir(&mut files.tree, call, path, *mode, *parents)
            }
            Command::Create { path, options } => create::create(files, call, path, options),
            Command::Append { path } => append::append(files, call, path),
            Command::AddChunk { inode, written } => chunk::add(files, call, *inode, written),
            Command::AbandonChunk { inode, chunk } => chunk::abandon(files, call, *inode, *chunk),
            Command::AbandonFile { inode, written } => complete::abandon(files, call, *inode, written),
            Command::BumpGeneration { inode, chunk } => chunk::bump(files, call, *inode, *chunk),
            Command::UpdatePipeline { inode, extent } => chunk::update(files, call, *inode, *extent),
            Command::Complete { inode, written } => complete::complete(files, call, *inode, written),
            Command::RenewLease => lease::renew(&mut files.leases, call),
            Command::ExpireLeases { before } => lease::expire(files, call, *before),
            Command::Rename { from, to, replace } => rename::rename(files, call, from, to, *replace),
            Command::Delete { path, recursive } => delete::delete(files, call, path, *recursive),
            Command::SetAttributes { path, set } => attributes::set(files, call, path, set),
            Command::RegisterDatanode(new) => member::register(&mut self.members, call, new),
            Command::Reap { limit } => reap::reap(files, call, *limit),
            Command::SetSafeMode { on } => safe_mode::set(&mut self.safe_mode, call, *on),
            Command::DeleteTree { path, ticket } => delete::delete_tree(files, call, path, ticket),
            Command::SetMemberState { id, state } => member::set_state(&mut self.members, call, *id, *state),
            Command::RemoveMember { id } => member::remove(&mut self.members, call, *id),
            Command::SetSetting { key, value } => setting::set(&mut self.settings, call, key, value),
            Command::Sync { inode, written, open } => sync::sync(files, call, *inode, written, *open),
            Command::Recover { inode, before } => recover::recover(files, call, *inode, *before),
            Command::CommitRecovery { inode, chunks } => recover::commit(files, call, *inode, chunks),
            Command::LeaveFile { inode, written } => recover::leave(files, call, *inode, written),
            Command::AppendChunk { inode } => append::chunk(files, call, *inode),
            Command::Truncate { path, len } => truncate::truncate(files, call, path, *len),
            Command::CreateWithChunk { path, options } => create::with_chunk(files, call, path, options),
            Command::Concat { target, sources } => concat::concat(files, call, target, sources),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fs, path};

    #[test]
    fn time_never_goes_back() {
        let mut fs = Fs::new();
        fs.at = 9_000;
        fs.by("ann").mkdir("/tmp/a").unwrap();
        let mut entry = fs.by("ann").entry(Command::Mkdir {
            path: path("/tmp/b"),
            mode: 0o755,
            parents: false,
        });
        entry.at = UnixMillis(5_000);
        fs.ns.apply(&entry).unwrap();
        assert_eq!(fs.stat("/tmp/b").unwrap().mtime, UnixMillis(9_001));
    }

    #[test]
    fn freed_chunks_are_told_once() {
        let mut fs = Fs::new();
        fs.by("ann").put("/tmp/f", &[1, 2]);
        assert_eq!(fs.freed(), [0; 0]);
        fs.by("ann").delete("/tmp/f").unwrap();
        assert_eq!(fs.freed(), [1, 2]);
        assert_eq!(fs.freed(), [0; 0]);
    }

    #[test]
    fn touched_chunks_are_told_once() {
        let mut fs = Fs::new();
        let touched = |fs: &mut Fs| {
            let touched = fs.ns.take_touched().into_iter();
            touched.map(ChunkId::as_u64).collect::<Vec<_>>()
        };
        let inode = fs.by("ann").put("/tmp/f", &[1, 2]);
        assert_eq!(touched(&mut fs), [1, 2]);
        fs.by("ann").chmod("/tmp/f", 0o600).unwrap();
        fs.by("ann").rename("/tmp/f", "/tmp/g").unwrap();
        fs.by("ann").append("/tmp/g").unwrap();
        assert_eq!(touched(&mut fs), [0; 0], "nothing else is expected of any chunk");
        let third = fs.by("ann").add_chunk(inode, &[]).unwrap();
        assert_eq!(touched(&mut fs), [3]);
        fs.by("ann").bump(inode, third.chunk).unwrap();
        assert_eq!(touched(&mut fs), [3]);
        let set = crate::SetAttributes {
            replication: Some(2),
            ..Default::default()
        };
        for expected in [&[1, 2, 3][..], &[]] {
            fs.by("ann").set("/tmp/g", set.clone()).unwrap();
            assert_eq!(touched(&mut fs), expected);
        }
        fs.by("ann").complete(inode, &[third]).unwrap();
        assert_eq!(touched(&mut fs), [3], "an empty chunk is dropped");
        fs.by("ann").delete("/tmp/g").unwrap();
        assert_eq!(touched(&mut fs), [1, 2]);
    }
}
