//! What operators ask and change: how the data is, why, what the datanodes and the background jobs do.
//!
//! The answers come from [`crate::operations`]; here they become messages. Only the leader answers. Changes need the
//! superuser, which the state machine checks, and are taken in safe mode too: a cluster that starts may have to be told of a
//! datanode that will not come.

mod explain;
mod fsck;
mod jobs;
mod message;
mod nodes;

use std::sync::Arc;

use proto::v1;
use tonic::{Request, Response, Status};

use super::{answer, question};
use crate::core::Core;
use crate::operations;
use crate::rejection::Rejection;

/// What operators ask and change.
pub(crate) struct OperationsApi {
    core: Arc<Core>,
}

impl OperationsApi {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl v1::operations_server::Operations for OperationsApi {
    type FsckStream = fsck::Parts;

    async fn health(
        &self,
        request: Request<v1::HealthRequest>,
    ) -> Result<Response<v1::HealthResponse>, Status> {
        answer(health(&self.core, &request.into_inner()).await)
    }

    async fn fsck(&self, request: Request<v1::FsckRequest>) -> Result<Response<fsck::Parts>, Status> {
        answer(fsck::begin(Arc::clone(&self.core), request.into_inner()).await)
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        answer(explain::explain(&self.core, request.into_inner()).await)
    }

    async fn nodes(&self, request: Request<v1::NodesRequest>) -> Result<Response<v1::NodesResponse>, Status> {
        answer(nodes::list(&self.core, &request.into_inner()).await)
    }

    async fn set_node_state(
        &self,
        request: Request<v1::SetNodeStateRequest>,
    ) -> Result<Response<v1::SetNodeStateResponse>, Status> {
        answer(nodes::set_state(&self.core, &request.into_inner()).await)
    }

    async fn remove_node(
        &self,
        request: Request<v1::RemoveNodeRequest>,
    ) -> Result<Response<v1::RemoveNodeResponse>, Status> {
        answer(nodes::remove(&self.core, &request.into_inner()).await)
    }

    async fn jobs(&self, request: Request<v1::JobsRequest>) -> Result<Response<v1::JobsResponse>, Status> {
        answer(jobs::list(&self.core, &request.into_inner()).await)
    }

    async fn set_setting(
        &self,
        request: Request<v1::SetSettingRequest>,
    ) -> Result<Response<v1::SetSettingResponse>, Status> {
        answer(jobs::set(&self.core, request.into_inner()).await)
    }

    async fn rebalance(
        &self,
        request: Request<v1::RebalanceRequest>,
    ) -> Result<Response<v1::RebalanceResponse>, Status> {
        answer(jobs::rebalance(&self.core, &request.into_inner()).await)
    }
}

async fn health(core: &Core, request: &v1::HealthRequest) -> Result<v1::HealthResponse, Rejection> {
    question(core, request.caller.as_ref()).await?;
    let health = operations::health(core);
    let calls = core.telemetry.operations.calls();
    Ok(message::health(health, !core.takes_changes(), calls))
}
