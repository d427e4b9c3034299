//! A packet of data: filled, summed once, sent, kept until it is acknowledged.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use transfer::{PacketHeader, checksum};
use types::limits::CHECKSUM_UNIT_BYTES;

use crate::memory::{Pool, Reservation};

/// The memory of a packet, to be used again.
pub(crate) struct Buffers {
    data: Vec<u8>,
    sums: Vec<u8>,
}

impl Buffers {
    pub(crate) const fn new() -> Self {
        Self {
            data: Vec::new(),
            sums: Vec::new(),
        }
    }
}

/// What a packet takes up until it is acknowledged: a part of its writer's window, and of the budget of all.
pub(crate) struct Room {
    pub(crate) _window: Option<OwnedSemaphorePermit>,
    pub(crate) _budget: Reservation,
}

/// A packet that is being filled.
pub(crate) struct Filling {
    /// Where in the chunk its data begins: a multiple of 512.
    offset: u64,
    /// Bytes at its beginning that were sent before: the start of a checksum unit that a flush cut.
    again: usize,
    buffers: Buffers,
    capacity: usize,
    pool: Arc<Pool<Buffers>>,
    room: Room,
}

impl Filling {
    pub(crate) fn new(offset: u64, capacity: usize, pool: &Arc<Pool<Buffers>>, room: Room) -> Self {
        let mut buffers = pool.take().unwrap_or_else(Buffers::new);
        buffers.data.clear();
        Self {
            offset,
            again: 0,
            buffers,
            capacity,
            pool: Arc::clone(pool),
            room,
        }
    }

    /// Begins with `tail`, which was sent before.
    pub(crate) fn begin_with(&mut self, tail: &[u8]) {
        self.buffers.data.extend_from_slice(tail);
        self.again = self.buffers.data.len();
    }

    /// Sees to memory for `more` bytes: a little where little comes, all of it where much comes.
    pub(crate) fn make_room(&mut self, more: usize, little: usize) {
        let data = &mut self.buffers.data;
        if data.len() + more > data.capacity() {
            let want = if data.len() + more <= little {
                more
            } else {
                self.capacity - data.len()
            };
            data.reserve_exact(want);
        }
    }

    /// The data by now.
    pub(crate) const fn data(&mut self) -> &mut Vec<u8> {
        &mut self.buffers.data
    }

    /// Bytes that still fit.
    pub(crate) const fn left(&self) -> usize {
        self.capacity.saturating_sub(self.buffers.data.len())
    }

    /// The offset in the chunk behind its last byte.
    pub(crate) const fn end(&self) -> u64 {
        self.offset + self.buffers.data.len() as u64
    }

    /// Whether it has bytes that were not sent before.
    pub(crate) const fn has_news(&self) -> bool {
        self.buffers.data.len() > self.again
    }

    /// The bytes of the checksum unit that is not full.
    pub(crate) fn partial_unit(&self) -> &[u8] {
        let data = &self.buffers.data;
        data.get(data.len() - data.len() % CHECKSUM_UNIT_BYTES as usize..)
            .unwrap_or_default()
    }

    /// The finished packet, when it is all of its chunk: the last one, with data.
    pub(crate) fn seal_whole(self) -> Packet {
        let mut packet = self.seal(0, false);
        packet.header.last = true;
        packet
    }

    /// The finished packet. Its checksums are computed here, and never again.
    pub(crate) fn seal(self, seqno: i64, sync: bool) -> Packet {
        let Self {
            offset,
            mut buffers,
            pool,
            room,
            ..
        } = self;
        buffers.sums.clear();
        checksum::append(&buffers.data, &mut buffers.sums);
        let header = PacketHeader {
            offset,
            seqno,
            last: false,
            // At most the capacity, which is a u32.
            data_len: u32::try_from(buffers.data.len()).unwrap_or(u32::MAX),
            sync,
        };
        Packet {
            header,
            buffers,
            pool: Some(pool),
            _room: Some(room),
        }
    }
}

/// A packet as it is sent. Gives its buffers and its room back when the last reference to it goes.
pub(crate) struct Packet {
    pub(crate) header: PacketHeader,
    buffers: Buffers,
    pool: Option<Arc<Pool<Buffers>>>,
    _room: Option<Room>,
}

impl Packet {
    /// The empty packet that ends a chunk of `len` bytes.
    pub(crate) const fn last(seqno: i64, len: u64) -> Self {
        let header = PacketHeader {
            offset: len,
            seqno,
            last: true,
            data_len: 0,
            sync: false,
        };
        Self {
            header,
            buffers: Buffers::new(),
            pool: None,
            _room: None,
        }
    }

    /// The empty packet that only asks for what was sent before it, up to `offset`, to be brought to the disk.
    pub(crate) const fn sync(seqno: i64, offset: u64) -> Self {
        let header = PacketHeader {
            offset,
            seqno,
            last: false,
            data_len: 0,
            sync: true,
        };
        Self {
            header,
            buffers: Buffers::new(),
            pool: None,
            _room: None,
        }
    }

    /// The empty packet that keeps an idle pipeline alive.
    pub(crate) const fn heartbeat() -> Self {
        Self {
            header: PacketHeader::HEARTBEAT,
            buffers: Buffers::new(),
            pool: None,
            _room: None,
        }
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.buffers.data
    }

    pub(crate) fn sums(&self) -> &[u8] {
        &self.buffers.sums
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give(std::mem::replace(&mut self.buffers, Buffers::new()));
        }
    }
}
