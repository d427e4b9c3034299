//! A datanode that does only what the test says.

use proto::v1::membership_client::MembershipClient;
use proto::v1::{self};
use tonic::transport::Channel;
use tonic::{Response, Status};
use types::ChunkExtent;

pub(crate) struct Node {
    pub(crate) n: u8,
    pub(crate) cluster: String,
    pub(crate) members: MembershipClient<Channel>,
}

impl Node {
    pub(crate) fn id(&self) -> bytes::Bytes {
        types::DatanodeId::from_random_bytes([self.n; 16])
            .0
            .as_bytes()
            .to_vec()
            .into()
    }

    pub(crate) fn storage(&self) -> bytes::Bytes {
        types::StorageId::from_random_bytes([self.n; 16])
            .0
            .as_bytes()
            .to_vec()
            .into()
    }

    pub(crate) fn host(&self) -> String {
        format!("node-{}", self.n)
    }

    fn storages(&self, available: u64) -> Vec<v1::StorageStatus> {
        vec![v1::StorageStatus {
            id: self.storage(),
            capacity: 1 << 40,
            available,
            ..v1::StorageStatus::default()
        }]
    }

    pub(crate) async fn register(&self) -> Result<v1::RegisterResponse, Status> {
        let request = v1::RegisterRequest {
            cluster_id: self.cluster.clone(),
            datanode: Some(v1::Datanode {
                id: self.id(),
                host: self.host(),
                data_port: 9866,
                rack: "/default".into(),
            }),
            storages: self.storages(1 << 40),
            ..v1::RegisterRequest::default()
        };
        self.members
            .clone()
            .register(request)
            .await
            .map(Response::into_inner)
    }

    /// Tells what is unfinished here and what came of orders; answers with new orders.
    pub(crate) async fn unfinished(
        &self,
        replicas: &[ChunkExtent],
        answers: Vec<v1::RecoveryAnswer>,
    ) -> Vec<v1::RecoverReplica> {
        let request = v1::UnfinishedRequest {
            datanode_id: self.id(),
            replicas: replicas.iter().copied().map(proto::wire_extent).collect(),
            answers,
        };
        let answer = self.members.clone().unfinished(request).await.unwrap();
        answer.into_inner().recover
    }

    /// Finishes whatever it is ordered to, with the length that is wanted, for ever.
    pub(crate) async fn obey(&self, mut orders: Vec<v1::RecoverReplica>) -> std::convert::Infallible {
        loop {
            let mut answers = Vec::new();
            for order in orders {
                if let Some(len) = order.length {
                    self.received(crate::harness::extent(order.chunk, order.recovery, len))
                        .await;
                }
                answers.push(v1::RecoveryAnswer {
                    chunk: order.chunk,
                    recovery: order.recovery,
                    length: order.length,
                    finished: order.length.is_some(),
                    failure: String::new(),
                    restarted: false,
                });
            }
            orders = self.unfinished(&[], answers).await;
        }
    }

    pub(crate) async fn heartbeat(&self) -> Vec<v1::command::Command> {
        self.heartbeat_with(1 << 40).await
    }

    pub(crate) async fn heartbeat_with(&self, available: u64) -> Vec<v1::command::Command> {
        let answer = self.beat(available).await.unwrap();
        answer
            .commands
            .into_iter()
            .filter_map(|command| command.command)
            .collect()
    }

    /// A heartbeat of one that uses so much of its disk.
    pub(crate) async fn heartbeat_used(&self, used: u64) -> Vec<v1::command::Command> {
        let storages = self.storages((1 << 40) - used).into_iter();
        let request = v1::HeartbeatRequest {
            datanode_id: self.id(),
            storages: storages
                .map(|storage| v1::StorageStatus { used, ..storage })
                .collect(),
            ..Default::default()
        };
        let answer = self
            .members
            .clone()
            .heartbeat(request)
            .await
            .unwrap()
            .into_inner();
        answer
            .commands
            .into_iter()
            .filter_map(|command| command.command)
            .collect()
    }

    /// What is new of the members since a version.
    pub(crate) async fn members(&self, seen: u64) -> Option<v1::MembersUpdate> {
        let request = v1::HeartbeatRequest {
            datanode_id: self.id(),
            members_seen: seen,
            ..Default::default()
        };
        self.members
            .clone()
            .heartbeat(request)
            .await
            .unwrap()
            .into_inner()
            .members
    }

