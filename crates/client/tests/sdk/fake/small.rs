//! Requests for many small chunks, at a datanode that keeps replicas in memory.

use std::sync::atomic::Ordering;

use env::net::Network;
use transfer::pb::Status;
use transfer::{Node, Op, PacketHeader, SmallResult, checksum, pb, small_spans};
use types::ChunkExtent;

use super::datanode::Replica;
use super::{Datanode, Fault};

fn result(status: Status, position: u32) -> SmallResult {
    SmallResult { status, position }
}

impl Datanode {
    pub(super) async fn write_small(
        &self,
        mut op: pb::OpWriteSmallProto,
        reader: &mut wire::Reader,
        writer: &mut wire::Writer,
    ) -> Option<()> {
        let mut packet = wire::Packet::new();
        reader.read_packet(&mut packet).await.ok()?;
        if !self.knows_small.load(Ordering::SeqCst) {
            let no = pb::BlockOpResponseProto::refused(Status::ErrorUnsupported, "unknown operation");
            return writer.write_response(&no).await.ok();
        }
        self.small.lock().unwrap().push(op.chunks.len());
        let fault = self.small_fault().await;
        if fault == Some(Fault::DieAtSmall) {
            return None;
        }
        let mut results = Vec::new();
        let spans = small_spans(op.chunks.iter().map(|chunk| chunk.length));
        for (place, (chunk, span)) in op.chunks.iter().zip(spans).enumerate() {
            let extent = ChunkExtent::try_from(chunk).unwrap();
            let (data, sums) = (&packet.data()[span.data], &packet.sums()[span.sums]);
            checksum::verify(data, sums).unwrap();
            let replica = Replica {
                generation: extent.generation,
                data: data.to_vec(),
                finalized: true,
            };
            results.push(if fault == Some(Fault::RefuseSmall(place)) {
                result(Status::ErrorChecksum, 0)
            } else if self.put(extent.chunk, replica) {
                SmallResult::SUCCESS
            } else {
                result(Status::ErrorExists, 0)
            });
        }
        if !op.targets.is_empty() {
            let next = Node::try_from(&op.targets.remove(0)).unwrap().address();
            let behind = pass_on(&next, op, packet.wire()).await;
            let count = results.len();
            let behind = behind.unwrap_or_else(|| vec![result(Status::Error, 0); count]);
            for (own, behind) in results.iter_mut().zip(behind) {
                if own.is_success() && !behind.is_success() {
                    *own = result(behind.status, behind.position + 1);
                }
            }
        }
        if fault == Some(Fault::CloseAfterSmall) {
            return None;
        }
        let response = pb::BlockOpResponseProto::of_small(results);
        writer.write_response(&response).await.ok()
    }

    pub(super) async fn read_small(
        &self,
        op: &pb::OpReadSmallProto,
        writer: &mut wire::Writer,
    ) -> Option<()> {
        if !self.knows_small.load(Ordering::SeqCst) {
            let no = pb::BlockOpResponseProto::refused(Status::ErrorUnsupported, "unknown operation");
            return writer.write_response(&no).await.ok();
        }
        self.small.lock().unwrap().push(op.chunks.len());
        let fault = self.small_fault().await;
        if matches!(fault, Some(Fault::DieAtSmall | Fault::CloseAfterSmall)) {
            return None;
        }
        let (mut results, mut sums, mut data) = (Vec::new(), Vec::new(), Vec::new());
        for (place, chunk) in op.chunks.iter().enumerate() {
            let extent = ChunkExtent::try_from(chunk).unwrap();
            let replica = self.replica(extent.chunk).filter(|replica| {
                replica.data.len() as u64 == extent.len && fault != Some(Fault::RefuseSmall(place))
            });
            results.push(match replica {
                None => result(Status::ErrorChecksum, 0),
                Some(replica) => {
                    checksum::append(&replica.data, &mut sums);
                    data.extend_from_slice(&replica.data);
                    SmallResult::SUCCESS
                }
            });
        }
        if fault == Some(Fault::FlipSmall) {
            data[0] ^= 1;
        }
        let header = PacketHeader {
            offset: 0,
            seqno: 0,
            last: true,
            data_len: data.len() as u32,
            sync: false,
        };
        let response = pb::BlockOpResponseProto::of_small(results);
        writer
            .write_response_with_packet(&response, &header, &sums, &data)
            .await
            .ok()
    }
}

async fn pass_on(address: &str, op: pb::OpWriteSmallProto, frame: &[u8]) -> Option<Vec<SmallResult>> {
    let count = op.chunks.len();
    let stream = Network::real().connect(address).await.ok()?;
    let (mut reader, mut writer) = wire::split(stream);
    writer
        .write_op_with_frame(&Op::WriteSmall(op), frame)
        .await
        .ok()?;
    let response = reader.read_response().await.ok()?.accepted().ok()?;
    response.small_results(count)
}
