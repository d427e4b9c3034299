//! What a master keeps in memory, and changes to it by the commands that a master logs.

use anyhow::{Context as _, bail};
use namespace::{Command, CreateOptions, Entry, Namespace, Outcome, Publish};
use placement::ReplicaMap;
use types::{CallId, Caller, ChunkExtent, ChunkSize, ClientId, ClusterId, FsPath, RequestId, UnixMillis};

use super::files;

/// Length of each file.
const LEN: u64 = 1 << 20;
/// Commands to a millisecond of the log.
const PER_MILLISECOND: u64 = 10;

/// The namespace and the replicas.
pub(super) struct State {
    pub(super) namespace: Namespace,
    pub(super) replicas: ReplicaMap,
    commands: u64,
}

/// Who does all this.
pub(super) fn caller() -> Caller {
    Caller {
        user: "bench".to_owned(),
        groups: vec!["bench".to_owned()],
        superuser: true,
    }
}

impl State {
    /// Formatted, and empty.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut state = Self {
            namespace: Namespace::new(),
            replicas: ReplicaMap::new(),
            commands: 0,
        };
        let cluster = ClusterId::from_random_bytes([7; 16]);
        state.apply(Command::FormatSlotted { cluster })?;
        Ok(state)
    }

    fn apply(&mut self, command: Command) -> anyhow::Result<Outcome> {
        self.commands += 1;
        let request = RequestId {
            client: ClientId(1),
            call: CallId(self.commands),
        };
        let entry = Entry {
            at: UnixMillis(1_700_000_000_000 + self.commands / PER_MILLISECOND),
            caller: caller(),
            request: Some(request),
            command,
        };
        let done = self.namespace.apply(&entry);
        // A master takes them with every batch; they are not part of the state.
        drop(self.namespace.take_touched());
        done.with_context(|| format!("the namespace refuses {:?}", entry.command))
    }

    /// Makes a directory.
    pub(super) fn mkdir(&mut self, path: FsPath) -> anyhow::Result<()> {
        self.apply(Command::Mkdir {
            path,
            mode: 0o755,
            parents: false,
        })?;
        Ok(())
    }

    /// Makes a file of one chunk, as a writer does: three commands; and takes the reports of three storages.
    pub(super) fn create(&mut self, path: FsPath) -> anyhow::Result<()> {
        let options = CreateOptions {
            mode: 0o644,
            overwrite: false,
            parents: false,
            replication: 3,
            chunk_size: ChunkSize::new(64 << 20)?,
            publish: Publish::AtCreate,
        };
        let Outcome::Opened(opened) = self.apply(Command::Create { path, options })? else {
            bail!("a new file is not open");
        };
        let inode = opened.inode;
        let written = Vec::new();
        let Outcome::ChunkAdded(chunk) = self.apply(Command::AddChunk { inode, written })? else {
            bail!("no chunk was added");
        };
        let written = ChunkExtent { len: LEN, ..chunk };
        for storage in files::storages(chunk.chunk) {
            self.replicas.received(storage, written);
        }
        self.apply(Command::Complete {
            inode,
            written: vec![written],
        })?;
        Ok(())
    }

    /// Gives a file another name.
    pub(super) fn rename(&mut self, from: FsPath, to: FsPath) -> anyhow::Result<()> {
        let replace = false;
        self.apply(Command::Rename { from, to, replace })?;
        Ok(())
    }

    /// Removes a file, and the replicas of its chunks as the storages report it.
    pub(super) fn delete(&mut self, path: FsPath) -> anyhow::Result<()> {
        self.apply(Command::Delete {
            path,
            recursive: false,
        })?;
        for chunk in self.namespace.take_freed() {
            for storage in files::storages(chunk) {
                self.replicas.deleted(storage, chunk);
            }
        }
        Ok(())
    }
}