    /// A heartbeat whose answer may be held back for so long.
    pub(crate) async fn wait(&self, patience: std::time::Duration) -> Vec<v1::command::Command> {
        let request = v1::HeartbeatRequest {
            datanode_id: self.id(),
            storages: self.storages(1 << 40),
            patience_ms: u64::try_from(patience.as_millis()).unwrap(),
            ..Default::default()
        };
        let answer = self
            .members
            .clone()
            .heartbeat(request)
            .await
            .unwrap()
            .into_inner();
        answer
            .commands
            .into_iter()
            .filter_map(|command| command.command)
            .collect()
    }

    /// What it has, as sums. The answer is which buckets it is to list, by storage.
    pub(crate) async fn fingerprints(
        &self,
        sums: &types::fingerprint::Fingerprint,
    ) -> Result<Vec<Vec<u32>>, Status> {
        let request = v1::FingerprintsRequest {
            datanode_id: self.id(),
            storages: vec![v1::StorageFingerprint {
                storage_id: self.storage(),
                sums: sums.to_bytes().into(),
            }],
        };
        let answer = self.members.clone().fingerprints(request).await?.into_inner();
        Ok(answer
            .differing
            .into_iter()
            .map(|differing| differing.buckets)
            .collect())
    }

    /// A heartbeat, with the whole answer.
    pub(crate) async fn beat(&self, available: u64) -> Result<v1::HeartbeatResponse, Status> {
        let request = v1::HeartbeatRequest {
            datanode_id: self.id(),
            storages: self.storages(available),
            ..Default::default()
        };
        self.members
            .clone()
            .heartbeat(request)
            .await
            .map(Response::into_inner)
    }

    /// The (chunk, generation)s that the next heartbeat's answer tells it to delete.
    pub(crate) async fn ordered_to_delete(&self) -> Vec<(u64, u64)> {
        let orders = self
            .heartbeat()
            .await
            .into_iter()
            .filter_map(|command| match command {
                v1::command::Command::DeleteReplicas(delete) => Some(delete.replicas),
                _ => None,
            });
        orders
            .flatten()
            .map(|replica| (replica.chunk, replica.generation))
            .collect()
    }

    /// The (chunk, generation)s that the next heartbeat's answer tells it to verify.
    pub(crate) async fn ordered_to_verify(&self) -> Vec<(u64, u64)> {
        let orders = self
            .heartbeat()
            .await
            .into_iter()
            .filter_map(|command| match command {
                v1::command::Command::VerifyReplicas(verify) => Some(verify.replicas),
                _ => None,
            });
        orders
            .flatten()
            .map(|replica| (replica.chunk, replica.generation))
            .collect()
    }

    pub(crate) async fn change(&self, event: v1::ReplicaEvent, extent: ChunkExtent) -> Result<(), Status> {
        let request = v1::IncrementalReportRequest {
            datanode_id: self.id(),
            changes: vec![v1::ReplicaChange {
                event: event.into(),
                storage_id: self.storage(),
                extent: Some(proto::wire_extent(extent)),
            }],
        };
        self.members.clone().incremental_report(request).await.map(drop)
    }

    pub(crate) async fn received(&self, extent: ChunkExtent) {
        self.change(v1::ReplicaEvent::Received, extent).await.unwrap();
    }

    /// A block report, in parts of two replicas.
    pub(crate) async fn report(&self, has: &[ChunkExtent]) -> Result<(), Status> {
        self.report_buckets(&[], has).await
    }

    /// The same, of some buckets.
    pub(crate) async fn report_buckets(&self, buckets: &[u32], has: &[ChunkExtent]) -> Result<(), Status> {
        let part = |some: &[ChunkExtent]| v1::BlockReportPart {
            datanode_id: self.id(),
            storage_id: self.storage(),
            chunks: some.iter().map(|extent| extent.chunk.as_u64()).collect(),
            generations: some.iter().map(|extent| extent.generation.as_u64()).collect(),
            lengths: some.iter().map(|extent| extent.len).collect(),
            last_of_storage: false,
            buckets: buckets.to_vec(),
        };
        let mut parts: Vec<_> = has.chunks(2).map(part).collect();
        parts.push(v1::BlockReportPart {
            last_of_storage: true,
            ..part(&[])
        });
        self.members
            .clone()
            .block_report(tokio_stream::iter(parts))
            .await
            .map(drop)
    }
}
