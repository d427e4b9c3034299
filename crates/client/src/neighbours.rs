//! Datanodes on this host, which hand over the files of their replicas.
//!
//! Whether a datanode is on this host is asked once: over the network, when both ends of the connection have the same address;
//! its answer says where it listens for programs on its host. What fails on that way (no such path here, as in another
//! container; no permission; another datanode) is remembered for a while, and all goes over the network as it always may.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use transfer::{Block, Node, Op, pb};
use types::DatanodeId;

use crate::dataplane::{Connection, DataPlane};
use crate::read::LocalReplica;

/// How long a datanode that hands nothing over is not asked again.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Replicas whose files are open at once, of all files together; each may take two descriptors.
const REPLICAS_MAX: usize = 128;

/// What is known of a datanode.
#[derive(Debug, Clone)]
enum Way {
    /// It listens there for programs on this host.
    Socket(PathBuf),
    /// It is not to be asked before then.
    Network(Instant),
}

/// What is known of the datanodes.
pub(crate) struct Neighbours {
    wanted: bool,
    ways: Mutex<HashMap<DatanodeId, Way>>,
    /// Hosts, and whether they are this one.
    hosts: Mutex<HashMap<String, bool>>,
    open: Arc<Semaphore>,
}

/// Why there are no files.
enum Refused {
    /// Of this replica.
    Replica(String),
    /// Of any of this datanode.
    Datanode(String),
}

impl Neighbours {
    /// None is asked unless it is `wanted`.
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            ways: Mutex::default(),
            hosts: Mutex::default(),
            open: Arc::new(Semaphore::new(REPLICAS_MAX)),
        }
    }

    fn ways(&self) -> MutexGuard<'_, HashMap<DatanodeId, Way>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to the datanode; none when that is not known.
    fn way(&self, id: DatanodeId) -> Option<Way> {
        let mut ways = self.ways();
        match ways.get(&id)? {
            Way::Network(until) if *until <= Instant::now() => {
                ways.remove(&id);
                None
            }
            way => Some(way.clone()),
        }
    }

    fn learned(&self, id: DatanodeId, way: Way) {
        self.ways().insert(id, way);
    }
}

impl DataPlane {
    /// Whether `host` is this one.
    pub(crate) fn is_here(&self, host: &str) -> bool {
        let mut hosts = (self.neighbours.hosts.lock()).unwrap_or_else(PoisonError::into_inner);
        match hosts.get(host) {
            Some(here) => *here,
            None => {
                let here = self.network.is_here(host);
                hosts.insert(host.to_owned(), here);
                here
            }
        }
    }

    /// The replica of `block` at `node`, to be read from its files; none where these are not to be had, whatever the reason.
    pub(crate) async fn local_replica(&self, node: &Node, block: &Block) -> Option<LocalReplica> {
        if !self.neighbours.wanted {
            return None;
        }
        let socket = match self.neighbours.way(node.id) {
            Some(Way::Socket(socket)) => socket,
            Some(Way::Network(_)) => return None,
            None => match self.discover(node, block).await {
                Ok(socket) => {
                    self.neighbours.learned(node.id, Way::Socket(socket.clone()));
                    socket
                }
                Err(why) => {
                    tracing::debug!(datanode = %node.address(), why, "read over the network");
                    let until = Instant::now() + REFUSED_FOR;
                    self.neighbours.learned(node.id, Way::Network(until));
                    return None;
                }
            },
        };
        let permit = Arc::clone(&self.neighbours.open).try_acquire_owned().ok()?;
        match timeout(self.timeouts.connect, self.hand_over(node, block, &socket)).await {
            Ok(Ok(replica)) => Some(replica.counted(permit)),
            Ok(Err(Refused::Replica(why))) => {
                tracing::debug!(datanode = %node.address(), why, "a replica is read over the network");
                None
            }
            Ok(Err(Refused::Datanode(why))) => {
                tracing::info!(datanode = %node.address(), socket = %socket.display(), why, "read over the network");
                let until = Instant::now() + REFUSED_FOR;
                self.neighbours.learned(node.id, Way::Network(until));
                None
            }
            Err(_) => {
                let until = Instant::now() + REFUSED_FOR;
                self.neighbours.learned(node.id, Way::Network(until));
                None
            }
        }
    }

    /// Asks over the network where the datanode listens for programs on its host.
    async fn discover(&self, node: &Node, block: &Block) -> Result<PathBuf, String> {
        let address = node.address();
        let mut connection = self.connect(&address).await?;
        if !connection.writer.stays_on_host() {
            self.keep(&address, connection);
            return Err("it is on another host".into());
        }
        let asking = async {
            connection.writer.write_op(&self.files_op(block)).await?;
            connection.reader.read_response().await
        };
        let answer = timeout(self.timeouts.connect, asking)
            .await
            .map_err(|_| "it does not answer".to_owned())?
            .map_err(|error| error.to_string())?;
        self.keep(&address, connection);
        let socket = answer.local.and_then(|local| local.socket_path);
        socket
            .map(PathBuf::from)
            .ok_or_else(|| "it has no socket for programs on its host".into())
    }

    /// Asks for the files of a replica.
    async fn hand_over(&self, node: &Node, block: &Block, socket: &Path) -> Result<LocalReplica, Refused> {
        // Kept connections to a socket and to an address are told apart by their names.
        let name = socket.to_string_lossy();
        let op = self.files_op(block);
        while let Some(mut connection) = self.idle(&name) {
            if let Ok(answer) = ask(&mut connection, &op).await {
                self.keep(&name, connection);
                return accept(node, block, answer);
            }
        }
        let failed = |error: &dyn std::fmt::Display| Refused::Datanode(error.to_string());
        let mut connection = self.connect_local(socket).await.map_err(|error| failed(&error))?;
        let answer = ask(&mut connection, &op).await.map_err(|error| failed(&error))?;
        self.keep(&name, connection);
        accept(node, block, answer)
    }
}

type Answer = (pb::BlockOpResponseProto, Vec<Arc<dyn env::disk::File>>);

async fn ask(connection: &mut Connection, op: &Op) -> Result<Answer, wire::Error> {
    connection.writer.write_op(op).await?;
    connection.reader.read_files().await
}

/// What an answer gives, when it is from `node` and fits `block`.
fn accept(node: &Node, block: &Block, (response, files): Answer) -> Result<LocalReplica, Refused> {
    let response = response.accepted().map_err(|refusal| match refusal.status {
        pb::Status::ErrorUnsupported => Refused::Datanode(refusal.to_string()),
        _ => Refused::Replica(refusal.to_string()),
    })?;
    let local = response
        .local
        .ok_or_else(|| Refused::Datanode("it does not say what it hands over".into()))?;
    let id = local.datanode_uuid.unwrap_or_default();
    if id != node.id.to_string() {
        return Err(Refused::Datanode(format!("it is datanode {id}, not {}", node.id)));
    }
    let (Some(generation), Some(len), Some(data_at), Some(sums_at)) =
        (local.generation, local.length, local.data_at, local.sums_at)
    else {
        return Err(Refused::Datanode("it does not say what it hands over".into()));
    };
    if generation < block.generation.as_u64() {
        return Err(Refused::Replica(format!("it is of generation {generation}")));
    }
    LocalReplica::new(files, len, data_at, sums_at).ok_or_else(|| Refused::Datanode("no files came".into()))
}
