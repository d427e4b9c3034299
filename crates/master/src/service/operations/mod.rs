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

use namespace::Namespace;
use proto::v1;
use tonic::{Request, Response, Status};
use types::{Caller, FsPath};

use super::{answer, audited, question};
use crate::activity::Hot;
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

    async fn activity(
        &self,
        request: Request<v1::ActivityRequest>,
    ) -> Result<Response<v1::ActivityResponse>, Status> {
        answer(activity(&self.core, &request.into_inner()).await)
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
        let told = self.core.audit.of("set_node_state", &request);
        let request = request.into_inner();
        audited(told, nodes::set_state(&self.core, &request)).await
    }

    async fn remove_node(
        &self,
        request: Request<v1::RemoveNodeRequest>,
    ) -> Result<Response<v1::RemoveNodeResponse>, Status> {
        let told = self.core.audit.of("remove_node", &request);
        let request = request.into_inner();
        audited(told, nodes::remove(&self.core, &request)).await
    }

    async fn jobs(&self, request: Request<v1::JobsRequest>) -> Result<Response<v1::JobsResponse>, Status> {
        answer(jobs::list(&self.core, &request.into_inner()).await)
    }

    async fn set_setting(
        &self,
        request: Request<v1::SetSettingRequest>,
    ) -> Result<Response<v1::SetSettingResponse>, Status> {
        let told = self.core.audit.of("set_setting", &request);
        audited(told, jobs::set(&self.core, request.into_inner())).await
    }

    async fn rebalance(
        &self,
        request: Request<v1::RebalanceRequest>,
    ) -> Result<Response<v1::RebalanceResponse>, Status> {
        let told = self.core.audit.of("rebalance", &request);
        let request = request.into_inner();
        audited(told, jobs::rebalance(&self.core, &request)).await
    }
}

/// Clients, and directories, that are told.
const HOT: usize = 10;

async fn activity(core: &Core, request: &v1::ActivityRequest) -> Result<v1::ActivityResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let (clients, directories) = core.activity.hottest(core.now(), HOT);
    let directories = seen_by(&core.machine.read(), &caller, directories);
    let wire = |hot: Hot| {
        let hot = hot.into_iter();
        hot.map(|(name, calls_per_s)| v1::Hot { name, calls_per_s })
            .collect()
    };
    Ok(v1::ActivityResponse {
        clients: wire(clients),
        directories: wire(directories),
    })
}

/// The directories that the caller may know of: those that are told anything about.
fn seen_by(namespace: &Namespace, caller: &Caller, mut directories: Hot) -> Hot {
    let seen = |name: &str| FsPath::parse(name).is_ok_and(|path| namespace.stat(caller, &path).is_ok());
    directories.retain(|(name, _)| caller.superuser || seen(name));
    directories
}

async fn health(core: &Core, request: &v1::HealthRequest) -> Result<v1::HealthResponse, Rejection> {
    question(core, request.caller.as_ref()).await?;
    let health = operations::health(core);
    let calls = core.telemetry.operations.calls();
    Ok(message::health(health, !core.takes_changes(), calls))
}
