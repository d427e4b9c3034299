//! The gRPC services: messages in, messages out. What is done is in the modules by concern; here are only the doors.

mod admin;
mod append;
mod attributes;
mod batch;
mod delete;
mod heartbeat;
mod members;
mod membership;
mod message;
mod operations;
mod read;
mod reports;
mod reshape;
mod unfinished;
mod write;

use std::net::IpAddr;
use std::sync::Arc;

use env::net::Peer;
use proto::v1;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;
use types::{Caller, RequestId, TraceId};

use crate::audit::{Audit, Pending, Told as _, name_of};
use crate::core::Core;
use crate::leadership::Lead;
use crate::rejection::Rejection;

pub(crate) use admin::AdminApi;
pub(crate) use operations::OperationsApi;
pub(crate) use write::closed;

/// What clients ask.
pub(crate) struct NamespaceApi {
    core: Arc<Core>,
}

/// What datanodes tell.
pub(crate) struct MembershipApi {
    core: Arc<Core>,
}

impl NamespaceApi {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

impl MembershipApi {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

/// Who asks. Only here is somebody made superuser.
fn caller(core: &Core, message: Option<&v1::Caller>) -> Result<Caller, Rejection> {
    let mut caller = proto::caller(message)?;
    caller.superuser = caller.user == core.config.superuser;
    Ok(caller)
}

/// A change that may be made.
struct Change {
    /// Who asks for it.
    caller: Caller,
    /// Which of their calls it is.
    id: RequestId,
    /// In which lead it began.
    lead: Lead,
}

/// The door of every change: this master leads, and changes are taken.
async fn change(core: &Core, message: Option<&v1::Caller>) -> Result<Change, Rejection> {
    let (caller, id) = (caller(core, message)?, proto::request_id(message)?);
    let lead = core.lead_changes().await?;
    Ok(Change { caller, id, lead })
}

/// The door of every question about the namespace: this master leads, and what is published is up to date.
async fn question(core: &Core, message: Option<&v1::Caller>) -> Result<(Caller, Lead), Rejection> {
    Ok((caller(core, message)?, core.lead().await?))
}

fn answer<T>(result: Result<T, Rejection>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(Status::from)
}

/// Carries out what may be a change, and tells of it with its result.
async fn audited<T>(
    told: Option<Pending>,
    work: impl Future<Output = Result<T, Rejection>>,
) -> Result<Response<T>, Status> {
    let result = work.await;
    let refused = result.as_ref().err().map(|rejection| &rejection.0);
    tracing::debug!(target: "request", refused = refused.map(|detail| detail.message.as_str()), "request");
    if let Some(told) = told {
        told.tell(refused).await;
    }
    answer(result)
}

/// What is logged while something is done that was asked for is a part of this, with `--log-level info,request=debug`.
fn asked(operation: &'static str, caller: Option<&v1::Caller>) -> tracing::Span {
    tracing::debug_span!(
        target: "request",
        "request",
        id = %TraceId(caller.map_or(0, |caller| caller.trace)),
        operation,
        user = caller.map(|caller| caller.user.as_str()),
    )
}

/// The address of the other end of the connection, without its port.
pub(crate) fn peer_host<T>(request: &Request<T>) -> Option<String> {
    peer_address(request).map(|address| address.to_string())
}

/// The same, not written down.
pub(crate) fn peer_address<T>(request: &Request<T>) -> Option<IpAddr> {
    let Peer(address) = request.extensions().get::<Peer>()?;
    address.map(|address| address.ip().to_canonical())
}

macro_rules! calls {
    ($($name:ident: $request:ident => $response:ident, $module:ident;)*) => {
        #[tonic::async_trait]
        impl v1::namespace_server::Namespace for NamespaceApi {
            $(
                async fn $name(
                    &self,
                    request: Request<v1::$request>,
                ) -> Result<Response<v1::$response>, Status> {
                    let told = self.core.audit.of(stringify!($name), &request);
                    let span = asked(stringify!($name), request.get_ref().caller());
                    self.core.activity.saw(self.core.now(), &request);
                    let work = $module::$name(&self.core, request.into_inner());
                    audited(told, work).instrument(span).await
                }
            )*

            async fn batch(&self, request: Request<v1::BatchRequest>) -> Result<Response<v1::BatchResponse>, Status> {
                let (core, audit) = (&self.core, &self.core.audit);
                core.activity.saw_batch(core.now(), &request);
                let told = audit.of_batch(&request);
                let span = asked(name_of(&request.get_ref().operations), request.get_ref().caller.as_ref());
                let work = async {
                    let result = batch::batch(core, request.into_inner()).await;
                    let refused = result.as_ref().err().map(|rejection| rejection.0.message.as_str());
                    tracing::debug!(target: "request", refused, "request");
                    result
                };
                let result = work.instrument(span).await;
                Audit::tell_batch(told, &result).await;
                answer(result)
            }
        }
    };
}

calls! {
    server_info: ServerInfoRequest => ServerInfoResponse, read;
    stat: StatRequest => StatResponse, read;
    list: ListRequest => ListResponse, read;
    locate: LocateRequest => LocateResponse, read;
    content_summary: ContentSummaryRequest => ContentSummaryResponse, read;
    cluster_space: ClusterSpaceRequest => ClusterSpaceResponse, read;
    mkdir: MkdirRequest => MkdirResponse, attributes;
    rename: RenameRequest => RenameResponse, attributes;
    delete: DeleteRequest => DeleteResponse, delete;
    set_mode: SetModeRequest => SetModeResponse, attributes;
    set_owner: SetOwnerRequest => SetOwnerResponse, attributes;
    set_replication: SetReplicationRequest => SetReplicationResponse, attributes;
    set_times: SetTimesRequest => SetTimesResponse, attributes;
    create: CreateRequest => CreateResponse, write;
    append: AppendRequest => AppendResponse, append;
    add_chunk: AddChunkRequest => AddChunkResponse, write;
    append_chunk: AppendChunkRequest => AppendChunkResponse, append;
    abandon_chunk: AbandonChunkRequest => AbandonChunkResponse, write;
    abandon_file: AbandonFileRequest => AbandonFileResponse, write;
    complete: CompleteRequest => CompleteResponse, write;
    sync: SyncRequest => SyncResponse, write;
    recover_lease: RecoverLeaseRequest => RecoverLeaseResponse, write;
    renew_lease: RenewLeaseRequest => RenewLeaseResponse, write;
    truncate: TruncateRequest => TruncateResponse, reshape;
    concat: ConcatRequest => ConcatResponse, reshape;
    bump_generation: BumpGenerationRequest => BumpGenerationResponse, write;
    additional_datanodes: AdditionalDatanodesRequest => AdditionalDatanodesResponse, write;
    update_pipeline: UpdatePipelineRequest => UpdatePipelineResponse, write;
    report_corrupt: ReportCorruptRequest => ReportCorruptResponse, write;
}

#[tonic::async_trait]
impl v1::membership_server::Membership for MembershipApi {
    async fn identity(
        &self,
        _: Request<v1::IdentityRequest>,
    ) -> Result<Response<v1::IdentityResponse>, Status> {
        answer(membership::identity(&self.core))
    }

    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let peer = peer_host(&request);
        answer(membership::register(&self.core, request.into_inner(), peer).await)
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        answer(heartbeat::heartbeat(&self.core, request.into_inner()).await)
    }

    async fn incremental_report(
        &self,
        request: Request<v1::IncrementalReportRequest>,
    ) -> Result<Response<v1::IncrementalReportResponse>, Status> {
        answer(reports::incremental(&self.core, &request.into_inner()))
    }

    async fn fingerprints(
        &self,
        request: Request<v1::FingerprintsRequest>,
    ) -> Result<Response<v1::FingerprintsResponse>, Status> {
        answer(reports::fingerprints(&self.core, &request.into_inner()))
    }

    async fn unfinished(
        &self,
        request: Request<v1::UnfinishedRequest>,
    ) -> Result<Response<v1::UnfinishedResponse>, Status> {
        answer(unfinished::unfinished(&self.core, request.into_inner()).await)
    }

    async fn block_report(
        &self,
        request: Request<Streaming<v1::BlockReportPart>>,
    ) -> Result<Response<v1::BlockReportResponse>, Status> {
        answer(reports::full(&self.core, request.into_inner()).await)
    }
}
