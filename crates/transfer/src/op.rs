//! Requests: version, operation, message.

use crate::message::{Spec, checksum_kind, encode_delimited};
use crate::{DecodeError, Progress, pb, schema, small};

/// The version of the protocol, the same since 2011.
pub const VERSION: u16 = 28;

/// Bytes of a request's message: a pipeline of 512 datanodes fits.
pub const OP_BYTES_MAX: usize = 192 << 10;

/// Fields in a request's message, at all depths together: 25 for each datanode, 3 beside it, a few to spare, and the rest.
pub const OP_FIELDS_MAX: usize = 32 * types::limits::REPLICATION_MAX as usize + 64;

/// Bytes before the message's length.
const PREFIX: usize = 3;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $proto:ty, $schema:ident, $wrap:expr;)*) => {
        /// The number of an operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Opcode {
            $($(#[$doc])* $name = $code,)*
        }

        impl Opcode {
            /// The operation with the number `code`, when it is one that can be decoded.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The number as it goes over the wire.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }
        }

        impl Op {
            /// Which operation it is.
            #[must_use]
            pub const fn opcode(&self) -> Opcode {
                match self {
                    $(Self::$name(_) => Opcode::$name,)*
                }
            }

            fn decode_body(opcode: Opcode, body: &[u8]) -> Result<Progress<Self>, DecodeError> {
                match opcode {
                    $(Opcode::$name => {
                        let spec = Spec::new(&schema::$schema, OP_BYTES_MAX, OP_FIELDS_MAX);
                        Ok(spec.decode::<$proto>(body)?.map(|message| Self::$name($wrap(message))))
                    })*
                }
            }

            fn encode_body(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name(message) => {
                        let message: &$proto = message;
                        encode_delimited(message, out);
                    })*
                }
            }
        }
    };
}

/// A request. What is in it has the form that the protocol asks for; whether it makes sense is for the datanode to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Write a chunk, and pass it on to the targets.
    WriteBlock(Box<pb::OpWriteBlockProto>),
    /// Read a range of a chunk.
    ReadBlock(pb::OpReadBlockProto),
    /// Take a chunk over from another datanode (HDFS's balancer).
    ReplaceBlock(Box<pb::OpReplaceBlockProto>),
    /// Send a whole chunk (HDFS's balancer).
    CopyBlock(pb::OpCopyBlockProto),
    /// The checksum of a chunk.
    BlockChecksum(pb::OpBlockChecksumProto),
    /// Copy a replica to the targets.
    TransferBlock(pb::OpTransferBlockProto),
    /// Hand over a replica's file descriptors.
    RequestShortCircuitFds(pb::OpRequestShortCircuitAccessProto),
    /// Give a slot back.
    ReleaseShortCircuitFds(pb::ReleaseShortCircuitAccessRequestProto),
    /// Set up shared memory.
    RequestShortCircuitShm(pb::ShortCircuitShmRequestProto),
    /// Keep whole small chunks, and pass them on to the targets. Not of HDFS.
    WriteSmall(pb::OpWriteSmallProto),
    /// Send whole small chunks. Not of HDFS.
    ReadSmall(pb::OpReadSmallProto),
}

operations! {
    /// Write a chunk, and pass it on to the targets.
    WriteBlock = 80, pb::OpWriteBlockProto, WRITE_BLOCK, Box::new;
    /// Read a range of a chunk.
    ReadBlock = 81, pb::OpReadBlockProto, READ_BLOCK, std::convert::identity;
    /// Take a chunk over from another datanode.
    ReplaceBlock = 83, pb::OpReplaceBlockProto, REPLACE_BLOCK, Box::new;
    /// Send a whole chunk.
    CopyBlock = 84, pb::OpCopyBlockProto, COPY_BLOCK, std::convert::identity;
    /// The checksum of a chunk.
    BlockChecksum = 85, pb::OpBlockChecksumProto, BLOCK_CHECKSUM, std::convert::identity;
    /// Copy a replica to the targets.
    TransferBlock = 86, pb::OpTransferBlockProto, TRANSFER_BLOCK, std::convert::identity;
    /// Hand over a replica's file descriptors.
    RequestShortCircuitFds = 87, pb::OpRequestShortCircuitAccessProto, REQUEST_FDS, std::convert::identity;
    /// Give a slot back.
    ReleaseShortCircuitFds = 88, pb::ReleaseShortCircuitAccessRequestProto, RELEASE_FDS, std::convert::identity;
    /// Set up shared memory.
    RequestShortCircuitShm = 89, pb::ShortCircuitShmRequestProto, REQUEST_SHM, std::convert::identity;
    /// Keep whole small chunks, and pass them on to the targets. Not of HDFS.
    WriteSmall = 100, pb::OpWriteSmallProto, WRITE_SMALL, std::convert::identity;
    /// Send whole small chunks. Not of HDFS.
    ReadSmall = 101, pb::OpReadSmallProto, READ_SMALL, std::convert::identity;
}

