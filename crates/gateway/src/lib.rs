//! The ways in over HTTP, for those who do not speak the cluster's own protocols.
//!
//! A gateway is a client of the cluster with routes in front: it stands on the client SDK, and neither masters nor datanodes
//! know it. The binary mounts its [`routes`] on the HTTP port of every master and every datanode, each with the [`Side`] that
//! it is on. What is asked about names is answered wherever it is asked, as the SDK finds the master that leads; bytes of
//! files are moved by datanodes only: a master sends who wants them there (307), to one that has them.
//!
//! # Guarantees
//! - Who asks is whom the request names (`user.name`), and what they may do is decided by the state machine, as for every other
//!   client. Nothing is decided here.
//! - A file that was not received whole does not appear, and one that it was to replace stays.
//! - Bytes are moved in pieces: memory is the SDK's budget, shared by all users of a gateway.
//! - A page of somebody else's can change nothing through the browser of somebody who may: what comes with the `Origin` of
//!   another server, or of this one under an unknown name, is refused.

mod api;
mod bytes;
mod console;
mod events;
mod guard;
mod look;
mod moment;
mod nodes;
mod origin;
mod path;
mod query;
mod users;
mod webhdfs;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use client::{Error, FileSystem};
use env::Env;

pub use events::Events;
pub use look::{Before, Look};

/// The SDK's words as JSON, as the API answers with them.
pub mod json {
    pub use crate::api::model::{activity, safe_mode, verified, wrong_replicas};
}

use api::watch::Watch;
use nodes::Nodes;
use users::Users;

/// Whose port it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A master's: bytes are moved elsewhere.
    Master,
    /// A datanode's: bytes are moved here.
    Datanode,
}

/// What a gateway is made of.
pub struct Config {
    /// The cluster, as whoever does not say who they are.
    pub fs: FileSystem,
    /// Whose port it is mounted on.
    pub side: Side,
    /// For whom permissions are waived; none: as the masters say.
    pub superuser: Option<String>,
    /// Under which names, besides addresses and `localhost`, browsers reach the server, and the masters: a page that was got under
    /// another one may change nothing.
    pub names: Vec<String>,
}

/// Who asks without saying so.
pub const NOBODY: &str = "dr.who";

pub(crate) struct Gateway {
    pub(crate) env: Env,
    pub(crate) side: Side,
    pub(crate) superuser: Option<String>,
    pub(crate) names: Vec<String>,
    pub(crate) users: Users,
    pub(crate) nodes: Nodes,
    pub(crate) watch: Watch,
}

impl Gateway {
    fn new(env: Env, config: Config) -> Arc<Self> {
        Arc::new(Self {
            nodes: Nodes::new(env.clone(), config.fs.clone()),
            env,
            side: config.side,
            superuser: config.superuser,
            names: config.names,
            users: Users::new(config.fs),
            watch: Watch::default(),
        })
    }

    /// For whom permissions are waived, as far as that is known.
    pub(crate) async fn superuser(&self) -> Result<Option<String>, Error> {
        if self.superuser.is_some() {
            return Ok(self.superuser.clone());
        }
        Ok(self
            .users
            .file_system(None)
            .server_info()
            .await?
            .superuser
            .clone())
    }

    /// One whose cluster is not there.
    #[cfg(test)]
    pub(crate) fn alone(side: Side) -> Arc<Self> {
        let mut cluster = client::Config::new(vec!["127.0.0.1:1".to_owned()], NOBODY);
        cluster.timeouts.call_total = std::time::Duration::from_millis(1);
        let config = Config {
            fs: FileSystem::connect(Env::real(), cluster).unwrap(),
            side,
            superuser: None,
            names: vec!["here".to_owned()],
        };
        Self::new(Env::real(), config)
    }
}

/// Everything that is served. A master's gateway looks at the cluster from time to time, for those who look at the console.
pub fn routes(env: Env, config: Config) -> Router {
    served(Gateway::new(env, config))
}

fn served(gateway: Arc<Gateway>) -> Router {
    let mut routes = webhdfs::routes(Arc::clone(&gateway)).merge(api::routes(Arc::clone(&gateway)));
    if gateway.side == Side::Master {
        tokio::spawn(api::watch::run(Arc::downgrade(&gateway)));
        routes = routes.merge(console::routes());
    }
    routes
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&gateway),
            guard::same_origin,
        ))
        .layer(axum::middleware::from_fn_with_state(gateway, origin::carry))
}
