//! A file that is being written: bytes into packets, packets into chunks, chunks into the file.

use std::collections::VecDeque;
use std::sync::Arc;

use proto::v1;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use types::limits::SMALL_CHUNK_BYTES_MAX;
use types::{ChunkExtent, ChunkSize, FsPath, InodeId};

use super::chunk::{ChunkWriter, Progress};
use super::packet::{Filling, Packet, Room};
use super::small;
use super::target::{Reopened, Target};
use crate::fs::chunks_of;
use crate::lease::{Lease, LeaseGuard};
use crate::memory::Share;
use crate::{Error, FileStatus, FileSystem, Origin};

/// Chunks whose last packet is on its way while the next is written.
const FINISHING_MAX: usize = 2;

/// Packets between the writer and a chunk's task.
const QUEUE: usize = 16;

/// Bytes of a checksum unit.
const UNIT: u64 = types::limits::CHECKSUM_UNIT_BYTES as u64;

/// Up to here the memory of a packet grows with its data; beyond it, it is made whole at once.
const GROW_BYTES: usize = 64 << 10;

/// A file that is being written. Made by [`FileSystem::create`] and [`FileSystem::append`].
///
/// What is written is buffered into packets and sent while the program goes on; at most
/// [`Config::window_bytes`](crate::Config::window_bytes) are sent and not acknowledged, then [`FileWriter::write`] waits.
/// The file is durable and (unless published at its creation) visible when [`FileWriter::close`] returns; a writer that is
/// dropped gives the file up as [`FileWriter::abort`] does.
///
/// Once a call failed, every later one fails with the same error. What was acknowledged before stays, if the file was
/// published at its creation or opened by `append`.
pub struct FileWriter {
    fs: FileSystem,
    target: Arc<Target>,
    chunk_size: ChunkSize,
    position: u64,
    share: Share,
    window: Arc<Semaphore>,
    chunk: Option<OpenChunk>,
    /// How far the chunk is that was begun last.
    progress: Option<watch::Receiver<Progress>>,
    finishing: VecDeque<ChunkTask>,
    failed: Option<Error>,
    /// Bytes of the file's last chunk, when new ones are to go behind these.
    last: Option<u64>,
    /// Whether the masters still think that this writer writes.
    open: bool,
    /// Nobody can read the file before it is closed.
    unseen: bool,
    _lease: LeaseGuard,
}

#[derive(Default)]
struct OpenChunk {
    /// None before anything was handed over.
    running: Option<Running>,
    filling: Option<Filling>,
    next_seqno: i64,
    /// Bytes in packets that were handed over.
    sealed: u64,
    /// The beginning of a checksum unit that a flush cut.
    tail: Vec<u8>,
}

/// The task that writes a chunk, and the way to it.
struct Running {
    packets: mpsc::Sender<Arc<Packet>>,
    progress: watch::Receiver<Progress>,
    task: ChunkTask,
}

/// A chunk's task. It ends with its owner.
struct ChunkTask(JoinHandle<Result<(), Error>>);

