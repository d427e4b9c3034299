//! What comes in.

use std::sync::Arc;

use env::disk::File;
use env::net::ReadHalf;
use tokio::io::AsyncRead;
use transfer::{DecodeError, FrameLayout, Message, Op, PipelineAck, Progress, decode_message, pb};

use crate::buffer::Buffer;
use crate::{Error, Packet};

/// Bytes that are asked for when nothing is known of what comes: a small chunk, with its answer before it and its end behind,
/// comes at once.
const AHEAD: usize = 16 << 10;

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

    /// Nothing will come for a while: memory beyond a little is given back.
    pub fn rest(&mut self) {
        self.likely = AHEAD;
        self.buffer.shrink();
    }

    /// Where it reads from; none when something was received and not read.
    pub(crate) fn into_source(self) -> Option<R> {
        self.buffer.filled().is_empty().then_some(self.source)
    }

    async fn read<T>(
        &mut self,
        what: &'static str,
        decode: impl Fn(&[u8]) -> Result<Progress<T>, DecodeError>,
    ) -> Result<T, Error> {
        self.read_ahead(what, AHEAD, decode).await
    }

    /// Decodes what comes, asking for at least `ahead` bytes at a time.
    async fn read_ahead<T>(
        &mut self,
        what: &'static str,
        ahead: usize,
        decode: impl Fn(&[u8]) -> Result<Progress<T>, DecodeError>,
    ) -> Result<T, Error> {
        loop {
            match decode(self.buffer.filled())? {
                Progress::Complete(value, used) => {
                    self.buffer.consume(used);
                    return Ok(value);
                }
                Progress::Incomplete { needed } => self.fill(what, needed.max(ahead)).await?,
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

impl Reader<ReadHalf> {
    /// The answer to a request for files, and the files, where it is SUCCESS and the connection is one within the machine.
    ///
    /// # Errors
    /// When the connection fails or ends, or what comes is not a response with at least one file.
    pub async fn read_files(&mut self) -> Result<(pb::BlockOpResponseProto, Vec<Arc<dyn File>>), Error> {
        // Not a byte too many: the files come with the next one.
        let response = self.read_ahead("a response", 0, decode_message).await?;
        let response: pb::BlockOpResponseProto = response;
        if response.status != i32::from(pb::Status::Success) {
            return Ok((response, Vec::new()));
        }
        let (_, files) = self.source.receive_files().await?;
        match files.is_empty() {
            true => Err(Error::Closed {
                what: "a file",
                received: 0,
            }),
            false => Ok((response, files)),
        }
    }
}
