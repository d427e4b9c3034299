//! A packet as it was received.

use transfer::{FrameLayout, PacketHeader, checksum};

/// A packet, in the bytes it was received in. Use one over and over: its memory goes back to the reader with the next
/// call of [`Reader::read_packet`](crate::Reader::read_packet).
#[derive(Debug, Default)]
pub struct Packet {
    /// The frame, and before and behind it what the reader left there.
    pub(crate) bytes: Vec<u8>,
    /// Where the frame begins.
    pub(crate) start: usize,
    pub(crate) layout: Option<FrameLayout>,
}

impl Packet {
    /// A packet with nothing in it yet: it looks like a heartbeat.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            layout: None,
        }
    }

    /// A packet with nothing in it yet, that will use this memory.
    #[must_use]
    pub const fn over(memory: Vec<u8>) -> Self {
        Self {
            bytes: memory,
            start: 0,
            layout: None,
        }
    }

    /// The memory alone, whatever is in it.
    #[must_use]
    pub fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &PacketHeader {
        self.layout
            .as_ref()
            .map_or(&PacketHeader::HEARTBEAT, FrameLayout::header)
    }

    /// The sums, 4 bytes each.
    #[must_use]
    pub fn sums(&self) -> &[u8] {
        self.layout
            .and_then(|layout| self.wire().get(layout.sums()))
            .unwrap_or_default()
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.layout
            .and_then(|layout| self.wire().get(layout.data()))
            .unwrap_or_default()
    }

    /// The whole frame as it was received, to be passed on with [`Writer::write_frame`](crate::Writer::write_frame).
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        let len = self.layout.map_or(0, |layout| layout.len());
        self.bytes
            .get(self.start..self.start.saturating_add(len))
            .unwrap_or_default()
    }

    /// Checks the data against the sums.
    ///
    /// # Errors
    /// When a unit does not match, or has no sum.
    pub fn verify(&self) -> Result<(), checksum::Mismatch> {
        checksum::verify(self.data(), self.sums())
    }
}
