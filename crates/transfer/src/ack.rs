//! Acknowledgements of packets, one reply for each datanode of the pipeline.

use crate::message::{ACK_BYTES_MAX, Message, Sealed, Spec, encode_delimited, status};
use crate::{DecodeError, pb, schema};

/// The sequence number of a heartbeat: an empty packet that keeps an idle pipeline alive, and its ack.
pub const HEARTBEAT_SEQNO: i64 = -1;

/// What the datanodes of a pipeline say of one packet.
///
/// # Invariants
/// Where there are flags, there is one for each reply, with the reply's status in its low four bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineAck {
    /// The packet; [`HEARTBEAT_SEQNO`] for a heartbeat.
    pub seqno: i64,
    /// One status for each datanode: first the one that sends this ack, then those behind it, in order.
    pub replies: Vec<pb::Status>,
    /// How long the sender waited for the ack from behind it, in nanoseconds.
    pub downstream_nanos: Option<u64>,
    /// A reply's status in the low four bits, congestion above them; empty when the sender does not tell.
    pub flags: Vec<u32>,
}

impl PipelineAck {
    /// The bits of a flag that repeat the reply's status.
    const STATUS_BITS: u32 = 0xf;

    /// An ack that tells no times and no congestion.
    #[must_use]
    pub const fn new(seqno: i64, replies: Vec<pb::Status>) -> Self {
        Self {
            seqno,
            replies,
            downstream_nanos: None,
            flags: Vec::new(),
        }
    }

    /// Whether every datanode succeeded.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.first_failure().is_none()
    }

    /// The position in the pipeline (0 = the sender) and the status of the first datanode that did not succeed.
    #[must_use]
    pub fn first_failure(&self) -> Option<(usize, pb::Status)> {
        let mut replies = self.replies.iter().copied().enumerate();
        replies.find(|(_, status)| *status != pb::Status::Success)
    }

    /// Whether this answers a heartbeat.
    #[must_use]
    pub const fn is_heartbeat(&self) -> bool {
        self.seqno == HEARTBEAT_SEQNO
    }
}

impl Message for PipelineAck {}

impl Sealed for PipelineAck {
    type Proto = pb::PipelineAckProto;
    const SPEC: Spec = Spec::new(&schema::ACK, ACK_BYTES_MAX, ACK_BYTES_MAX);

    fn from_proto(proto: pb::PipelineAckProto) -> Result<Self, DecodeError> {
        let what = schema::ACK.what;
        let replies: Vec<_> = proto
            .reply
            .iter()
            .map(|&reply| status(what, reply))
            .collect::<Result<_, _>>()?;
        if !proto.flag.is_empty() {
            let agree = proto.flag.len() == replies.len()
                && std::iter::zip(&proto.flag, &replies)
                    .all(|(flag, reply)| i32::try_from(flag & Self::STATUS_BITS) == Ok(*reply as i32));
            if !agree {
                return Err(DecodeError::Malformed { what });
            }
        }
        Ok(Self {
            seqno: proto.seqno,
            replies,
            downstream_nanos: proto.downstream_ack_time_nanos,
            flags: proto.flag,
        })
    }

    fn encode_proto(&self, out: &mut Vec<u8>) {
        let proto = pb::PipelineAckProto {
            seqno: self.seqno,
            reply: self.replies.iter().map(|&status| status.into()).collect(),
            downstream_ack_time_nanos: self.downstream_nanos,
            flag: self.flags.clone(),
        };
        encode_delimited(&proto, out);
    }
}
