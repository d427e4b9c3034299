//! Files while they are written.

use namespace::{CreateOptions, NamespaceError, Outcome, Publish, RECOVERY, TRUNCATION, is_leaders};
use types::{ChunkExtent, ChunkId, Generation, InodeId};

use super::names::{join, parent};
use super::{By, Chunk, Expected, File, Model, Pending, Refusal};

impl Model {
    pub(super) fn create(
        &mut self,
        by: &By<'_>,
        path: &str,
        options: &CreateOptions,
        answer: &Result<Outcome, NamespaceError>,
    ) -> Expected {
        if options.replication == 0 {
            return Err(Refusal::Invalid);
        }
        match self.existing(by, path) {
            Ok(_) => self.may_replace(by, path, options.overwrite)?,
            Err(Refusal::NotFound) => {
                let missing = self.missing(by, path, options.parents)?;
                for step in missing.iter().filter(|step| *step != path) {
                    let mode = options.mode | (options.mode & 0o444) >> 2 | 0o300;
                    self.make_directory(by, step, mode);
                }
            }
            Err(refusal) => return Err(refusal),
        }
        let Ok(Outcome::Opened(opened)) = answer else {
            return Ok(());
        };
        assert!(self.inodes.insert(opened.inode), "inode ids are not used again");
        let rises = self.inodes.last() == Some(&opened.inode);
        assert!(rises || self.slotted, "inode ids rise");
        let node = self.node(by, parent(path), options.mode, Some(opened.inode));
        let mut pending = None;
        if options.publish == Publish::AtCreate {
            self.remove(path);
            self.put(path, node);
        } else {
            pending = Some(Pending {
                directory: Some(parent(path).to_owned()),
                name: path.rsplit('/').next().unwrap().to_owned(),
                overwrite: options.overwrite,
                node,
            });
        }
        let file = File {
            replication: options.replication,
            chunks: Vec::new(),
            writer: Some(by.writer(pending)),
        };
        self.files.insert(opened.inode, file);
        Ok(())
    }

    pub(super) fn append(&mut self, by: &By<'_>, path: &str) -> Expected {
        let node = self.existing(by, path)?;
        by.may(node, 2)?;
        let id = node.file.ok_or(Refusal::IsDirectory)?;
        let file = self.files.get_mut(&id).unwrap();
        if file.writer.is_some() {
            return Err(Refusal::Busy);
        }
        file.writer = Some(by.writer(None));
        Ok(())
    }

    pub(super) fn append_chunk(&mut self, by: &By<'_>, id: InodeId) -> Expected {
        let file = self.writing(by, id)?;
        let unfinished = file.chunks.len() - file.visible().count();
        let chunk = file
            .chunks
            .last_mut()
            .filter(|_| unfinished < 2)
            .ok_or(Refusal::Invalid)?;
        let len = chunk.committed.unwrap_or(chunk.acknowledged);
        if len >= 1024 {
            return Err(Refusal::WrongChunk);
        }
        chunk.highest = match chunk.committed.take() {
            Some(_) => chunk.generation + 1,
            None => chunk.highest + 1,
        };
        chunk.acknowledged = len;
        Ok(())
    }

    pub(super) fn writing(&mut self, by: &By<'_>, id: InodeId) -> Result<&mut File, Refusal> {
        let file = self.files.get_mut(&id).ok_or(Refusal::NotWriter)?;
        match &file.writer {
            Some(writer)
                if writer.client == by.client && (by.caller.superuser || writer.user == by.caller.user) =>
            {
                Ok(file)
            }
            _ => Err(Refusal::NotWriter),
        }
    }

    pub(super) fn open_chunk(
        &mut self,
        by: &By<'_>,
        id: InodeId,
        chunk: ChunkId,
    ) -> Result<&mut Chunk, Refusal> {
        let chunks = &mut self.writing(by, id)?.chunks;
        let found = chunks.iter_mut().find(|found| found.id == chunk);
        found
            .filter(|found| found.committed.is_none())
            .ok_or(Refusal::WrongChunk)
    }

