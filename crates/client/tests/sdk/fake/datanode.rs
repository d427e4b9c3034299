//! A datanode that keeps replicas in memory and fails as it is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use env::net::{Network, TcpStream};
use transfer::pb::{BlockConstructionStage as Stage, Status};
use transfer::{Block, Op, PacketHeader, PipelineAck, checksum, pb};
use types::{ChunkId, DatanodeId, Generation};

use super::local::Handing;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Replica {
    pub(crate) generation: Generation,
    pub(crate) data: Vec<u8>,
    pub(crate) finalized: bool,
}

/// What goes wrong, once. Offsets are in the chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Refuses to build a pipeline.
    RefuseSetup,
    /// Dies (for good) when it has received so many bytes of a chunk.
    DieAt(usize),
    /// Dies instead of acknowledging the end of a chunk.
    DieAtEnd,
    /// Stops doing anything (for good), but keeps its connections, and accepts new ones.
    HangAt(usize),
    /// Acknowledges a packet with ERROR, and ends the stream.
    ErrorAt(usize),
    /// Says that the replica is corrupt, instead of sending it.
    ReadRefusedAsCorrupt,
    /// Flips a bit of the byte at this offset while sending.
    FlipAt(usize),
    /// Closes the connection instead of sending this byte.
    CloseAt(usize),
    /// Stops sending before this byte.
    StallAt(usize),
    /// Sends the wrong bytes, with good checksums and at the wrong offset.
    SkipAt(usize),
    /// Dies when a request for many small chunks comes, before anything is done.
    DieAtSmall,
    /// Carries such a request out, and closes the connection instead of answering.
    CloseAfterSmall,
    /// Is silent when such a request comes, for good.
    HangAtSmall,
    /// Says of the chunk at this place in such a request that it is corrupt.
    RefuseSmall(usize),
    /// Flips a bit of the first byte of the answer to such a request.
    FlipSmall,
}

/// All datanodes by address, for copies between them.
pub(crate) type Registry = Arc<Mutex<HashMap<String, Arc<Datanode>>>>;

pub(crate) struct Datanode {
    pub(crate) number: usize,
    pub(crate) id: DatanodeId,
    pub(crate) address: String,
    replicas: Mutex<HashMap<ChunkId, Replica>>,
    fault: Mutex<Option<Fault>>,
    dead: AtomicBool,
    hung: AtomicBool,
    /// Offset of every packet with data that came, by chunk.
    pub(crate) received: Mutex<Vec<(ChunkId, u64)>>,
    /// What recoveries kept, by chunk.
    pub(crate) recovered: Mutex<Vec<(ChunkId, Stage, u64)>>,
    /// Of each new chunk, how long it may get by the client's word.
    pub(crate) announced: Mutex<Vec<u64>>,
    pub(crate) heartbeats: AtomicUsize,
    /// How much of which chunk was to be on the disk.
    pub(crate) synced: Mutex<Vec<(ChunkId, u64)>>,
    pub(crate) connections: AtomicUsize,
    /// Requests to read, with their offset.
    pub(crate) reads: Mutex<Vec<u64>>,
    /// Whether it knows requests for many small chunks; else it is as one of before.
    pub(crate) knows_small: AtomicBool,
    /// How many chunks each of them had.
    pub(crate) small: Mutex<Vec<usize>>,
    /// How it hands files over to programs on its host, when it does.
    pub(crate) handing: Mutex<Option<Handing>>,
    registry: Registry,
}

