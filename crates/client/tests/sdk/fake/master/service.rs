//! What it answers to each call.

use proto::v1::admin_server::Admin;
use proto::v1::namespace_server::Namespace;
use proto::v1::{self, ErrorCode, operation, operation_result};
use tonic::{Request, Response, Status};
use types::{ChunkId, Generation};

use super::{File, MIN_REPLICAS, Master, ids, refused, replica};

type Answer<T> = Result<Response<T>, Status>;

impl Master {
    /// One operation of many.
    async fn operation(
        &self,
        caller: Option<v1::Caller>,
        kind: operation::Kind,
    ) -> Result<operation_result::Result, Status> {
        use operation::Kind;
        use operation_result::Result as Done;
        Ok(match kind {
            Kind::Create(mut request) => {
                request.caller = caller;
                Done::Create(self.create(Request::new(request)).await?.into_inner())
            }
            Kind::Complete(mut request) => {
                request.caller = caller;
                Done::Complete(self.complete(Request::new(request)).await?.into_inner())
            }
            Kind::Locate(mut request) => {
                request.caller = caller;
                Done::Locate(self.locate(Request::new(request)).await?.into_inner())
            }
            other => panic!("unexpected {other:?}"),
        })
    }
}

macro_rules! no_admin {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl Admin for Master {
            type BackupStream = tonic::codegen::BoxStream<v1::BackupPart>;

            $(
                async fn $method(&self, _: Request<v1::$request>) -> Answer<v1::$response> {
                    Err(Status::unimplemented(stringify!($method)))
                }
            )*

            async fn backup(&self, _: Request<v1::BackupRequest>) -> Answer<Self::BackupStream> {
                Err(Status::unimplemented("backup"))
            }

            async fn masters(&self, _: Request<v1::MastersRequest>) -> Answer<v1::MastersResponse> {
                self.asked.send_modify(|asked| *asked += 1);
                self.awake().await;
                let says = self.says.lock().unwrap().clone();
                says.map(Response::new).ok_or_else(|| Status::unimplemented("masters"))
            }
        }
    };
}

no_admin! {
    add_master(AddMasterRequest) -> AddMasterResponse;
    remove_master(RemoveMasterRequest) -> RemoveMasterResponse;
    transfer_leadership(TransferLeadershipRequest) -> TransferLeadershipResponse;
    safe_mode_status(SafeModeStatusRequest) -> SafeModeStatusResponse;
    set_safe_mode(SetSafeModeRequest) -> SetSafeModeResponse;
    checkpoint(CheckpointRequest) -> CheckpointResponse;
    ping(PingRequest) -> PingResponse;
}