    /// Commits, if the file as it will be then is right.
    pub(super) fn commit(
        &mut self,
        by: &By<'_>,
        id: InodeId,
        written: &[ChunkExtent],
        right: impl FnOnce(&File) -> Expected,
    ) -> Expected {
        let mut after = self.writing(by, id)?.clone();
        let before = after.committed();
        for extent in written {
            let found = after.chunks.iter_mut().find(|found| found.id == extent.chunk);
            let chunk = found.ok_or(Refusal::WrongChunk)?;
            match chunk.committed {
                Some(len) if (chunk.generation, len) == (extent.generation.0, extent.len) => {}
                Some(_) => return Err(Refusal::WrongChunk),
                None => {
                    fits(chunk, extent)?;
                    chunk.committed = Some(extent.len);
                    chunk.generation = extent.generation.0;
                }
            }
        }
        right(&after)?;
        self.replace_file(id, after, before);
        Ok(())
    }

    pub(super) fn replace_file(&mut self, id: InodeId, after: File, len_before: u64) {
        let grown = after.committed() > len_before;
        self.files.insert(id, after);
        if grown {
            self.touch(id);
        }
    }

    fn touch(&mut self, id: InodeId) {
        let pending = self.files.get_mut(&id).unwrap().writer.as_mut();
        match pending.and_then(|writer| writer.pending.as_mut()) {
            Some(pending) => pending.node.mtime = self.now,
            None => {
                let mut nodes = self.nodes.values_mut();
                nodes.find(|node| node.file == Some(id)).unwrap().mtime = self.now;
            }
        }
    }

    pub(super) fn recover(&mut self, by: &By<'_>, id: InodeId, before: u64) -> Expected {
        if !by.caller.superuser {
            return Err(Refusal::Denied);
        }
        let writer = self.files.get(&id).and_then(|file| file.writer.as_ref());
        let Some(writer) = writer else { return Ok(()) };
        if !is_leaders(writer.client) && self.renewed[&writer.client] >= before {
            return Err(Refusal::Busy);
        }
        self.take(id);
        Ok(())
    }

    /// The file becomes the leader's, or is over.
    pub(super) fn take(&mut self, id: InodeId) {
        let now = self.now;
        let file = self.files.get_mut(&id).unwrap();
        let unfinished = file.visible().count() < file.chunks.len();
        let writer = file.writer.as_mut().unwrap();
        if writer.pending.is_some() || !unfinished {
            self.give_up(id);
            return;
        }
        if writer.client != TRUNCATION {
            writer.client = RECOVERY;
        }
        let holder = writer.client;
        for chunk in file.chunks.iter_mut().filter(|chunk| chunk.committed.is_none()) {
            chunk.highest += 1;
        }
        self.renewed.insert(holder, now);
    }

    pub(super) fn commit_recovery(&mut self, by: &By<'_>, id: InodeId, chunks: &[ChunkExtent]) -> Expected {
        if !by.caller.superuser {
            return Err(Refusal::Denied);
        }
        let file = self.files.get(&id).ok_or(Refusal::NotWriter)?;
        if file
            .writer
            .as_ref()
            .is_none_or(|writer| !is_leaders(writer.client))
        {
            return Err(Refusal::NotWriter);
        }
        if let Some((cut, len)) = file.being_cut() {
            let wanted = |extent: &ChunkExtent| (extent.chunk, extent.len) == (cut, len);
            if chunks.len() != 1 || !wanted(&chunks[0]) {
                return Err(Refusal::WrongChunk);
            }
        }
        let mut after = file.clone();
        let before = after.committed();
        let done = after.visible().count();
        for (position, extent) in chunks.iter().enumerate() {
            let chunk = after.chunks.get_mut(done + position).ok_or(Refusal::WrongChunk)?;
            if chunk.id != extent.chunk {
                return Err(Refusal::WrongChunk);
            }
            match chunk.committed {
                Some(len) if (chunk.generation, len) == (extent.generation.0, extent.len) => {}
                Some(_) => return Err(Refusal::WrongChunk),
                None if chunk.highest != extent.generation.0 => return Err(Refusal::WrongChunk),
                None => {
                    fits(chunk, extent)?;
                    chunk.committed = Some(extent.len);
                    chunk.generation = extent.generation.0;
                }
            }
        }
        for chunk in after.chunks.split_off(done + chunks.len()) {
            self.free(chunk.id);
        }
        self.replace_file(id, after, before);
        self.close(id);
        Ok(())
    }