impl Datanode {
    pub(crate) async fn start(number: usize, registry: &Registry) -> Arc<Self> {
        let listener = Network::real().listen("127.0.0.1:0").await.unwrap();
        let node = Arc::new(Self {
            number,
            id: DatanodeId::from_random_bytes([number as u8 + 1; 16]),
            address: listener.local_addr().unwrap().to_string(),
            replicas: Mutex::default(),
            fault: Mutex::default(),
            dead: AtomicBool::new(false),
            hung: AtomicBool::new(false),
            received: Mutex::default(),
            recovered: Mutex::default(),
            announced: Mutex::default(),
            heartbeats: AtomicUsize::new(0),
            synced: Mutex::default(),
            connections: AtomicUsize::new(0),
            reads: Mutex::default(),
            knows_small: AtomicBool::new(false),
            small: Mutex::default(),
            handing: Mutex::default(),
            registry: Arc::clone(registry),
        });
        registry
            .lock()
            .unwrap()
            .insert(node.address.clone(), Arc::clone(&node));
        let server = Arc::clone(&node);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // The dead keep their port: given back to the system, it might be a node of another test in a moment.
                if server.dead.load(Ordering::SeqCst) {
                    continue;
                }
                server.connections.fetch_add(1, Ordering::SeqCst);
                let node = Arc::clone(&server);
                tokio::spawn(async move {
                    let serving = node.serve(stream);
                    tokio::select! {
                        _ = serving => {}
                        // Whatever was under way ends when the node dies.
                        () = node.died() => {}
                    }
                });
            }
        });
        node
    }

    pub(crate) fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    pub(crate) fn replica(&self, chunk: ChunkId) -> Option<Replica> {
        self.replicas.lock().unwrap().get(&chunk).cloned()
    }

    pub(crate) fn store(&self, chunk: ChunkId, generation: Generation, data: &[u8]) {
        let replica = Replica {
            generation,
            data: data.to_vec(),
            finalized: true,
        };
        self.replicas.lock().unwrap().insert(chunk, replica);
    }

    async fn died(&self) {
        while !self.dead.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The fault, if it is one, taken.
    pub(super) async fn small_fault(&self) -> Option<Fault> {
        let due = self.due(|fault| {
            matches!(
                fault,
                Fault::DieAtSmall
                    | Fault::CloseAfterSmall
                    | Fault::HangAtSmall
                    | Fault::RefuseSmall(_)
                    | Fault::FlipSmall
            )
        });
        match due {
            Some(Fault::DieAtSmall) => self.kill(),
            Some(Fault::HangAtSmall) => {
                self.hung.store(true, Ordering::SeqCst);
                self.hang_if_hung().await;
            }
            _ => {}
        }
        due
    }

    /// Takes a replica, unless there is one.
    pub(super) fn put(&self, chunk: ChunkId, replica: Replica) -> bool {
        let mut replicas = self.replicas.lock().unwrap();
        let new = !replicas.contains_key(&chunk);
        replicas.entry(chunk).or_insert(replica);
        new
    }

    async fn hang_if_hung(&self) {
        if self.hung.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// The fault, if `wanted` says that it is due; then it is gone.
    fn due(&self, wanted: impl Fn(Fault) -> bool) -> Option<Fault> {
        self.fault.lock().unwrap().take_if(|fault| wanted(*fault))
    }

    pub(crate) async fn serve(&self, stream: TcpStream) -> Option<()> {
        let (mut reader, mut writer) = wire::split(stream);
        loop {
            let op = reader.read_op().await.ok()??;
            self.hang_if_hung().await;
            match op {
                Op::WriteBlock(op) => self.write(&op, &mut reader, &mut writer).await?,
                Op::ReadBlock(op) => self.read(&op, &mut reader, &mut writer).await?,
                Op::BlockChecksum(op) => {
                    let block = Block::try_from(&op.header.block).unwrap();
                    let response = match self.replica(block.chunk) {
                        Some(replica) if replica.finalized => pb::BlockOpResponseProto::composite_crc(
                            checksum::crc32c(&replica.data),
                            replica.data.len() as u64,
                        ),
                        _ => pb::BlockOpResponseProto::refused(Status::Error, "no such replica"),
                    };
                    writer.write_response(&response).await.ok()?;
                }
                Op::TransferBlock(op) => {
                    let response = self.transfer(&op);
                    writer.write_response(&response).await.ok()?;
                }
                Op::RequestShortCircuitFds(op) => self.hand_over(&op, &mut writer).await?,
                Op::WriteSmall(op) => self.write_small(op, &mut reader, &mut writer).await?,
                Op::ReadSmall(op) => self.read_small(&op, &mut writer).await?,
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    fn transfer(&self, op: &pb::OpTransferBlockProto) -> pb::BlockOpResponseProto {
        let block = Block::try_from(&op.header.base_header.block).unwrap();
        for target in &op.targets {
            let address = transfer::Node::try_from(target).unwrap().address();
            let target = Arc::clone(&self.registry.lock().unwrap()[&address]);
            if target.dead.load(Ordering::SeqCst) {
                return pb::BlockOpResponseProto::bad_link(Status::Error, address, "dead");
            }
            let mut replica = self.replica(block.chunk).unwrap();
            assert!(replica.generation >= block.generation);
            replica.data.truncate(block.len as usize);
            assert_eq!(replica.data.len() as u64, block.len);
            replica.generation = block.generation;
            replica.finalized = false;
            target.replicas.lock().unwrap().insert(block.chunk, replica);
        }
        pb::BlockOpResponseProto::success()
    }

    /// Prepares the replica as the stage says.
    fn prepare(&self, op: &pb::OpWriteBlockProto, block: &Block) -> Result<(), String> {
        let generation = Generation(op.latest_generation_stamp);
        let mut replicas = self.replicas.lock().unwrap();
        if op.stage() == Stage::PipelineSetupCreate {
            self.announced.lock().unwrap().push(block.len);
            let fresh = Replica {
                generation,
                ..Replica::default()
            };
            return match replicas.insert(block.chunk, fresh) {
                None => Ok(()),
                Some(_) => Err("exists".into()),
            };
        }
        self.recovered
            .lock()
            .unwrap()
            .push((block.chunk, op.stage(), op.min_bytes_rcvd));
        let replica = replicas.get_mut(&block.chunk).ok_or("no such replica")?;
        if replica.generation < block.generation || replica.generation >= generation {
            return Err(format!("generation is {}", replica.generation));
        }
        let len = replica.data.len() as u64;
        if len < op.min_bytes_rcvd || len > op.max_bytes_rcvd {
            return Err(format!(
                "{len} bytes, not {}..={}",
                op.min_bytes_rcvd, op.max_bytes_rcvd
            ));
        }
        match op.stage() {
            Stage::PipelineSetupStreamingRecovery if replica.finalized => return Err("is finalized".into()),
            Stage::PipelineSetupStreamingRecovery => replica.data.truncate(op.min_bytes_rcvd as usize),
            Stage::PipelineCloseRecovery if len == op.min_bytes_rcvd => replica.finalized = true,
            other => return Err(format!("{other:?}")),
        }
        replica.generation = generation;
        Ok(())
    }

    async fn write(
        &self,
        op: &pb::OpWriteBlockProto,
        reader: &mut wire::Reader,
        writer: &mut wire::Writer,
    ) -> Option<()> {
        let block = Block::try_from(&op.header.base_header.block).unwrap();
        let refusal = match self.due(|fault| fault == Fault::RefuseSetup) {
            Some(_) => Some("refused by the test".to_owned()),
            None => self.prepare(op, &block).err(),
        };
        if let Some(why) = refusal {
            let response = pb::BlockOpResponseProto::refused(Status::Error, why);
            writer.write_response(&response).await.ok()?;
            return None;
        }
        let mut mirror = None;
        if let Some((next, rest)) = op.targets.split_first() {
            let address = transfer::Node::try_from(next).unwrap().address();
            let onward = pb::OpWriteBlockProto {
                targets: rest.to_vec(),
                ..op.clone()
            };
            match connect_mirror(&address, onward).await {
                Ok(connected) => mirror = Some(connected),
                Err(bad_link) => {
                    let response = pb::BlockOpResponseProto::bad_link(Status::Error, bad_link, "no mirror");
                    writer.write_response(&response).await.ok()?;
                    return None;
                }
            }
        }
        writer
            .write_response(&pb::BlockOpResponseProto::success())
            .await
            .ok()?;
        if op.stage() == Stage::PipelineCloseRecovery {
            return None;
        }
        let mut packet = wire::Packet::new();
        loop {
            reader.read_packet(&mut packet).await.ok()?;
            let header = *packet.header();
            let end = header.end() as usize;
            self.hang_if_hung().await;
            if header.is_heartbeat() {
                self.heartbeats.fetch_add(1, Ordering::SeqCst);
            } else if header.data_len > 0 {
                self.received.lock().unwrap().push((block.chunk, header.offset));
            }
            packet.verify().unwrap();
            if header.sync {
                self.synced.lock().unwrap().push((block.chunk, header.end()));
            }
            let due = |fault| match fault {
                Fault::DieAt(at) | Fault::HangAt(at) | Fault::ErrorAt(at) => {
                    end > at && !header.is_heartbeat()
                }
                Fault::DieAtEnd => header.last,
                _ => false,
            };
            let mut own = Status::Success;
            match self.due(due) {
                Some(Fault::DieAt(_) | Fault::DieAtEnd) => {
                    self.kill();
                    return None;
                }
                Some(Fault::HangAt(_)) => {
                    self.hung.store(true, Ordering::SeqCst);
                    self.hang_if_hung().await;
                }
                Some(Fault::ErrorAt(_)) => own = Status::Error,
                _ => {}
            }
            let mut replies = vec![own];
            if own == Status::Success {
                self.take(&block, &header, packet.data());
            }
            if let Some((mirror_reader, mirror_writer)) = &mut mirror {
                let sent = mirror_writer.write_frame(packet.wire()).await;
                match if sent.is_ok() {
                    mirror_reader.read_ack().await.ok()
                } else {
                    None
                } {
                    Some(ack) => {
                        assert_eq!(ack.seqno, header.seqno);
                        replies.extend(ack.replies);
                    }
                    None => replies.push(Status::Error),
                }
            }
            let over = header.last || replies.iter().any(|reply| *reply != Status::Success);
            writer
                .write_ack(&PipelineAck::new(header.seqno, replies))
                .await
                .ok()?;
            if over {
                return Some(());
            }
        }
    }

    fn take(&self, block: &Block, header: &PacketHeader, data: &[u8]) {
        if header.is_heartbeat() {
            return;
        }
        let mut replicas = self.replicas.lock().unwrap();
        let replica = replicas.get_mut(&block.chunk).unwrap();
        if header.data_len == 0 && !header.last {
            assert!(header.offset as usize <= replica.data.len());
            return;
        }
        let (offset, len) = (header.offset as usize, replica.data.len());
        assert!(
            offset == len || (offset == len - len % 512 && offset + data.len() >= len),
            "node {}: packet at {offset}, {len} bytes are here",
            self.number
        );
        replica.data.truncate(offset);
        replica.data.extend_from_slice(data);
        replica.finalized |= header.last;
    }

    async fn read(
        &self,
        op: &pb::OpReadBlockProto,
        reader: &mut wire::Reader,
        writer: &mut wire::Writer,
    ) -> Option<()> {
        let block = Block::try_from(&op.header.base_header.block).unwrap();
        self.reads.lock().unwrap().push(op.offset);
        let replica = self
            .replica(block.chunk)
            .filter(|replica| replica.generation >= block.generation);
        let refusal = match (self.due(|fault| fault == Fault::ReadRefusedAsCorrupt), &replica) {
            (Some(_), _) => Some((Status::ErrorChecksum, "bad sums on disk")),
            (None, None) => Some((Status::Error, "no such replica")),
            (None, Some(_)) => None,
        };
        if let Some((status, why)) = refusal {
            writer
                .write_response(&pb::BlockOpResponseProto::refused(status, why))
                .await
                .ok()?;
            return Some(());
        }
        let data = replica?.data;
        let end = ((op.offset + op.len) as usize)
            .next_multiple_of(512)
            .min(data.len());
        let mut at = op.offset as usize / 512 * 512;
        writer
            .write_response(&pb::BlockOpResponseProto::reading_from(at as u64))
            .await
            .ok()?;
        let mut seqno = 0;
        while at < end {
            let mut part = data[at..end.min(at + 8192)].to_vec();
            let mut sums = Vec::new();
            checksum::append(&part, &mut sums);
            let within = |offset: usize| (at..at + part.len()).contains(&offset);
            let due = |fault| match fault {
                Fault::FlipAt(at) | Fault::CloseAt(at) | Fault::StallAt(at) | Fault::SkipAt(at) => within(at),
                _ => false,
            };
            let mut header = PacketHeader {
                offset: at as u64,
                seqno,
                last: false,
                data_len: part.len() as u32,
                sync: false,
            };
            match self.due(due) {
                Some(Fault::FlipAt(offset)) => part[offset - at] ^= 1,
                Some(Fault::CloseAt(_)) => return None,
                Some(Fault::StallAt(_)) => std::future::pending::<()>().await,
                Some(Fault::SkipAt(_)) => header.offset += 512,
                _ => {}
            }
            writer.write_packet(&header, &sums, &part).await.ok()?;
            at += part.len();
            seqno += 1;
        }
        let last = PacketHeader {
            offset: at as u64,
            seqno,
            last: true,
            data_len: 0,
            sync: false,
        };
        writer.write_packet(&last, &[], &[]).await.ok()?;
        reader
            .read_message::<pb::ClientReadStatusProto>()
            .await
            .ok()
            .map(drop)
    }
}

/// A connection to the next datanode that is ready for packets; or the address that failed.
async fn connect_mirror(
    address: &str,
    op: pb::OpWriteBlockProto,
) -> Result<(wire::Reader, wire::Writer), String> {
    let stream = Network::real()
        .connect(address)
        .await
        .map_err(|_| address.to_owned())?;
    let (mut reader, mut writer) = wire::split(stream);
    writer
        .write_op(&Op::WriteBlock(Box::new(op)))
        .await
        .map_err(|_| address.to_owned())?;
    let response = reader.read_response().await.map_err(|_| address.to_owned())?;
    match response.accepted() {
        Ok(_) => Ok((reader, writer)),
        Err(refusal) if refusal.bad_link.is_empty() => Err(address.to_owned()),
        Err(refusal) => Err(refusal.bad_link),
    }
}
