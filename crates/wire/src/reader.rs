//! What comes in.

use env::net::ReadHalf;
use tokio::io::AsyncRead;
use transfer::{DecodeError, FrameLayout, Message, Op, PipelineAck, Progress, decode_message, pb};

use crate::buffer::Buffer;
use crate::{Error, Packet};

/// Bytes that are asked for when nothing is known of what comes.
const AHEAD: usize = 4 << 10;

/// The direction of a connection that reads.
#[derive(Debug)]
pub struct Reader<R = ReadHalf> {
    source: R,
    buffer: Buffer,
    /// The length of the last packet's frame: the next is probably as long. So one read gets a whole frame and, most of
    /// the time, nothing behind it, which would have to be moved.
    likely: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads from `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            buffer: Buffer::default(),
            likely: AHEAD,
        }
    }

    /// The next request; none when the peer has closed the connection and nothing was under way.
    ///
    /// # Errors
    /// When the connection fails or ends in the middle, or what comes is not a request.
    pub async fn read_op(&mut self) -> Result<Option<Op>, Error> {
        match self.read("a request", Op::decode).await {
            Err(Error::Closed { received: 0, .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The answer to a request, whatever its status.
    ///
    /// # Errors
    /// When the connection fails or ends, or what comes is not a response.
    pub async fn read_response(&mut self) -> Result<pb::BlockOpResponseProto, Error> {
        self.read("a response", decode_message).await
    }

    /// The next ack of a pipeline.
    ///
    /// # Errors
    /// When the connection fails or ends, or what comes is not an ack.
    pub async fn read_ack(&mut self) -> Result<PipelineAck, Error> {
        self.read("an ack", decode_message).await
    }

    /// A message of another kind.
    ///
    /// # Errors
    /// When the connection fails or ends, or what comes is not such a message.
    pub async fn read_message<M: Message>(&mut self) -> Result<M, Error> {
        self.read("a message", decode_message).await
    }

    /// The next packet, into `packet`. Its checksums are not verified.
    ///
    /// # Errors
    /// When the connection fails or ends, or what comes is not a packet; then `packet` is as it was.
    pub async fn read_packet(&mut self, packet: &mut Packet) -> Result<(), Error> {
        let layout = loop {
            match FrameLayout::decode(self.buffer.filled())? {
                Progress::Complete(layout, _) => break layout,
                Progress::Incomplete { needed } => self.fill("a packet", needed.max(self.likely)).await?,
            }
        };
        let len = layout.len();
        while self.buffer.filled().len() < len {
            self.fill("a packet", len).await?;
        }
        packet.start = self.buffer.exchange(&mut packet.bytes, len);
        packet.layout = Some(layout);
        self.likely = len;
        Ok(())
    }

    async fn read<T>(
        &mut self,
        what: &'static str,
        decode: impl Fn(&[u8]) -> Result<Progress<T>, DecodeError>,
    ) -> Result<T, Error> {
        loop {
            match decode(self.buffer.filled())? {
                Progress::Complete(value, used) => {
                    self.buffer.consume(used);
                    return Ok(value);
                }
                Progress::Incomplete { needed } => self.fill(what, needed.max(AHEAD)).await?,
            }
        }
    }

    async fn fill(&mut self, what: &'static str, up_to: usize) -> Result<(), Error> {
        match self.buffer.fill(&mut self.source, up_to).await? {
            0 => Err(Error::Closed {
                what,
                received: self.buffer.filled().len(),
            }),
            _ => Ok(()),
        }
    }
}
