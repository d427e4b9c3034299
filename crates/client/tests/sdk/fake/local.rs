//! A datanode that hands over files, well or badly.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::disk::{Disk, Open, RealDisk};
use env::net::Network;
use transfer::{Block, LOCAL_FILES_VERSION, checksum, pb};
use types::DatanodeId;

use super::Datanode;

/// How files are handed over.
#[derive(Debug, Clone)]
pub(crate) struct Handing {
    /// Where it says that it listens.
    pub(crate) socket: PathBuf,
    /// Who it says that it is.
    pub(crate) id: DatanodeId,
    /// Data and sums in one file, at some place in it.
    pub(crate) packed: bool,
    /// A bit of this byte of the data is wrong.
    pub(crate) flip: Option<usize>,
    /// So many bytes are missing at the end of the data.
    pub(crate) missing: usize,
    /// How many replicas were handed over.
    pub(crate) handed: usize,
}

/// What is before a packed replica in its file.
const BEFORE: usize = 1000;

impl Datanode {
    /// Hands files over from now on, listening in `dir`.
    pub(crate) fn listen_local(self: &Arc<Self>, dir: &Path) {
        let socket = dir.join(format!("{}.sock", self.number));
        let listener = Network::real().listen_local(&socket, 0o600).unwrap();
        *self.handing.lock().unwrap() = Some(Handing {
            socket,
            id: self.id,
            packed: false,
            flip: None,
            missing: 0,
            handed: 0,
        });
        let node = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok(stream) = listener.accept().await {
                let node = Arc::clone(&node);
                tokio::spawn(async move { node.serve(stream).await });
            }
        });
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Handing)) {
        change(self.handing.lock().unwrap().as_mut().unwrap());
    }

    pub(crate) fn handed(&self) -> usize {
        self.handing.lock().unwrap().as_ref().unwrap().handed
    }

    pub(crate) async fn hand_over(
        &self,
        op: &pb::OpRequestShortCircuitAccessProto,
        writer: &mut wire::Writer,
    ) -> Option<()> {
        assert_eq!(op.max_version, LOCAL_FILES_VERSION);
        let handing = self.handing.lock().unwrap().clone();
        let mut refused = pb::BlockOpResponseProto::refused(pb::Status::ErrorUnsupported, "not here");
        let Some(handing) = handing.filter(|_| writer.is_local()) else {
            let handing = self.handing.lock().unwrap().clone();
            refused.local = handing.map(|handing| pb::LocalReplicaProto {
                socket_path: Some(handing.socket.to_string_lossy().into_owned()),
                ..Default::default()
            });
            return writer.write_response(&refused).await.ok();
        };
        let block = Block::try_from(&op.header.block).unwrap();
        let replica = self.replica(block.chunk)?;
        let mut data = replica.data;
        let len = data.len();
        let mut sums = Vec::new();
        checksum::append(&data, &mut sums);
        if let Some(at) = handing.flip.filter(|at| *at < len) {
            data[at] ^= 1;
        }
        data.truncate(len - handing.missing.min(len));
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let file = RealDisk.open(&dir.path().join(name), Open::CreateNew).unwrap();
            file.write_all_at(content, 0).unwrap();
            file
        };
        let (first, last, data_at, sums_at);
        if handing.packed {
            let content = [&vec![7; BEFORE], sums.as_slice(), data.as_slice()].concat();
            first = file("pack", &content);
            last = None;
            (data_at, sums_at) = (BEFORE + sums.len(), BEFORE);
        } else {
            first = file("data", &data);
            last = Some(file("sums", &sums));
            (data_at, sums_at) = (0, 0);
        }
        self.change(|handing| handing.handed += 1);
        let response = pb::BlockOpResponseProto::handing_over(pb::LocalReplicaProto {
            datanode_uuid: Some(handing.id.to_string()),
            socket_path: None,
            generation: Some(replica.generation.as_u64()),
            length: Some(len as u64),
            data_at: Some(data_at as u64),
            sums_at: Some(sums_at as u64),
        });
        let mut files = vec![first.descriptor().unwrap()];
        files.extend(last.as_ref().map(|last| last.descriptor().unwrap()));
        writer.write_files(&response, &files).await.ok()
    }
}