impl ChunkTask {
    async fn finished(&mut self) -> Result<(), Error> {
        match (&mut self.0).await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Only its owner stops it, or the end of the whole runtime.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for ChunkTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FileWriter {
    pub(crate) async fn open(
        fs: &FileSystem,
        path: &FsPath,
        inode: InodeId,
        replication: u16,
        chunk_size: ChunkSize,
        (position, last): (u64, Option<u64>),
    ) -> Result<Self, Error> {
        let info = fs.server_info().await?.clone();
        let target = Target::new(fs.inner(), info, path, inode, replication, chunk_size);
        Ok(Self::of(fs, target, position, last))
    }

    /// The writer of a file that was made just now.
    pub(crate) async fn begun(
        fs: &FileSystem,
        path: &FsPath,
        publish: v1::Publish,
        mut answer: v1::CreateResponse,
    ) -> Result<Self, Error> {
        let (replication, chunk_size) = chunks_of("create", answer.replication, answer.chunk_size)?;
        let info = fs.server_info().await?.clone();
        let inode = InodeId(answer.inode);
        let target = Target::new(fs.inner(), info, path, inode, replication, chunk_size);
        let mut writer = Self::of(fs, target.with_first(&mut answer)?, 0, None);
        writer.unseen = publish == v1::Publish::AtComplete;
        Ok(writer)
    }

    fn of(fs: &FileSystem, target: Target, position: u64, last: Option<u64>) -> Self {
        let inner = fs.inner();
        let lease = Lease::hold(inner, target.info.lease_soft_limit_ms);
        let window = usize::try_from(inner.config.window_bytes).unwrap_or(usize::MAX);
        Self {
            fs: fs.clone(),
            chunk_size: target.chunk_size,
            target: Arc::new(target),
            position,
            share: Share::default(),
            window: Arc::new(Semaphore::new(window.min(Semaphore::MAX_PERMITS))),
            chunk: None,
            progress: None,
            finishing: VecDeque::new(),
            failed: None,
            last,
            open: true,
            unseen: false,
            _lease: lease,
        }
    }

    /// The length of the file, with what was written by now.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &FsPath {
        &self.target.path
    }

    /// Writes all of `data` behind what was written before. Returns when it is taken over, not when it is on disk. After a
    /// call that was cancelled, [`FileWriter::position`] tells how much was taken.
    ///
    /// # Errors
    /// [`Error::WriteDenied`], [`Error::PipelineLost`], [`Error::LeaseLost`], [`Error::Unavailable`].
    pub async fn write(&mut self, mut data: &[u8]) -> Result<(), Error> {
        while !data.is_empty() {
            let filling = self.filling().await?;
            let (now, later) = data.split_at(data.len().min(filling.left()));
            filling.make_room(now.len(), GROW_BYTES);
            filling.data().extend_from_slice(now);
            data = later;
            self.took(now.len()).await?;
        }
        Ok(())
    }

    /// Writes everything that `source` gives, without a copy between. Returns the number of bytes.
    ///
    /// # Errors
    /// As [`FileWriter::write`], and [`Error::Source`]; after that one, the writer can go on.
    pub async fn copy_from<R: AsyncRead + Unpin>(&mut self, source: &mut R) -> Result<u64, Error> {
        let start = self.position;
        loop {
            let filling = self.filling().await?;
            let left = filling.left();
            filling.make_room(GROW_BYTES.min(left), GROW_BYTES);
            let read = source.take(left as u64).read_buf(filling.data()).await;
            match read {
                Ok(0) => return Ok(self.position - start),
                Ok(count) => self.took(count).await?,
                Err(error) => {
                    let path = self.target.path.to_string();
                    return Err(Error::Source {
                        path,
                        why: error.to_string(),
                    });
                }
            }
        }
    }

    /// Waits until everything that was written is in the memory of every datanode of its pipeline: readers that open the file
    /// from now on see it. The end of a chunk is durable as always.
    ///
    /// # Errors
    /// As [`FileWriter::write`].
    pub async fn hflush(&mut self) -> Result<(), Error> {
        self.seal(false).await?;
        self.acknowledged().await.map(drop)
    }

    /// Waits until everything that was written is on the disk of every datanode of its pipeline, and known to the masters:
    /// the length that they tell of the file has it.
    ///
    /// # Errors
    /// As [`FileWriter::write`].
    pub async fn hsync(&mut self) -> Result<(), Error> {
        self.seal(true).await?;
        let open = self.acknowledged().await?;
        self.target.sync(open).await
    }

    /// Waits until every packet that was handed over is acknowledged. Gives the chunk that is being written, with its
    /// acknowledged bytes.
    async fn acknowledged(&mut self) -> Result<Option<ChunkExtent>, Error> {
        let mut open = None;
        if let Some(chunk) = &mut self.chunk
            && let Some(running) = &mut chunk.running
        {
            let sealed = chunk.next_seqno;
            let reached = running
                .progress
                .wait_for(|progress| progress.packets >= sealed)
                .await
                .map(|progress| progress.extent)
                .ok();
            match reached {
                Some(extent) => open = extent,
                None => return Err(self.why_stopped().await),
            }
        }
        self.wait_finishing(0).await?;
        Ok(open)
    }

    /// Ends the file. When this returns, all of it is on disk on at least `min_replicas` datanodes, and visible.
    ///
    /// # Errors
    /// As [`FileWriter::write`], and [`Error::NotReplicated`]. The file is given up then.
    pub async fn close(mut self) -> Result<FileStatus, Error> {
        if !self.end_small().await? {
            self.end_chunk().await?;
        }
        self.wait_finishing(0).await?;
        if let Some(first) = self.target.take_first() {
            // The file has no bytes: the chunk that came with it goes.
            self.target.acknowledged(first.extent);
        }
        let status = self.target.complete().await?;
        self.open = false;
        Ok(status)
    }

    /// Gives the file up: a file that is not published yet disappears, a published one keeps the chunks that were
    /// acknowledged.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::Unavailable`].
    pub async fn abort(mut self) -> Result<(), Error> {
        self.open = false;
        self.chunk = None;
        self.finishing.clear();
        self.target.abandon_file().await
    }

    /// The packet that is being filled; there is room in it for a byte at least.
    async fn filling(&mut self) -> Result<&mut Filling, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        // Only after a call that was cancelled is there something to hand over.
        self.hand_over().await?;
        if self.chunk.is_none() {
            self.wait_finishing(FINISHING_MAX).await?;
            if self.last.is_some() {
                Box::pin(self.reopen()).await?;
            }
        }
        let config = &self.fs.inner().config;
        let chunk = self.chunk.get_or_insert_with(OpenChunk::default);
        let filling = match chunk.filling.take() {
            Some(filling) => filling,
            None => {
                // The tail is taken only when nothing can be cancelled any more.
                let offset = chunk.sealed - chunk.tail.len() as u64;
                let capacity = u64::from(config.packet_bytes).min(self.chunk_size.bytes() - offset);
                let permits = u32::try_from(capacity).unwrap_or(u32::MAX);
                let window = Arc::clone(&self.window).acquire_many_owned(permits).await;
                let room = Room {
                    // The window is never closed.
                    _window: window.ok(),
                    _budget: self.fs.inner().budget.reserve(&self.share, capacity).await,
                };
                let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
                let mut filling = Filling::new(offset, capacity, &self.fs.inner().buffers, room);
                filling.begin_with(&std::mem::take(&mut chunk.tail));
                filling
            }
        };
        Ok(chunk.filling.insert(filling))
    }

