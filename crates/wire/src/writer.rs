//! What goes out.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use env::net::WriteHalf;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use transfer::{FramePrefix, Message, Op, PacketHeader, PipelineAck, encode_message, pb};

/// The direction of a connection that writes. Every call hands all it has to the network before it returns.
#[derive(Debug)]
pub struct Writer<W = WriteHalf> {
    sink: W,
    /// The last message that was encoded, for its memory.
    message: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes to `sink`.
    pub fn new(sink: W) -> Self {
        Self {
            sink,
            message: Vec::new(),
        }
    }

    /// Where it writes to.
    pub(crate) fn into_sink(self) -> W {
        self.sink
    }

    /// Sends a request.
    ///
    /// # Errors
    /// As the network answers.
    pub async fn write_op(&mut self, op: &Op) -> io::Result<()> {
        self.message.clear();
        op.encode(&mut self.message);
        self.sink.write_all(&self.message).await
    }

    /// Sends the answer to a request.
    ///
    /// # Errors
    /// As the network answers.
    pub async fn write_response(&mut self, response: &pb::BlockOpResponseProto) -> io::Result<()> {
        self.write_message(response).await
    }

    /// Sends an ack.
    ///
    /// # Errors
    /// As the network answers.
    pub async fn write_ack(&mut self, ack: &PipelineAck) -> io::Result<()> {
        self.write_message(ack).await
    }

    /// Sends a message of another kind.
    ///
    /// # Errors
    /// As the network answers.
    pub async fn write_message<M: Message>(&mut self, message: &M) -> io::Result<()> {
        self.message.clear();
        encode_message(message, &mut self.message);
        self.sink.write_all(&self.message).await
    }

    /// Sends a packet. Neither sums nor data are copied.
    ///
    /// # Errors
    /// As the network answers.
    ///
    /// # Panics
    /// When the header does not agree with `data`: a mistake of the caller.
    pub async fn write_packet(&mut self, header: &PacketHeader, sums: &[u8], data: &[u8]) -> io::Result<()> {
        assert_eq!(
            u64::from(header.data_len),
            data.len() as u64,
            "the header tells the length of the data"
        );
        let prefix = FramePrefix::new(header, sums.len());
        let mut parts = [
            IoSlice::new(prefix.as_bytes()),
            IoSlice::new(sums),
            IoSlice::new(data),
        ];
        write_all_vectored(&mut self.sink, &mut parts).await
    }

    /// Sends the answer to a read, its one packet, and the end, at once.
    ///
    /// # Errors
    /// As the network answers.
    ///
    /// # Panics
    /// When the header does not agree with `data`: a mistake of the caller.
    pub async fn write_whole_read(
        &mut self,
        response: &pb::BlockOpResponseProto,
        header: &PacketHeader,
        sums: &[u8],
        data: &[u8],
    ) -> io::Result<()> {
        assert_eq!(
            u64::from(header.data_len),
            data.len() as u64,
            "the header tells the length of the data"
        );
        self.message.clear();
        encode_message(response, &mut self.message);
        let prefix = FramePrefix::new(header, sums.len());
        let end = PacketHeader {
            offset: header.end(),
            seqno: header.seqno + 1,
            last: true,
            data_len: 0,
            sync: false,
        };
        let end = FramePrefix::new(&end, 0);
        let mut parts = [
            IoSlice::new(&self.message),
            IoSlice::new(prefix.as_bytes()),
            IoSlice::new(sums),
            IoSlice::new(data),
            IoSlice::new(end.as_bytes()),
        ];
        write_all_vectored(&mut self.sink, &mut parts).await
    }

    /// Sends a request and the packet that belongs to it, at once.
    ///
    /// # Errors
    /// As the network answers.
    ///
    /// # Panics
    /// When the header does not agree with `data`: a mistake of the caller.
    pub async fn write_op_with_packet(
        &mut self,
        op: &Op,
        header: &PacketHeader,
        sums: &[u8],
        data: &[u8],
    ) -> io::Result<()> {
        self.message.clear();
        op.encode(&mut self.message);
        self.write_behind_message(header, sums, data).await
    }

    /// Sends an answer and the packet that belongs to it, at once.
    ///
    /// # Errors
    /// As the network answers.
    ///
    /// # Panics
    /// When the header does not agree with `data`: a mistake of the caller.
    pub async fn write_response_with_packet(
        &mut self,
        response: &pb::BlockOpResponseProto,
        header: &PacketHeader,
        sums: &[u8],
        data: &[u8],
    ) -> io::Result<()> {
        self.message.clear();
        encode_message(response, &mut self.message);
        self.write_behind_message(header, sums, data).await
    }

    /// Sends a request, and behind it a packet as it was received ([`Packet::wire`](crate::Packet::wire)).
    ///
    /// # Errors
    /// As the network answers.
    pub async fn write_op_with_frame(&mut self, op: &Op, frame: &[u8]) -> io::Result<()> {
        self.message.clear();
        op.encode(&mut self.message);
        let mut parts = [IoSlice::new(&self.message), IoSlice::new(frame)];
        write_all_vectored(&mut self.sink, &mut parts).await
    }

    /// Sends the message that is encoded, and a packet.
    async fn write_behind_message(
        &mut self,
        header: &PacketHeader,
        sums: &[u8],
        data: &[u8],
    ) -> io::Result<()> {
        assert_eq!(
            u64::from(header.data_len),
            data.len() as u64,
            "the header tells the length of the data"
        );
        let prefix = FramePrefix::new(header, sums.len());
        let mut parts = [
            IoSlice::new(&self.message),
            IoSlice::new(prefix.as_bytes()),
            IoSlice::new(sums),
            IoSlice::new(data),
        ];
        write_all_vectored(&mut self.sink, &mut parts).await
    }

    /// Passes a packet on as it was received ([`Packet::wire`](crate::Packet::wire)).
    ///
    /// # Errors
    /// As the network answers.
    pub async fn write_frame(&mut self, frame: &[u8]) -> io::Result<()> {
        self.sink.write_all(frame).await
    }

    /// Waits until nothing is held back on the way. (TCP holds nothing back.)
    ///
    /// # Errors
    /// As the network answers.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.sink.flush().await
    }

    /// Says that nothing more will come.
    ///
    /// # Errors
    /// As the network answers.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.sink.shutdown().await
    }
}

async fn write_all_vectored<W: AsyncWrite + Unpin>(
    sink: &mut W,
    mut parts: &mut [IoSlice<'_>],
) -> io::Result<()> {
    // Empty parts count for nothing; behind them may be more.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match sink.write_vectored(parts).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => IoSlice::advance_slices(&mut parts, count),
        }
    }
    Ok(())
}

impl Writer<WriteHalf> {
    /// Sends the answer to a request for files, and the files.
    ///
    /// # Errors
    /// As the system answers; `Unsupported` where the connection leads over a network.
    pub async fn write_files(
        &mut self,
        response: &pb::BlockOpResponseProto,
        files: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.write_response(response).await?;
        self.sink.send_files(0, files).await
    }

    /// Whether the connection is one within the machine, over which files can be handed over.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.sink.is_local()
    }

    /// Whether both ends have the same address, or there is only this machine between them.
    #[must_use]
    pub fn stays_on_host(&self) -> bool {
        self.sink.stays_on_host()
    }
}
