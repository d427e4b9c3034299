//! Bytes from the network, read as every kind of message of the data-transfer protocol, one after the other as a connection
//! would. The first byte of the input chooses the kind; see [`KINDS`].
//!
//! What must hold, beyond not panicking: what is consumed is there; `needed` is more than there is; a value that was
//! decoded, encoded again, decodes to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transfer::{
    DecodeError, Frame, FrameLayout, Message, Op, PipelineAck, Progress, checksum, decode_message,
    encode_frame, encode_message, pb,
};

/// Decodes messages of one kind from the beginning of the bytes, up to the first that is none.
type Kind = fn(&[u8]);

const KINDS: [Kind; 7] = [
    |bytes| each(bytes, |rest| again(rest, Op::decode, Op::encode)),
    |bytes| each(bytes, frame),
    messages::<pb::BlockOpResponseProto>,
    messages::<PipelineAck>,
    messages::<pb::ClientReadStatusProto>,
    messages::<pb::ReleaseShortCircuitAccessResponseProto>,
    messages::<pb::ShortCircuitShmResponseProto>,
];

fuzz_target!(|input: &[u8]| {
    let Some((&kind, bytes)) = input.split_first() else {
        return;
    };
    KINDS[usize::from(kind) % KINDS.len()](bytes);
});

fn messages<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    each(bytes, |rest| again::<M>(rest, decode_message, encode_message));
}

/// Calls `decode` until nothing is left or it decodes nothing; it says how much it has used.
fn each(bytes: &[u8], decode: impl Fn(&[u8]) -> Option<usize>) {
    let mut rest = bytes;
    while let Some(used) = decode(rest) {
        assert!(used > 0);
        rest = &rest[used..];
    }
}

fn again<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<Progress<T>, DecodeError>,
    encode: impl Fn(&T, &mut Vec<u8>),
) -> Option<usize> {
    match decode(bytes) {
        Ok(Progress::Complete(value, used)) => {
            let mut encoded = Vec::new();
            encode(&value, &mut encoded);
            let len = encoded.len();
            assert_eq!(decode(&encoded), Ok(Progress::Complete(value, len)));
            Some(used)
        }
        Ok(Progress::Incomplete { needed }) => {
            assert!(needed > bytes.len());
            None
        }
        Err(_) => None,
    }
}

fn frame(bytes: &[u8]) -> Option<usize> {
    let announced = FrameLayout::frame_len(bytes);
    match Frame::decode(bytes) {
        Ok(Progress::Complete(frame, used)) => {
            assert_eq!(announced, Ok(Progress::Complete(used, 6)));
            let mut encoded = Vec::new();
            encode_frame(&frame.header, frame.sums, frame.data, &mut encoded);
            let len = encoded.len();
            assert_eq!(Frame::decode(&encoded), Ok(Progress::Complete(frame, len)));
            if checksum::verify(frame.data, frame.sums).is_ok() {
                let mut sums = vec![0; checksum::sums_len(frame.data.len())];
                checksum::compute(frame.data, &mut sums);
                assert_eq!(sums, frame.sums);
                let mut composite = checksum::Composite::new();
                assert_eq!(composite.push_sums(&sums, frame.data.len()), Ok(()));
                assert_eq!(composite.crc(), checksum::crc32c(frame.data));
            }
            Some(used)
        }
        Ok(Progress::Incomplete { needed }) => {
            assert!(needed > bytes.len());
            None
        }
        Err(_) => None,
    }
}
