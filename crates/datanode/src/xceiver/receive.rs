//! Packets come in: checked, passed on, written, in this order.
//!
//! # Guarantee
//! A packet that was passed on whole is written, also when a recovery stops the stream: there is no wait in between. So a
//! datanode has received what those behind it have, as long as it lives.

use std::time::Duration;

use chunkstore::WriteError;
use tokio::sync::mpsc;
use tokio::time::Instant;
use transfer::{PacketHeader, pb};
use wire::{Packet, Reader, Writer};

use super::ack::Pending;
use super::deadline::{Lost, within};
use crate::replicas::Replicas;
use crate::telemetry::Telemetry;
use crate::writing::Claim;

/// A stream of packets into a replica.
pub(super) struct Receiver<'a> {
    pub(super) replicas: &'a Replicas,
    pub(super) telemetry: &'a Telemetry,
    pub(super) claim: &'a mut Claim,
    pub(super) upstream: &'a mut Reader,
    /// The next datanode; none once it is lost.
    pub(super) onward: Option<&'a mut Writer>,
    pub(super) limit: Duration,
}

impl Receiver<'_> {
    /// Receives until the last packet, or one that fails here; each goes into `done`.
    ///
    /// # Errors
    /// When the sender is lost. What was received stays as it is.
    pub(super) async fn run(mut self, done: mpsc::Sender<Pending>) -> Result<(), Lost> {
        let mut packet = Packet::new();
        loop {
            within(self.limit, self.upstream.read_packet(&mut packet)).await?;
            let header = *packet.header();
            self.telemetry.received_bytes.inc_by(packet.data().len() as u64);
            let pending = if packet.verify().is_err() {
                self.telemetry.checksum_failures_wire.inc();
                // What is wrong already is not passed on: the datanodes behind would be blamed for it.
                tracing::warn!(offset = header.offset, "a packet came with wrong checksums");
                Pending {
                    seqno: header.seqno,
                    end: 0,
                    own: pb::Status::ErrorChecksum,
                    passed_on: false,
                    last: header.last,
                }
            } else {
                let passed_on = self.pass_on(&packet).await;
                Pending {
                    seqno: header.seqno,
                    end: header.end(),
                    own: self.keep(&header, &packet),
                    passed_on,
                    last: header.last,
                }
            };
            // An error says that nobody acknowledges any more: the other half has ended, and with it soon this.
            let ended = done.send(pending).await.is_err();
            if ended || pending.last || pending.own != pb::Status::Success {
                return Ok(());
            }
        }
    }

    async fn pass_on(&mut self, packet: &Packet) -> bool {
        let Some(onward) = &mut self.onward else {
            return false;
        };
        let passed = within(self.limit, onward.write_frame(packet.wire())).await;
        if let Err(error) = &passed {
            tracing::warn!(%error, "could not pass a packet on");
            // Half a frame may be out: nothing can follow it.
            self.onward = None;
        }
        passed.is_ok()
    }

    /// Writes a packet, and does what it asks for.
    fn keep(&mut self, header: &PacketHeader, packet: &Packet) -> pb::Status {
        if header.is_heartbeat() {
            return pb::Status::Success;
        }
        let kept = write(self.claim, header, packet).and_then(|()| {
            if header.last {
                let begun = Instant::now();
                self.replicas.finalize(self.claim)?;
                self.telemetry.finalizing.observe(begun.elapsed());
            }
            Ok(())
        });
        status_of(kept, self.claim)
    }
}

/// Writes the data of a packet to the replica; syncs when the packet asks for it. The last packet's own sync is the
/// finalizing one.
pub(super) fn write(claim: &mut Claim, header: &PacketHeader, packet: &Packet) -> Result<(), WriteError> {
    let Some(writer) = claim.writer() else {
        return Ok(());
    };
    // Programs of HDFS send the last packet without data. Ours send a small chunk as one packet.
    if header.last && header.data_len == 0 {
        return writer.ends_at(header.offset);
    }
    writer.write(header.offset, packet.data(), packet.sums())?;
    if header.last {
        return writer.ends_at(header.end());
    }
    if header.sync {
        writer.sync()?;
    }
    Ok(())
}

fn status_of(kept: Result<(), WriteError>, claim: &mut Claim) -> pb::Status {
    match kept {
        Ok(()) => pb::Status::Success,
        Err(error) => {
            tracing::warn!(%error, "a packet could not be kept");
            if !error.leaves_the_replica() {
                claim.fail();
            }
            pb::Status::Error
        }
    }
}
