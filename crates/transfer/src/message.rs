//! Length-delimited messages: a varint, then that many bytes of Protobuf.

use crate::schema::{self, Schema};
use crate::{DecodeError, pb, small};

/// Bytes of a response. A message to a user goes in it, nothing longer.
pub const RESPONSE_BYTES_MAX: usize = 32 << 10;

/// Bytes of a pipeline ack: a reply and a flag for each of the most datanodes a pipeline can have.
pub const ACK_BYTES_MAX: usize = 4 << 10;

const _: () = assert!(
    ACK_BYTES_MAX > types::limits::REPLICATION_MAX as usize * 4 + 32,
    "2 bytes for a reply, 2 for a flag"
);

/// What came of decoding the beginning of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<T> {
    /// A value, and how many bytes it took. What follows belongs to the next.
    Complete(T, usize),
    /// So far so good.
    Incomplete {
        /// The bytes that it takes at least, from the beginning: no use to try again with fewer.
        needed: usize,
    },
}

impl<T> Progress<T> {
    /// Changes the value, if there is one.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Progress<U> {
        match self {
            Self::Complete(value, used) => Progress::Complete(change(value), used),
            Self::Incomplete { needed } => Progress::Incomplete { needed },
        }
    }
}

/// A message that travels behind its length.
pub trait Message: Sealed + Sized {}

/// What [`Message`] is made of; outside this crate nobody implements it.
pub trait Sealed: Sized {
    #[doc(hidden)]
    type Proto: prost::Message + Default;
    #[doc(hidden)]
    const SPEC: Spec;
    #[doc(hidden)]
    fn from_proto(proto: Self::Proto) -> Result<Self, DecodeError>;
    #[doc(hidden)]
    fn encode_proto(&self, out: &mut Vec<u8>);
}

/// The limits of a kind of message.
#[derive(Clone, Copy)]
pub struct Spec {
    schema: &'static Schema,
    bytes_max: usize,
    fields_max: usize,
}

impl Spec {
    pub(crate) const fn new(schema: &'static Schema, bytes_max: usize, fields_max: usize) -> Self {
        Self {
            schema,
            bytes_max,
            fields_max,
        }
    }

    /// The bytes of the message at the beginning of `input`, checked but not decoded.
    pub(crate) fn body<'a>(&self, input: &'a [u8]) -> Result<Progress<&'a [u8]>, DecodeError> {
        let what = self.schema.what;
        let Some((len, prefix)) = schema::varint(input).map_err(|_| DecodeError::Length { what })? else {
            return Ok(Progress::Incomplete {
                needed: input.len() + 1,
            });
        };
        let body_len = match usize::try_from(len) {
            Ok(body_len) if body_len <= self.bytes_max => body_len,
            _ => {
                return Err(DecodeError::TooLong {
                    what,
                    len,
                    max: self.bytes_max as u64,
                });
            }
        };
        let end = prefix + body_len;
        let Some(body) = input.get(prefix..end) else {
            return Ok(Progress::Incomplete { needed: end });
        };
        self.schema.check(body, self.fields_max)?;
        Ok(Progress::Complete(body, end))
    }

    /// Decodes the message at the beginning of `input`.
    pub(crate) fn decode<P: prost::Message + Default>(
        &self,
        input: &[u8],
    ) -> Result<Progress<P>, DecodeError> {
        Ok(match self.body(input)? {
            Progress::Complete(body, used) => {
                let what = self.schema.what;
                Progress::Complete(
                    P::decode(body).map_err(|_| DecodeError::Malformed { what })?,
                    used,
                )
            }
            Progress::Incomplete { needed } => Progress::Incomplete { needed },
        })
    }
}

/// Reads the message at the beginning of `input`.
///
/// # Errors
/// When the bytes can not become such a message, whatever follows.
pub fn decode_message<M: Message>(input: &[u8]) -> Result<Progress<M>, DecodeError> {
    Ok(match M::SPEC.decode::<M::Proto>(input)? {
        Progress::Complete(proto, used) => Progress::Complete(M::from_proto(proto)?, used),
        Progress::Incomplete { needed } => Progress::Incomplete { needed },
    })
}

/// Appends `message`, behind its length.
pub fn encode_message<M: Message>(message: &M, out: &mut Vec<u8>) {
    message.encode_proto(out);
}

/// Appends a generated message, behind its length.
pub(crate) fn encode_delimited(proto: &impl prost::Message, out: &mut Vec<u8>) {
    prost::encoding::encode_varint(proto.encoded_len() as u64, out);
    proto.encode_raw(out);
}

/// The status that a number stands for. (The generated getters read an unknown one as SUCCESS.)
pub(crate) fn status(what: &'static str, value: i32) -> Result<pb::Status, DecodeError> {
    pb::Status::try_from(value).map_err(|_| DecodeError::Value {
        what,
        field: "status",
        value: value.into(),
    })
}

/// The kind of a checksum, likewise.
pub(crate) fn checksum_kind(what: &'static str, value: i32) -> Result<(), DecodeError> {
    match pb::ChecksumTypeProto::try_from(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(DecodeError::Value {
            what,
            field: "checksum type",
            value: value.into(),
        }),
    }
}

macro_rules! answers {
    ($($name:ident: $schema:ident;)*) => {$(
        impl Message for pb::$name {}

        impl Sealed for pb::$name {
            type Proto = Self;
            const SPEC: Spec = Spec::new(&schema::$schema, RESPONSE_BYTES_MAX, 64);

            fn from_proto(proto: Self) -> Result<Self, DecodeError> {
                status(schema::$schema.what, proto.status)?;
                Ok(proto)
            }

            fn encode_proto(&self, out: &mut Vec<u8>) {
                encode_delimited(self, out);
            }
        }
    )*};
}

answers! {
    ClientReadStatusProto: CLIENT_READ_STATUS;
    DnTransferAckProto: TRANSFER_ACK;
    ReleaseShortCircuitAccessResponseProto: RELEASE_FDS_RESPONSE;
    ShortCircuitShmResponseProto: SHM_RESPONSE;
}

impl Message for pb::BlockOpResponseProto {}

impl Sealed for pb::BlockOpResponseProto {
    type Proto = Self;
    const SPEC: Spec = Spec::new(&schema::RESPONSE, RESPONSE_BYTES_MAX, 64);

    fn from_proto(proto: Self) -> Result<Self, DecodeError> {
        let what = schema::RESPONSE.what;
        status(what, proto.status)?;
        if let Some(info) = &proto.read_op_checksum_info {
            checksum_kind(what, info.checksum.r#type)?;
        }
        if let Some(kind) = proto
            .checksum_response
            .as_ref()
            .and_then(|response| response.crc_type)
        {
            checksum_kind(what, kind)?;
        }
        if let Some(small) = &proto.small {
            small::check_results(small)?;
        }
        Ok(proto)
    }

    fn encode_proto(&self, out: &mut Vec<u8>) {
        encode_delimited(self, out);
    }
}
