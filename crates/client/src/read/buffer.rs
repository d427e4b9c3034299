//! Where bytes are when they have been read.

use std::mem;

/// The memory of one packet: a packet as it came over a connection, or bytes as they came from a file.
#[derive(Default)]
pub(crate) struct ReadBuffer {
    packet: wire::Packet,
    bytes: Vec<u8>,
    from_file: bool,
}

impl ReadBuffer {
    /// The memory, for a packet.
    pub(crate) fn packet(&mut self) -> &mut wire::Packet {
        if mem::take(&mut self.from_file) {
            self.packet = wire::Packet::over(mem::take(&mut self.bytes));
        }
        &mut self.packet
    }

    /// The memory, for bytes: taken out, to be put back with [`ReadBuffer::put`].
    pub(crate) fn take(&mut self) -> Vec<u8> {
        if mem::replace(&mut self.from_file, true) {
            mem::take(&mut self.bytes)
        } else {
            mem::take(&mut self.packet).into_memory()
        }
    }

    /// Bytes that were read.
    pub(crate) fn put(&mut self, bytes: Vec<u8>) {
        self.from_file = true;
        self.bytes = bytes;
    }

    /// What was read.
    pub(crate) fn data(&self) -> &[u8] {
        if self.from_file {
            &self.bytes
        } else {
            self.packet.data()
        }
    }
}