    /// Goes on with the last chunk of the file, if there is one that is not full.
    async fn reopen(&mut self) -> Result<(), Error> {
        let Some(last) = self.last else {
            return Ok(());
        };
        // Packets begin with a checksum unit: its first bytes go out again. Where they can not be read, nor is this the chunk to
        // be written on.
        let tail = match self.last_bytes(last % UNIT).await {
            Ok(tail) => Some(tail),
            Err(error) => {
                tracing::info!(path = %self.target.path, %error, "the last chunk can not be read; appending to a new one");
                None
            }
        };
        if let Some(tail) = tail {
            let reopened = self.target.append_chunk().await;
            let reopened = reopened.map_err(|error| self.fail(error))?;
            if let Some(reopened) = reopened {
                if reopened.extent.len != last {
                    let why = format!("the last chunk has {} bytes, not {last}", reopened.extent.len);
                    let operation = "append chunk";
                    return Err(self.fail(Error::Protocol { operation, why }));
                }
                let mut chunk = OpenChunk {
                    sealed: last,
                    tail,
                    ..OpenChunk::default()
                };
                self.progress = None;
                chunk.run(&self.target, &mut self.progress, Some(reopened));
                self.chunk = Some(chunk);
            }
        }
        self.last = None;
        Ok(())
    }

    /// The last bytes of the file as it was when it was opened.
    async fn last_bytes(&self, count: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
        if bytes.is_empty() {
            return Ok(bytes);
        }
        let file = self.fs.open(&self.target.path).await?;
        let read = file.read_at(self.position - count, &mut bytes).await?;
        if file.status().inode != self.target.inode || read != bytes.len() {
            let path = self.target.path.to_string();
            let why = "another file has its name".to_owned();
            return Err(Error::Changed { path, why });
        }
        Ok(bytes)
    }

