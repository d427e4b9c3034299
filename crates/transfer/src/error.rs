//! Why bytes are not what they should be.

/// Bytes from a peer that are not a message of the protocol. The connection they came on is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A request of another version, or something else entirely (TLS, SASL, HTTP).
    #[error("data-transfer version {got}, this side speaks {}", crate::VERSION)]
    Version {
        /// The first two bytes.
        got: u16,
    },
    /// A request with an operation that is not known.
    #[error("unknown operation {opcode}")]
    UnknownOp {
        /// The third byte.
        opcode: u8,
    },
    /// A request for something that this system does not serve.
    #[error("operation {opcode} is not supported")]
    UnsupportedOp {
        /// The third byte.
        opcode: u8,
    },
    /// A length beyond the cap of its kind.
    #[error("{what} of {len} bytes, at most {max} are allowed")]
    TooLong {
        /// What was announced.
        what: &'static str,
        /// The announced length in bytes.
        len: u64,
        /// The cap in bytes.
        max: u64,
    },
    /// More fields than any honest message has.
    #[error("{what} has more than {max} fields")]
    TooManyFields {
        /// The message.
        what: &'static str,
        /// The cap.
        max: usize,
    },
    /// A length that runs on for more than ten bytes.
    #[error("{what}: the length is not a varint")]
    Length {
        /// The message.
        what: &'static str,
    },
    /// Bytes that are not Protobuf, or not this message.
    #[error("{what}: malformed")]
    Malformed {
        /// The message.
        what: &'static str,
    },
    /// A field that the protocol requires is not there.
    #[error("{what}: required field {field} is missing")]
    MissingField {
        /// The message.
        what: &'static str,
        /// The number of the field.
        field: u32,
    },
    /// A number that the field can not hold.
    #[error("{what}: {field} can not be {value}")]
    Value {
        /// The message.
        what: &'static str,
        /// The name of the field.
        field: &'static str,
        /// What was received.
        value: i64,
    },
    /// The lengths in a packet contradict each other.
    #[error("packet: payload length {payload_len} does not hold {data_len} bytes of data and their sums")]
    PacketLengths {
        /// The first four bytes.
        payload_len: u32,
        /// What the header says.
        data_len: u32,
    },
}