macro_rules! not_needed {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl Namespace for Master {
            $(
                async fn $method(&self, _: Request<v1::$request>) -> Answer<v1::$response> {
                    Err(Status::unimplemented(stringify!($method)))
                }
            )*

            async fn server_info(&self, _: Request<v1::ServerInfoRequest>) -> Answer<v1::ServerInfoResponse> {
                self.note("server_info", None).await?;
                let cluster = types::ClusterId::from_random_bytes([7; 16]);
                Ok(Response::new(v1::ServerInfoResponse {
                    cluster_id: cluster.to_string(),
                    pool_id: types::PoolId::of(cluster).to_string(),
                    version: "0".into(),
                    replication: 3,
                    chunk_size: 64 << 20,
                    min_replicas: MIN_REPLICAS,
                    lease_soft_limit_ms: 300,
                    superuser: "root".into(),
                }))
            }

            async fn stat(&self, request: Request<v1::StatRequest>) -> Answer<v1::StatResponse> {
                let request = request.into_inner();
                self.note("stat", request.caller.as_ref()).await?;
                let status = self.state().status(&request.path)?;
                Ok(Response::new(v1::StatResponse { status: Some(status) }))
            }

            async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListResponse> {
                let request = request.into_inner();
                self.note("list", request.caller.as_ref()).await?;
                let state = self.state();
                let mut names: Vec<_> = state.files.keys().filter(|name| name[1..] > *request.start_after).collect();
                names.sort();
                let more = names.len() > 2;
                let entries = names.into_iter().take(2).map(|name| state.status(name)).collect::<Result<_, _>>()?;
                Ok(Response::new(v1::ListResponse { entries, more }))
            }

            async fn mkdir(&self, request: Request<v1::MkdirRequest>) -> Answer<v1::MkdirResponse> {
                match self.note("mkdir", request.into_inner().caller.as_ref()).await? {
                    true => Err(Status::unavailable("the connection broke")),
                    false => Ok(Response::new(v1::MkdirResponse {})),
                }
            }

            async fn locate(&self, request: Request<v1::LocateRequest>) -> Answer<v1::LocateResponse> {
                let request = request.into_inner();
                self.note("locate", request.caller.as_ref()).await?;
                let mut state = self.state();
                let status = state.status(&request.path)?;
                let mut offset = 0;
                let mut chunks = Vec::new();
                for chunk in state.files[&request.path].chunks.clone() {
                    let nodes: Vec<_> = match state.located.get_mut(&chunk.extent.chunk) {
                        Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
                        Some(answers) => answers[0].clone(),
                        None => (0..state.nodes.len()).filter(|n| chunk.nodes.contains(&state.nodes[*n].id)).collect(),
                    };
                    if offset + chunk.extent.len > request.offset && chunks.len() < 2 {
                        chunks.push(v1::LocatedChunk {
                            extent: Some(proto::wire_extent(chunk.extent)),
                            offset,
                            replicas: nodes.into_iter().map(|n| replica(&state.nodes[n])).collect(),
                            token: Default::default(),
                            open: false,
                        });
                    }
                    offset += chunk.extent.len;
                }
                Ok(Response::new(v1::LocateResponse { status: Some(status), chunks }))
            }

            async fn create(&self, request: Request<v1::CreateRequest>) -> Answer<v1::CreateResponse> {
                let request = request.into_inner();
                self.note("create", request.caller.as_ref()).await?;
                let mut state = self.state();
                let inode = 100 + state.files.len() as u64;
                let file = File {
                    inode,
                    complete: false,
                    chunk_size: request.chunk_size,
                    replication: request.replication,
                    chunks: Vec::new(),
                };
                state.files.insert(request.path, file);
                let mut answer = v1::CreateResponse {
                    inode,
                    replication: request.replication,
                    chunk_size: request.chunk_size,
                    ..Default::default()
                };
                if request.with_chunk && state.batches {
                    let (wanted, required) = (request.replication, MIN_REPLICAS.min(request.replication));
                    let nodes = state.choose(wanted as usize, required as usize, &ids(&request.exclude));
                    let nodes = nodes.unwrap_or_default();
                    answer.extent = Some(proto::wire_extent(state.push_chunk(inode, &nodes)?));
                    answer.targets = nodes.iter().map(|node| replica(node)).collect();
                }
                Ok(Response::new(answer))
            }

            async fn batch(&self, request: Request<v1::BatchRequest>) -> Answer<v1::BatchResponse> {
                let request = request.into_inner();
                if !self.state().batches {
                    return Err(Status::unimplemented("batch"));
                }
                let lost = self.note("batch", request.caller.as_ref()).await?;
                self.state().batched.push(request.operations.len());
                let mut results = Vec::new();
                for operation in request.operations {
                    let caller = Some(v1::Caller {
                        call_id: operation.call_id,
                        ..request.caller.clone().unwrap()
                    });
                    let result = self.operation(caller, operation.kind.unwrap()).await;
                    let result = result.unwrap_or_else(|status| {
                        operation_result::Result::Error(proto::detail_of(&status).unwrap())
                    });
                    results.push(v1::OperationResult { result: Some(result) });
                }
                match lost {
                    true => Err(Status::unavailable("the connection broke")),
                    false => Ok(Response::new(v1::BatchResponse { results })),
                }
            }

            async fn sync(&self, request: Request<v1::SyncRequest>) -> Answer<v1::SyncResponse> {
                let request = request.into_inner();
                self.note("sync", request.caller.as_ref()).await?;
                let mut state = self.state();
                state.commit(request.inode, &request.written)?;
                if let Some(open) = request.open {
                    let chunk = state.chunk(request.inode, open.chunk)?;
                    assert_eq!(chunk.extent.generation.as_u64(), open.generation);
                    chunk.extent.len = open.length;
                }
                Ok(Response::new(v1::SyncResponse {}))
            }

            async fn add_chunk(&self, request: Request<v1::AddChunkRequest>) -> Answer<v1::AddChunkResponse> {
                let request = request.into_inner();
                self.note("add_chunk", request.caller.as_ref()).await?;
                let mut state = self.state();
                state.commit(request.inode, &request.written)?;
                let exclude = ids(&request.exclude);
                state.excluded.push(exclude.clone());
                let replication = state.file(request.inode)?.replication;
                let nodes =
                    state.choose(replication as usize, MIN_REPLICAS.min(replication) as usize, &exclude)?;
                let extent = state.push_chunk(request.inode, &nodes)?;
                Ok(Response::new(v1::AddChunkResponse {
                    extent: Some(proto::wire_extent(extent)),
                    targets: nodes.iter().map(|node| replica(node)).collect(),
                    token: Default::default(),
                }))
            }

            async fn abandon_chunk(
                &self,
                request: Request<v1::AbandonChunkRequest>,
            ) -> Answer<v1::AbandonChunkResponse> {
                let request = request.into_inner();
                self.note("abandon_chunk", request.caller.as_ref()).await?;
                let mut state = self.state();
                let file = state.file(request.inode)?;
                file.chunks.retain(|chunk| chunk.extent.chunk.as_u64() != request.chunk);
                Ok(Response::new(v1::AbandonChunkResponse {}))
            }

            async fn abandon_file(
                &self,
                request: Request<v1::AbandonFileRequest>,
            ) -> Answer<v1::AbandonFileResponse> {
                let request = request.into_inner();
                self.note("abandon_file", request.caller.as_ref()).await?;
                let mut state = self.state();
                state.file(request.inode)?;
                state.files.retain(|_, file| file.inode != request.inode);
                Ok(Response::new(v1::AbandonFileResponse {}))
            }

            async fn complete(&self, request: Request<v1::CompleteRequest>) -> Answer<v1::CompleteResponse> {
                let request = request.into_inner();
                self.note("complete", request.caller.as_ref()).await?;
                let mut state = self.state();
                state.commit(request.inode, &request.written)?;
                let file = state.file(request.inode)?;
                if !file.chunks.iter().all(|chunk| chunk.acknowledged) {
                    return Err(refused(ErrorCode::Invalid, "a chunk is not acknowledged"));
                }
                file.chunks.retain(|chunk| chunk.extent.len > 0);
                file.complete = true;
                let path = state.files.iter().find(|(_, file)| file.inode == request.inode).unwrap().0.clone();
                let status = state.status(&path)?;
                Ok(Response::new(v1::CompleteResponse { status: Some(status) }))
            }

            async fn renew_lease(&self, request: Request<v1::RenewLeaseRequest>) -> Answer<v1::RenewLeaseResponse> {
                self.note("renew_lease", request.into_inner().caller.as_ref()).await?;
                Ok(Response::new(v1::RenewLeaseResponse {}))
            }

            async fn bump_generation(
                &self,
                request: Request<v1::BumpGenerationRequest>,
            ) -> Answer<v1::BumpGenerationResponse> {
                let request = request.into_inner();
                self.note("bump_generation", request.caller.as_ref()).await?;
                let mut state = self.state();
                let chunk = state.chunk(request.inode, request.chunk)?;
                chunk.highest += 1;
                Ok(Response::new(v1::BumpGenerationResponse {
                    generation: chunk.highest,
                    token: Default::default(),
                }))
            }

            async fn additional_datanodes(
                &self,
                request: Request<v1::AdditionalDatanodesRequest>,
            ) -> Answer<v1::AdditionalDatanodesResponse> {
                let request = request.into_inner();
                self.note("additional_datanodes", request.caller.as_ref()).await?;
                let mut exclude = ids(&request.exclude);
                exclude.extend(ids(&request.existing));
                let count = request.count as usize;
                let nodes = self.state().choose(count, count, &exclude)?;
                Ok(Response::new(v1::AdditionalDatanodesResponse {
                    targets: nodes.iter().map(|node| replica(node)).collect(),
                }))
            }

            async fn update_pipeline(
                &self,
                request: Request<v1::UpdatePipelineRequest>,
            ) -> Answer<v1::UpdatePipelineResponse> {
                let request = request.into_inner();
                self.note("update_pipeline", request.caller.as_ref()).await?;
                let mut state = self.state();
                let chunk = state.chunk(request.inode, request.chunk)?;
                assert!(request.generation <= chunk.highest);
                chunk.extent.generation = Generation(request.generation);
                chunk.nodes = ids(&request.datanodes);
                Ok(Response::new(v1::UpdatePipelineResponse {}))
            }

            async fn report_corrupt(
                &self,
                request: Request<v1::ReportCorruptRequest>,
            ) -> Answer<v1::ReportCorruptResponse> {
                let request = request.into_inner();
                let node = proto::datanode_id(&request.datanode_id).unwrap();
                self.state().corrupt.push((ChunkId::new(request.chunk).unwrap(), node));
                Ok(Response::new(v1::ReportCorruptResponse {}))
            }
        }
    };
}

not_needed! {
    content_summary(ContentSummaryRequest) -> ContentSummaryResponse;
    cluster_space(ClusterSpaceRequest) -> ClusterSpaceResponse;
    rename(RenameRequest) -> RenameResponse;
    delete(DeleteRequest) -> DeleteResponse;
    set_mode(SetModeRequest) -> SetModeResponse;
    set_owner(SetOwnerRequest) -> SetOwnerResponse;
    set_replication(SetReplicationRequest) -> SetReplicationResponse;
    set_times(SetTimesRequest) -> SetTimesResponse;
    append(AppendRequest) -> AppendResponse;
    recover_lease(RecoverLeaseRequest) -> RecoverLeaseResponse;
    append_chunk(AppendChunkRequest) -> AppendChunkResponse;
    truncate(TruncateRequest) -> TruncateResponse;
    concat(ConcatRequest) -> ConcatResponse;
}