    /// A file that nobody writes.
    fn closed(&self, by: &By<'_>, path: &str, bits: u16) -> Result<InodeId, Refusal> {
        let node = self.existing(by, path)?;
        let id = node.file.ok_or(Refusal::IsDirectory);
        if bits == 2 {
            by.may(node, bits)?;
        }
        let id = id?;
        if self.files[&id].writer.is_some() {
            return Err(Refusal::Busy);
        }
        Ok(id)
    }

    pub(super) fn truncate(&mut self, by: &By<'_>, path: &str, len: u64) -> Expected {
        let id = self.closed(by, path, 2)?;
        let file = &self.files[&id];
        if len >= file.committed() {
            return if len == file.committed() {
                Ok(())
            } else {
                Err(Refusal::Invalid)
            };
        }
        let mut after = file.clone();
        let (mut kept, mut start) = (0, 0);
        while start + after.chunks[kept].committed.unwrap() <= len {
            start += after.chunks[kept].committed.unwrap();
            kept += 1;
        }
        let inside = len - start;
        for chunk in after.chunks.split_off(kept + usize::from(inside > 0)) {
            self.free(chunk.id);
        }
        if inside > 0 {
            let cut = &mut after.chunks[kept];
            (cut.committed, cut.acknowledged, cut.highest) = (None, inside, cut.generation);
            let writer = By {
                client: TRUNCATION,
                ..*by
            };
            after.writer = Some(writer.writer(None));
            self.renewed.insert(TRUNCATION, self.now);
        }
        self.files.insert(id, after);
        self.nodes.get_mut(path).unwrap().mtime = self.now;
        Ok(())
    }

    pub(super) fn concat(&mut self, by: &By<'_>, target: &str, sources: &[&str]) -> Expected {
        if sources.is_empty() {
            return Err(Refusal::Invalid);
        }
        self.existing(by, target)?;
        let grows = self.closed_before(by, target)?;
        by.may(&self.nodes[target], 2)?;
        let mut ids = vec![grows];
        for source in sources {
            self.existing(by, source)?;
            let id = self.closed_before(by, source)?;
            by.may(&self.nodes[*source], 4)?;
            self.may_take_away(by, source)?;
            if ids.contains(&id) || self.files[&id].replication != self.files[&grows].replication {
                return Err(Refusal::Invalid);
            }
            ids.push(id);
        }
        for (source, id) in sources.iter().zip(&ids[1..]) {
            let chunks = std::mem::take(&mut self.files.get_mut(id).unwrap().chunks);
            self.files.get_mut(&grows).unwrap().chunks.extend(chunks);
            self.remove(source);
        }
        self.nodes.get_mut(target).unwrap().mtime = self.now;
        Ok(())
    }

    /// A file that nobody writes, before it is asked who may.
    fn closed_before(&self, by: &By<'_>, path: &str) -> Result<InodeId, Refusal> {
        self.closed(by, path, 0)
    }

    pub(super) fn sync(
        &mut self,
        by: &By<'_>,
        id: InodeId,
        written: &[ChunkExtent],
        open: Option<&ChunkExtent>,
    ) -> Expected {
        if let Some(extent) = open {
            let chunk = self.open_chunk(by, id, extent.chunk)?;
            fits(chunk, extent)?;
            if written.iter().any(|other| other.chunk == extent.chunk) {
                return Err(Refusal::WrongChunk);
            }
        }
        self.commit(by, id, written, |_| Ok(()))?;
        if let Some(extent) = open {
            let chunk = self.open_chunk(by, id, extent.chunk)?;
            let grown = extent.len > chunk.acknowledged;
            chunk.generation = extent.generation.0;
            chunk.acknowledged = extent.len;
            if grown {
                self.touch(id);
            }
        }
        Ok(())
    }

