//! Connections to datanodes: made, asked and kept, each wait with its limit.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use env::net::Network;
use tokio::time::{Instant, timeout};
use transfer::{Block, LOCAL_FILES_VERSION, Node, Op, base_header, pb};
use types::{DatanodeId, PoolId};

use crate::config::Timeouts;
use crate::error::CAN_NOT_CONNECT;
use crate::neighbours::Neighbours;

/// How long a datanode that failed is asked last and not asked to take data.
const SUSPECT_FOR: Duration = Duration::from_secs(30);

/// How long a datanode may take, at most, to show that it is alive.
const PROBE: Duration = Duration::from_secs(2);

/// Idle connections that are kept for each datanode, where each is a thread, and for how long: less than datanodes do.
const IDLE_MAX: usize = 16;
const IDLE_FOR: Duration = Duration::from_secs(10);

/// A connection with nothing under way.
pub(crate) struct Connection {
    pub(crate) reader: wire::Reader,
    pub(crate) writer: wire::Writer,
}

pub(crate) struct DataPlane {
    pub(crate) network: Network,
    pub(crate) timeouts: Timeouts,
    client: types::ClientId,
    pub(crate) client_name: String,
    pub(crate) neighbours: Neighbours,
    idle: Mutex<HashMap<String, Vec<(Instant, Connection)>>>,
    suspects: Mutex<HashMap<DatanodeId, Instant>>,
}

impl DataPlane {
    pub(crate) fn new(
        network: Network,
        timeouts: Timeouts,
        client: types::ClientId,
        neighbours: Neighbours,
    ) -> Self {
        Self {
            network,
            timeouts,
            client,
            client_name: format!("distrifs-{client}"),
            neighbours,
            idle: Mutex::default(),
            suspects: Mutex::default(),
        }
    }

    /// The header of a request about `block`.
    pub(crate) fn header(&self, block: &Block) -> pb::ClientOperationHeaderProto {
        pb::ClientOperationHeaderProto {
            base_header: self.base_header(block),
            client_name: self.client_name.clone(),
        }
    }

    fn base_header(&self, block: &Block) -> pb::BaseHeaderProto {
        transfer::with_trace(base_header(block), self.trace())
    }

    /// The id of what this task asks for.
    pub(crate) fn trace(&self) -> u64 {
        crate::rpc::trace(self.client).0
    }

    /// The request for the CRC32C of the bytes of a chunk.
    pub(crate) fn checksum_op(&self, block: &Block) -> Op {
        Op::BlockChecksum(pb::OpBlockChecksumProto {
            header: self.base_header(block),
            block_checksum_options: Some(pb::BlockChecksumOptionsProto {
                block_checksum_type: Some(pb::BlockChecksumTypeProto::CompositeCrc.into()),
                stripe_length: None,
            }),
        })
    }

    /// The request for the files of a replica.
    pub(crate) fn files_op(&self, block: &Block) -> Op {
        Op::RequestShortCircuitFds(pb::OpRequestShortCircuitAccessProto {
            header: self.base_header(block),
            max_version: LOCAL_FILES_VERSION,
            slot_id: None,
            supports_receipt_verification: None,
        })
    }

    /// A new connection to `address`.
    pub(crate) async fn connect(&self, address: &str) -> Result<Connection, String> {
        let limit = self.timeouts.connect;
        match timeout(limit, self.network.connect(address)).await {
            Ok(Ok(stream)) => {
                let (reader, writer) = wire::split(stream);
                Ok(Connection { reader, writer })
            }
            Ok(Err(error)) => Err(format!("{CAN_NOT_CONNECT}: {error}")),
            Err(_) => Err(format!(
                "{CAN_NOT_CONNECT} within {}",
                types::format_duration(limit)
            )),
        }
    }

    /// A new connection to who listens at `socket` on this host.
    pub(crate) async fn connect_local(&self, socket: &Path) -> Result<Connection, String> {
        match self.network.connect_local(socket).await {
            Ok(stream) => {
                let (reader, writer) = wire::split(stream);
                Ok(Connection { reader, writer })
            }
            Err(error) => Err(format!("can not connect: {error}")),
        }
    }

    /// An idle connection to `address`, if there is one. It may have been closed meanwhile, which says nothing of the datanode.
    pub(crate) fn idle(&self, address: &str) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(address)?;
        connections.retain(|(since, _)| since.elapsed() < IDLE_FOR);
        connections.pop().map(|(_, connection)| connection)
    }

    /// Keeps a connection with nothing under way for the next request. Those that nobody wanted for a while are closed.
    pub(crate) fn keep(&self, address: &str, mut connection: Connection) {
        connection.reader.rest();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, connections| {
            connections.retain(|(since, _)| since.elapsed() < IDLE_FOR);
            !connections.is_empty()
        });
        let connections = idle.entry(address.to_owned()).or_default();
        if connections.len() < IDLE_MAX {
            connections.push((Instant::now(), connection));
        }
    }

    /// Whether the datanode answers at all, to a question about `block`; if not, why.
    pub(crate) async fn probe(&self, node: &Node, block: &Block) -> Result<(), String> {
        let op = self.checksum_op(block);
        let ask = async {
            let mut connection = self.connect(&node.address()).await?;
            connection
                .writer
                .write_op(&op)
                .await
                .map_err(|error| error.to_string())?;
            connection
                .reader
                .read_response()
                .await
                .map_err(|error| error.to_string())
        };
        match timeout(PROBE.min(self.timeouts.connect), ask).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err("it accepts connections, but does not answer".into()),
        }
    }

    /// The CRC32C of a whole replica, as the datanode puts it together from the sums that it has stored.
    pub(crate) async fn checksum(&self, node: &Node, block: &Block) -> Result<u32, String> {
        let address = node.address();
        let op = self.checksum_op(block);
        let request = async |mut connection: Connection| {
            connection
                .writer
                .write_op(&op)
                .await
                .map_err(|error| error.to_string())?;
            let response = connection
                .reader
                .read_response()
                .await
                .map_err(|error| error.to_string())?;
            Ok::<_, String>((connection, response))
        };
        let limit = self.timeouts.read_stall;
        let answer = async {
            while let Some(connection) = self.idle(&address) {
                if let Ok(answer) = request(connection).await {
                    return Ok(answer);
                }
            }
            request(self.connect(&address).await?).await
        };
        let (connection, response) = timeout(limit, answer)
            .await
            .map_err(|_| format!("no answer within {}", types::format_duration(limit)))??;
        let response = response.accepted().map_err(|refusal| refusal.to_string())?;
        let crc = response
            .composite_crc_value()
            .ok_or("its answer is not a composite checksum")?;
        self.keep(&address, connection);
        Ok(crc)
    }

    /// Remembers that the datanode failed.
    pub(crate) fn suspect(&self, id: DatanodeId) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        suspects.retain(|_, since| since.elapsed() < SUSPECT_FOR);
        suspects.insert(id, Instant::now());
    }

    /// The datanodes that failed a short while ago.
    pub(crate) fn suspects(&self) -> Vec<DatanodeId> {
        let suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = suspects.iter().filter(|(_, since)| since.elapsed() < SUSPECT_FOR);
        fresh.map(|(id, _)| *id).collect()
    }
}

/// A chunk as the data plane names it.
pub(crate) fn block(pool: &PoolId, extent: types::ChunkExtent) -> Block {
    Block {
        pool: pool.clone(),
        chunk: extent.chunk,
        generation: extent.generation,
        len: extent.len,
    }
}
