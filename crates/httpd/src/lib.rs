//! The HTTP side of a server: its listener, its routes, its metrics.
//!
//! A master and a datanode each serve HTTP on one port. What they know of themselves (health, metrics) they put there
//! themselves; what stands above them (gateways, the console) is [mounted](Mount) when it is there: they do not know it.

mod listener;
mod mount;

use std::future::{Future, IntoFuture as _};
use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use env::net::TcpListener;
use metrics::Registry;
use tokio::sync::watch;

pub use listener::Remote;
pub use mount::Mount;

/// How long what is being answered may go on when the server is to end.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves `routes` until `closed`, then lets end what runs, for a moment. Handlers find the other end of the connection as
/// `ConnectInfo<Remote>`.
///
/// # Errors
/// When it can not go on.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    closed: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = routes.into_make_service_with_connect_info::<listener::Remote>();
    let (tell, mut told) = watch::channel(false);
    let serving = axum::serve(listener::Listener(listener), service).with_graceful_shutdown(async move {
        let _ = told.wait_for(|closed| *closed).await;
    });
    let ending = async {
        closed.await;
        tell.send_replace(true);
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = ending => Ok(()),
    }
}

/// `/metrics`.
pub fn metrics_route(registry: Registry) -> Router {
    let tell = move || {
        let registry = registry.clone();
        async move { ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], registry.encode()).into_response() }
    };
    Router::new().route("/metrics", get(tell))
}