    pub(super) fn add_chunk(
        &mut self,
        by: &By<'_>,
        id: InodeId,
        written: &[ChunkExtent],
        answer: &Result<Outcome, NamespaceError>,
    ) -> Expected {
        self.commit(by, id, written, |file| {
            match file.chunks.len() - file.visible().count() {
                0..4 => Ok(()),
                _ => Err(Refusal::Invalid),
            }
        })?;
        if let Ok(Outcome::ChunkAdded(extent)) = answer {
            assert_eq!((extent.generation, extent.len), (Generation(1), 0));
            let known = self.files.values().flat_map(|file| &file.chunks);
            let mut old = known.map(|chunk| chunk.id).chain(self.freed.iter().copied());
            let fresh = match self.slotted {
                true => old.all(|old| old != extent.chunk),
                false => old.all(|old| old < extent.chunk),
            };
            assert!(fresh, "chunk ids are not used again, and rise");
            self.files.get_mut(&id).unwrap().chunks.push(Chunk {
                id: extent.chunk,
                generation: 1,
                highest: 1,
                acknowledged: 0,
                committed: None,
            });
        }
        Ok(())
    }

    pub(super) fn abandon_chunk(&mut self, by: &By<'_>, id: InodeId, chunk: ChunkId) -> Expected {
        if self.open_chunk(by, id, chunk)?.acknowledged > 0 {
            return Err(Refusal::WrongChunk);
        }
        let mut after = self.files[&id].clone();
        let before = after.committed();
        after.chunks.retain(|found| found.id != chunk);
        self.free(chunk);
        self.replace_file(id, after, before);
        Ok(())
    }

    pub(super) fn free(&mut self, chunk: ChunkId) {
        assert!(self.freed.insert(chunk), "chunk {chunk} was freed before");
    }

    pub(super) fn complete(&mut self, by: &By<'_>, id: InodeId, written: &[ChunkExtent]) -> Expected {
        let pending = self.writing(by, id)?.writer.clone().unwrap().pending;
        let path = pending.as_ref().map(|pending| {
            let directory = pending.directory.as_ref()?;
            Some(join(directory, &pending.name))
        });
        let this: &Self = self;
        let publishable = match (&pending, &path) {
            (Some(pending), Some(Some(path))) if this.nodes.contains_key(path) => {
                this.may_replace(by, path, pending.overwrite)
            }
            (Some(_), Some(Some(path))) => by.may(&this.nodes[parent(path)], 3),
            (Some(_), _) => Err(Refusal::NotFound),
            (None, _) => Ok(()),
        };
        self.commit(by, id, written, |file| {
            if file.visible().count() < file.chunks.len() {
                return Err(Refusal::WrongChunk);
            }
            publishable
        })?;
        // The commit may have changed the time of the pending node.
        let pending = self.files[&id].writer.clone().unwrap().pending;
        self.close(id);
        if let (Some(pending), Some(Some(path))) = (pending, path) {
            self.remove(&path);
            self.put(&path, pending.node);
        }
        Ok(())
    }

    pub(super) fn close(&mut self, id: InodeId) {
        let file = self.files.get_mut(&id).unwrap();
        let keep: Vec<_> = file
            .visible()
            .filter(|(_, len)| *len > 0)
            .map(|(id, _)| id)
            .collect();
        file.writer = None;
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut file.chunks)
            .into_iter()
            .partition(|chunk| keep.contains(&chunk.id));
        file.chunks = kept;
        gone.into_iter().for_each(|chunk| self.free(chunk.id));
    }

    pub(super) fn give_up(&mut self, id: InodeId) {
        let writer = self.files[&id].writer.as_ref().unwrap();
        if writer.pending.is_some() {
            self.forget(id);
        } else {
            self.close(id);
        }
    }

    pub(super) fn forget(&mut self, id: InodeId) {
        for chunk in self.files.remove(&id).unwrap().chunks {
            self.free(chunk.id);
        }
    }
}

pub(super) fn fits(chunk: &Chunk, extent: &ChunkExtent) -> Expected {
    let generations = chunk.generation..=chunk.highest;
    let lens = chunk.acknowledged..=1024;
    if generations.contains(&extent.generation.0) && lens.contains(&extent.len) {
        Ok(())
    } else {
        Err(Refusal::WrongChunk)
    }
}