impl Op {
    /// Reads the request at the beginning of `input`.
    ///
    /// # Errors
    /// When the bytes can not become a request, whatever follows.
    pub fn decode(input: &[u8]) -> Result<Progress<Self>, DecodeError> {
        let mut prefix = input.iter().copied();
        if let (Some(high), Some(low)) = (prefix.next(), prefix.next()) {
            let got = u16::from_be_bytes([high, low]);
            if got != VERSION {
                return Err(DecodeError::Version { got });
            }
        }
        let Some(code) = prefix.next() else {
            return Ok(Progress::Incomplete { needed: PREFIX });
        };
        let opcode = match Opcode::from_code(code) {
            Some(opcode) => opcode,
            // READ_METADATA, BLOCK_GROUP_CHECKSUM, CUSTOM: reserved, erasure coding, private.
            None if matches!(code, 82 | 90 | 127) => return Err(DecodeError::UnsupportedOp { opcode: code }),
            None => return Err(DecodeError::UnknownOp { opcode: code }),
        };
        let body = input.get(PREFIX..).unwrap_or_default();
        Ok(match Self::decode_body(opcode, body)? {
            Progress::Complete(op, used) => {
                op.check()?;
                Progress::Complete(op, PREFIX + used)
            }
            Progress::Incomplete { needed } => Progress::Incomplete {
                needed: PREFIX + needed,
            },
        })
    }

    /// Appends the request.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(VERSION.to_be_bytes());
        out.push(self.opcode().code());
        self.encode_body(out);
    }

    /// The chunk that it is about; none when there may be many.
    #[must_use]
    pub const fn block(&self) -> Option<&pb::ExtendedBlockProto> {
        let header = match self {
            Self::WriteBlock(op) => &op.header.base_header,
            Self::ReadBlock(op) => &op.header.base_header,
            Self::ReplaceBlock(op) => &op.header,
            Self::CopyBlock(op) => &op.header,
            Self::BlockChecksum(op) => &op.header,
            Self::TransferBlock(op) => &op.header.base_header,
            Self::RequestShortCircuitFds(op) => &op.header,
            Self::ReleaseShortCircuitFds(_)
            | Self::RequestShortCircuitShm(_)
            | Self::WriteSmall(_)
            | Self::ReadSmall(_) => return None,
        };
        Some(&header.block)
    }

    /// The name that the client gave itself; empty when a datanode asks.
    #[must_use]
    pub fn client_name(&self) -> &str {
        match self {
            Self::WriteBlock(op) => &op.header.client_name,
            Self::ReadBlock(op) => &op.header.client_name,
            Self::TransferBlock(op) => &op.header.client_name,
            Self::RequestShortCircuitShm(op) => &op.client_name,
            Self::WriteSmall(op) => &op.client_name,
            Self::ReadSmall(op) => &op.client_name,
            _ => "",
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        let op = match self {
            Self::WriteBlock(op) => op,
            Self::WriteSmall(op) => return small::check(schema::WRITE_SMALL.what, &op.chunks),
            Self::ReadSmall(op) => return small::check(schema::READ_SMALL.what, &op.chunks),
            _ => return Ok(()),
        };
        let what = schema::WRITE_BLOCK.what;
        if pb::BlockConstructionStage::try_from(op.stage).is_err() {
            return Err(DecodeError::Value {
                what,
                field: "stage",
                value: op.stage.into(),
            });
        }
        checksum_kind(what, op.requested_checksum.r#type)
    }
}
