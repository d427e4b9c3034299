//! The HDFS data-transfer protocol, version 28, as a sans-IO codec.
//!
//! Bytes in, values out, and back: no sockets, no clock, no tokio. The connections are in the crate `wire`.
//!
//! ```text
//! request   version u16 BE = 28 | opcode u8 | varint length | Op…Proto
//! response  varint length | BlockOpResponseProto
//! packet    payload length i32 BE = 4 + sums + data | header length u16 BE | PacketHeaderProto | sums | data
//!           sums: one CRC32C, 4 bytes BE, for each 512 bytes of data (the last unit may be shorter)
//! ack       varint length | PipelineAckProto
//! ```
//!
//! Two operations are our own, and no program of HDFS sends them: 100 writes, and 101 reads, many small chunks at once
//! ([`small_spans`] tells where each is in the one packet that carries them).
//!
//! # Guarantees
//! - Decoding never panics, whatever the bytes: it gives a value, asks for more ([`Progress::Incomplete`]), or refuses
//!   with a [`DecodeError`]. Bytes that are refused stay refused when more arrive.
//! - What the protocol requires is there: a message without a required field, or with a status, stage or checksum kind
//!   that the protocol does not have, is refused. (Protobuf alone would read an empty response as SUCCESS.)
//! - Memory is bounded before anything is allocated. A request is at most [`OP_BYTES_MAX`] with at most
//!   [`OP_FIELDS_MAX`] fields, a response [`RESPONSE_BYTES_MAX`], an ack [`ACK_BYTES_MAX`], a packet's header
//!   [`PACKET_HEADER_BYTES_MAX`], its data [`PACKET_DATA_BYTES_MAX`](types::limits::PACKET_DATA_BYTES_MAX). The decoded
//!   form of a request takes less than 2 MiB, of anything else less than 256 KiB.
//! - Packet headers and checksums ([`checksum`]) are read, written and verified without allocating.
//!
//! # What it does not do
//! SASL handshakes and encrypted transfer (they begin with other first bytes and are refused as another version),
//! the file descriptors of short-circuit reads (requests and answers are made here; `wire` sends the files), erasure-coded
//! block groups.

mod ack;
mod block;
pub mod checksum;
mod common;
mod error;
mod frame;
mod message;
mod node;
mod op;
mod packet;
pub mod pb;
mod response;
mod schema;
mod small;
mod trace;

pub use ack::{HEARTBEAT_SEQNO, PipelineAck};
pub use block::{Block, InvalidBlock, base_header, client_header};
pub use error::DecodeError;
pub use frame::{Frame, FrameLayout, FramePrefix, encode_frame};
pub use message::{ACK_BYTES_MAX, Message, Progress, RESPONSE_BYTES_MAX, decode_message, encode_message};
pub use node::{InvalidNode, Node};
pub use op::{OP_BYTES_MAX, OP_FIELDS_MAX, Op, Opcode, VERSION};
pub use packet::{PACKET_HEADER_BYTES_MAX, PacketHeader};
pub use response::{LOCAL_FILES_VERSION, Refusal};
pub use small::{SmallChunk, SmallResult, SmallSpan, small_spans};
pub use trace::{trace_of, with_trace};
