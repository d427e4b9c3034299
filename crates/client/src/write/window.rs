//! What a chunk's writer has sent and what was acknowledged of it. Pure.
//!
//! # Invariants
//! - Packets are acknowledged in the order in which they were queued; what is acknowledged is forgotten, so it can never be
//!   sent again.
//! - The first packet that is kept covers the first byte that is not acknowledged: after a repair, sending from there on
//!   leaves no hole.

use std::collections::VecDeque;
use std::sync::Arc;

use super::packet::Packet;

/// An acknowledgement that fits no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OutOfOrder {
    #[error("packet {got} was acknowledged, packet {expected} is next")]
    Other { got: i64, expected: i64 },
    #[error("packet {got} was acknowledged, but was not sent")]
    NotSent { got: i64 },
}

#[derive(Default)]
pub(crate) struct Window {
    /// Queued and not acknowledged, oldest first.
    kept: VecDeque<Arc<Packet>>,
    /// How many of them were sent to the present pipeline.
    sent: usize,
    /// Bytes of the chunk that are acknowledged.
    acknowledged: u64,
    /// Bytes of the chunk that were ever sent.
    sent_to: u64,
    /// How many packets are acknowledged.
    packets: i64,
}

impl Window {
    /// Of a chunk of which all datanodes have `len` bytes.
    pub(crate) fn behind(len: u64) -> Self {
        Self {
            acknowledged: len,
            sent_to: len,
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, packet: Arc<Packet>) {
        self.kept.push_back(packet);
    }

    /// The next packet to send.
    pub(crate) fn next(&self) -> Option<Arc<Packet>> {
        self.kept.get(self.sent).cloned()
    }

    /// The packet of [`next`](Self::next) is being sent.
    pub(crate) fn sending(&mut self) {
        if let Some(packet) = self.kept.get(self.sent) {
            self.sent_to = self.sent_to.max(packet.header.end());
            self.sent += 1;
        }
    }

    /// Every datanode has packet `seqno`.
    pub(crate) fn acknowledge(&mut self, seqno: i64) -> Result<(), OutOfOrder> {
        let Some(packet) = self.kept.front().filter(|_| self.sent > 0) else {
            return Err(OutOfOrder::NotSent { got: seqno });
        };
        let expected = packet.header.seqno;
        if seqno != expected {
            return Err(OutOfOrder::Other { got: seqno, expected });
        }
        self.acknowledged = self.acknowledged.max(packet.header.end());
        self.packets = seqno + 1;
        self.kept.pop_front();
        self.sent -= 1;
        Ok(())
    }

    /// A new pipeline has exactly what is acknowledged: everything that is kept is to be sent again.
    pub(crate) const fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Everything that was written before the chunk's last packet is acknowledged; that one was sent.
    pub(crate) fn only_last_is_out(&self) -> bool {
        self.sent == 1 && self.kept.front().is_some_and(|packet| packet.header.last)
    }

    /// All of the chunk is in one packet, which is not acknowledged.
    pub(crate) fn is_one_packet(&self) -> bool {
        (self.kept.front()).is_some_and(|packet| packet.header.last && packet.header.data_len > 0)
    }

    /// Nothing is waiting for its acknowledgement.
    pub(crate) const fn all_acknowledged(&self) -> bool {
        self.sent == 0
    }

    /// Nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many packets are acknowledged: all before the one of this number.
    pub(crate) const fn packets(&self) -> i64 {
        self.packets
    }

    pub(crate) const fn sent_to(&self) -> u64 {
        self.sent_to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Budget, Pool, Share};
    use crate::write::packet::{Filling, Room};

    async fn packet(seqno: i64, offset: u64, len: usize) -> Arc<Packet> {
        let room = Room {
            _window: None,
            _budget: Budget::new(1 << 20).reserve(&Share::default(), 512).await,
        };
        let mut filling = Filling::new(offset, 4096, &Arc::new(Pool::new(512, 512)), room);
        filling.data().resize(len, 7);
        Arc::new(filling.seal(seqno, false))
    }

    #[tokio::test]
    async fn what_is_acknowledged_is_never_sent_again_and_the_rest_is() {
        let mut window = Window::default();
        for (seqno, offset) in [(0, 0), (1, 1024), (2, 2048)] {
            window.push(packet(seqno, offset, 1024).await);
        }
        assert_eq!(window.acknowledge(0), Err(OutOfOrder::NotSent { got: 0 }));
        window.sending();
        window.sending();
        assert_eq!(
            window.acknowledge(1),
            Err(OutOfOrder::Other { got: 1, expected: 0 })
        );
        window.acknowledge(0).unwrap();
        assert_eq!((window.acknowledged(), window.sent_to()), (1024, 2048));

        window.rewind();
        assert_eq!(window.next().unwrap().header.seqno, 1);
        window.sending();
        assert_eq!(window.next().unwrap().header.seqno, 2);
        window.sending();
        assert!(window.next().is_none());
        window.acknowledge(1).unwrap();
        window.acknowledge(2).unwrap();
        assert!(window.is_empty());
    }

    #[tokio::test]
    async fn the_end_of_a_chunk_is_known() {
        let mut window = Window::default();
        window.push(packet(0, 0, 100).await);
        window.push(Arc::new(Packet::last(1, 100)));
        window.sending();
        window.sending();
        assert!(!window.only_last_is_out());
        window.acknowledge(0).unwrap();
        assert!(window.only_last_is_out());
        assert_eq!(window.acknowledged(), 100);
        window.rewind();
        assert!(!window.only_last_is_out(), "it was not sent to the new pipeline");
    }

    #[tokio::test]
    async fn a_unit_that_a_flush_cut_is_covered_again() {
        let mut window = Window::default();
        window.push(packet(0, 0, 700).await);
        window.push(packet(1, 512, 1024).await);
        window.sending();
        window.sending();
        window.acknowledge(0).unwrap();
        assert_eq!(window.acknowledged(), 700);
        window.acknowledge(1).unwrap();
        assert_eq!(window.acknowledged(), 1536);
    }
}