    /// `count` bytes went into the packet that is being filled.
    async fn took(&mut self, count: usize) -> Result<(), Error> {
        self.position += count as u64;
        self.hand_over().await
    }

    /// Hands over the packet that is being filled, if it is full, and the chunk, if that is.
    async fn hand_over(&mut self) -> Result<(), Error> {
        let Some(chunk) = &self.chunk else { return Ok(()) };
        let end = chunk.filling.as_ref().map_or(chunk.sealed, Filling::end);
        if end == self.chunk_size.bytes() {
            self.end_chunk().await
        } else if chunk.filling.as_ref().is_some_and(|filling| filling.left() == 0) {
            self.seal(false).await
        } else {
            Ok(())
        }
    }

    /// Hands over the packet that is being filled, if it has anything new. With `sync`, datanodes bring what they have by
    /// then to their disks.
    async fn seal(&mut self, sync: bool) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let Some(chunk) = &mut self.chunk else {
            return Ok(());
        };
        let news = chunk.filling.as_ref().is_some_and(Filling::has_news);
        // A chunk of which nothing was handed over is not even allocated.
        let pointless = !sync || chunk.sealed == 0;
        if !news && pointless {
            return Ok(());
        }
        let packets = chunk.run(&self.target, &mut self.progress, None).packets.clone();
        // First the place in the queue: a call that is cancelled while it waits leaves the packet where it is.
        if let Ok(place) = packets.reserve().await {
            let seqno = chunk.next_seqno;
            if let Some(filling) = chunk.filling.take_if(|_| news) {
                chunk.tail = filling.partial_unit().to_vec();
                chunk.sealed = filling.end();
                place.send(Arc::new(filling.seal(seqno, sync)));
            } else {
                place.send(Arc::new(Packet::sync(seqno, chunk.sealed)));
            }
            chunk.next_seqno += 1;
            return Ok(());
        }
        Err(self.why_stopped().await)
    }

    /// Ends the chunk that is being written, if there is one, without waiting for its end to be acknowledged.
    async fn end_chunk(&mut self) -> Result<(), Error> {
        if self.failed.is_none() && self.end_in_one_packet().await? {
            return Ok(());
        }
        self.seal(false).await?;
        let Some(chunk) = &self.chunk else { return Ok(()) };
        let Some(running) = chunk.running.as_ref().filter(|_| chunk.sealed > 0) else {
            // Nothing came after all; not even a chunk was allocated.
            self.chunk = None;
            return Ok(());
        };
        let last = Arc::new(Packet::last(chunk.next_seqno, chunk.sealed));
        if running.packets.send(last).await.is_err() {
            return Err(self.why_stopped().await);
        }
        self.finishing
            .extend(self.chunk.take().and_then(OpenChunk::into_task));
        Ok(())
    }

    /// Ends the file when all of it is one small chunk: that goes to its datanodes with those of other files. True when all was
    /// handed over, one way or the other.
    async fn end_small(&mut self) -> Result<bool, Error> {
        if self.failed.is_some() || !self.unseen {
            return Ok(false);
        }
        let Some(chunk) = &mut self.chunk else {
            return Ok(false);
        };
        let position = self.position;
        if chunk.running.is_some() || position > SMALL_CHUNK_BYTES_MAX.into() {
            return Ok(false);
        }
        let small = &self.target.inner.small;
        let Some(first) = self.target.take_first_if(|first| small.takes(&first.nodes)) else {
            return Ok(false);
        };
        let is_whole = |filling: &mut Filling| filling.has_news() && filling.end() == position;
        let Some(filling) = chunk.filling.take_if(is_whole) else {
            self.target.keep_first(first);
            return Ok(false);
        };
        let packet = Arc::new(filling.seal_whole());
        let extent = first.extent;
        match small::write(&self.target, first, &packet).await {
            Ok(()) => {
                self.chunk = None;
                self.target.acknowledged(ChunkExtent {
                    len: position,
                    ..extent
                });
            }
            Err(why) => {
                tracing::debug!(path = %self.target.path, why, "a small chunk is written by itself, anew");
                self.target
                    .abandon_chunk(extent.chunk)
                    .await
                    .map_err(|error| self.fail(error))?;
                let chunk = self.chunk.get_or_insert_with(OpenChunk::default);
                (chunk.sealed, chunk.next_seqno) = (position, 1);
                let packets = chunk.run(&self.target, &mut self.progress, None).packets.clone();
                if packets.send(packet).await.is_err() {
                    return Err(self.why_stopped().await);
                }
                self.finishing
                    .extend(self.chunk.take().and_then(OpenChunk::into_task));
            }
        }
        Ok(true)
    }

    /// Ends the chunk with its first packet, if all of it is in there and nobody can have read any of it.
    async fn end_in_one_packet(&mut self) -> Result<bool, Error> {
        let unseen = self.unseen;
        let Some(chunk) = &mut self.chunk else {
            return Ok(false);
        };
        let whole = |filling: &Filling| unseen && chunk.next_seqno == 0 && filling.has_news();
        if !chunk.filling.as_ref().is_some_and(whole) {
            return Ok(false);
        }
        let packets = chunk.run(&self.target, &mut self.progress, None).packets.clone();
        // First the place in the queue: a call that is cancelled while it waits leaves the packet where it is.
        let Ok(place) = packets.reserve_owned().await else {
            return Err(self.why_stopped().await);
        };
        if let Some(filling) = chunk.filling.take() {
            chunk.sealed = filling.end();
            chunk.next_seqno = 1;
            place.send(Arc::new(filling.seal_whole()));
        }
        self.finishing
            .extend(self.chunk.take().and_then(OpenChunk::into_task));
        Ok(true)
    }

    /// Waits until at most `left` chunks are unfinished, oldest first; learns what became of those that are.
    async fn wait_finishing(&mut self, left: usize) -> Result<(), Error> {
        loop {
            let too_many = self.finishing.len() > left;
            let Some(oldest) = self
                .finishing
                .front_mut()
                .filter(|oldest| too_many || oldest.0.is_finished())
            else {
                return Ok(());
            };
            let done = oldest.finished().await;
            self.finishing.pop_front();
            done.map_err(|error| self.fail(error))?;
        }
    }

    /// The chunk's task takes no more packets: why. A chunk before it may have failed.
    async fn why_stopped(&mut self) -> Error {
        let current = self.chunk.take().and_then(OpenChunk::into_task);
        // In force until the reason is known, also when this is cancelled: nothing may be written behind a hole.
        self.failed = Some(Error::PipelineLost {
            path: self.target.path.to_string(),
            chunk: None,
            acknowledged: 0,
            tried: Vec::new(),
        });
        for mut task in self.finishing.drain(..).chain(current).collect::<Vec<_>>() {
            if let Err(error) = task.finished().await {
                return self.fail(error);
            }
        }
        unreachable!("a chunk's task ends early only when it failed, or one before it")
    }

    fn fail(&mut self, error: Error) -> Error {
        self.chunk = None;
        self.failed = Some(error.clone());
        error
    }
}

impl OpenChunk {
    /// The task that writes it. It begins when something is to be handed over: `before` is how far the chunk before is, and then
    /// how far this one is.
    fn run(
        &mut self,
        target: &Arc<Target>,
        before: &mut Option<watch::Receiver<Progress>>,
        reopened: Option<Reopened>,
    ) -> &mut Running {
        self.running.get_or_insert_with(|| {
            let (packets, queue) = mpsc::channel(QUEUE);
            let (teller, progress) = watch::channel(Progress::default());
            let before = before.replace(progress.clone());
            let writer = ChunkWriter::new(Arc::clone(target), queue, before, teller, reopened);
            Running {
                packets,
                progress,
                task: ChunkTask(tokio::spawn(Origin::carry(Origin::of_this_task(), writer.run()))),
            }
        })
    }

    fn into_task(self) -> Option<ChunkTask> {
        self.running.map(|running| running.task)
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        // As long as this client renews its lease for other files, nobody else would clean up.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let target = Arc::clone(&self.target);
            runtime.spawn(async move {
                if let Err(error) = target.abandon_file().await {
                    tracing::debug!(path = %target.path, %error, "could not give up a file that was not closed");
                }
            });
        }
    }
}
