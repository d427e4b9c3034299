//! The id of the request that a request on the data plane is a part of (`traceInfo` of its header).

use crate::{Op, SmallChunk, pb};

/// `header`, with the id `trace`; 0 is none.
#[must_use]
pub fn with_trace(mut header: pb::BaseHeaderProto, trace: u64) -> pb::BaseHeaderProto {
    header.trace_info = (trace != 0).then(|| pb::DataTransferTraceInfoProto {
        trace_id: Some(trace),
        ..Default::default()
    });
    header
}

/// The id that goes with a request; 0 is none. Who does not know of ids sends none.
#[must_use]
pub fn trace_of(op: &Op) -> u64 {
    let header = match op {
        Op::WriteBlock(op) => &op.header.base_header,
        Op::ReadBlock(op) => &op.header.base_header,
        Op::TransferBlock(op) => &op.header.base_header,
        Op::BlockChecksum(op) => &op.header,
        Op::RequestShortCircuitFds(op) => &op.header,
        Op::WriteSmall(op) => return of_small(&op.chunks, &op.client_name),
        Op::ReadSmall(op) => return of_small(&op.chunks, &op.client_name),
        _ => return 0,
    };
    header
        .trace_info
        .as_ref()
        .and_then(|info| info.trace_id)
        .unwrap_or(0)
}

/// That of all chunks; of several requests at once, that of who asks.
fn of_small(chunks: &[SmallChunk], client: &str) -> u64 {
    let first = chunks.first().map_or(0, SmallChunk::trace_id);
    match chunks.iter().all(|chunk| chunk.trace_id() == first) {
        true if first != 0 => first,
        _ => of_client(client),
    }
}

/// What is asked by a client of our own, where nothing finer is known: half of its id, with which its name ends.
fn of_client(name: &str) -> u64 {
    let digits: Vec<u8> = name.bytes().filter(u8::is_ascii_hexdigit).collect();
    let half = digits.len().checked_sub(16).and_then(|from| digits.get(from..));
    let half = half.and_then(|half| std::str::from_utf8(half).ok());
    half.and_then(|half| u64::from_str_radix(half, 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use types::{ChunkId, Generation};

    use super::*;
    use crate::{Block, base_header};

    #[test]
    fn a_client_is_known_by_half_of_its_id() {
        let client = types::ClientId(0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978);
        assert_eq!(
            of_client(&format!("distrifs-{client}")),
            types::TraceId::of(client).0
        );
        assert_eq!((of_client("me"), of_client("")), (0, 0));
        let chunks = |traces: &[u64]| -> Vec<_> {
            let traced = |&trace| SmallChunk::default().traced(trace);
            traces.iter().map(traced).collect()
        };
        let name = format!("distrifs-{client}");
        assert_eq!(of_small(&chunks(&[7, 7]), &name), 7);
        for mixed in [&[7, 8][..], &[0, 0], &[]] {
            assert_eq!(of_small(&chunks(mixed), &name), of_client(&name));
        }
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let block = Block {
            pool: "BP-1".parse().unwrap(),
            chunk: ChunkId::new(1).unwrap(),
            generation: Generation(1),
            len: 0,
        };
        let op = |trace| {
            Op::BlockChecksum(pb::OpBlockChecksumProto {
                header: with_trace(base_header(&block), trace),
                block_checksum_options: None,
            })
        };
        assert_eq!((trace_of(&op(7)), trace_of(&op(0))), (7, 0));
    }
}
