//! The HTTP side of a server: its listener, its routes, its metrics.
//!
//! A master and a datanode each serve HTTP on one port. What they know of themselves (health, metrics) they put there
//! themselves; what stands above them (gateways, the console) is [mounted](Mount) when it is there: they do not know it.

mod listener;
mod mount;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use env::net::TcpListener;
use metrics::Registry;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use listener::Remote;
pub use mount::Mount;

/// How long what is being answered may go on when the server is to end.
const DRAIN: Duration = Duration::from_secs(1);

/// What a server bears of those who ask.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// How long a request may take to say what it wants, and a connection to make the next one.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            patience: Duration::from_secs(30),
        }
    }
}

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
    serve_within(Limits::default(), listener, routes, closed).await
}

/// The same with other limits.
///
/// # Errors
/// As [`serve`].
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    routes: Router,
    closed: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (tell, told) = watch::channel(false);
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            let connection = listener::accept(&listener).await;
            while connections.try_join_next().is_some() {}
            connections.spawn(listener::answer(
                connection,
                routes.clone(),
                limits.patience,
                told.clone(),
                place,
            ));
        }
    };
    tokio::select! {
        failed = accepting => return failed,
        () = closed => {}
    }
    drop(listener);
    tell.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // Who is not done by then is cut off: the set's end is theirs.
    let _ = tokio::time::timeout(DRAIN, all_ended).await;
    Ok(())
}

/// `/metrics`. What is told may ask disks, and one of them may hang: so it is gathered where waiting holds up nobody else.
pub fn metrics_route(registry: Registry) -> Router {
    let tell = move || {
        let registry = registry.clone();
        async move {
            let text = env::blocking(move || registry.encode()).await;
            ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
        }
    };
    Router::new().route("/metrics", get(tell))
}

#[cfg(test)]
mod tests {
    use env::Env;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// A server that greets, and where it is.
    async fn greeter(limits: Limits) -> String {
        let listener = Env::real().net.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let routes = Router::new().route("/", get(async || "hello"));
        tokio::spawn(serve_within(limits, listener, routes, std::future::pending()));
        address
    }

    async fn greeted(stream: &mut TcpStream) -> bool {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.is_ok() && &answer == b"HTTP/1.1 200"
    }

    #[tokio::test]
    async fn one_more_than_there_are_places_waits_for_one() {
        let limits = Limits {
            connections: 1,
            ..Limits::default()
        };
        let address = greeter(limits).await;
        let mut first = TcpStream::connect(&address).await.unwrap();
        assert!(greeted(&mut first).await);
        let mut second = TcpStream::connect(&address).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(100), greeted(&mut second)).await;
        assert!(early.is_err(), "the only place is taken");
        drop(first);
        // Its question of before is answered now.
        let mut answer = [0; 12];
        second.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for() {
        let limits = Limits {
            patience: Duration::from_millis(100),
            ..Limits::default()
        };
        let address = greeter(limits).await;
        let mut slow = TcpStream::connect(&address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        let mut rest = Vec::new();
        slow.read_to_end(&mut rest).await.unwrap();
        assert!(
            !rest.starts_with(b"HTTP/1.1 200"),
            "it was answered, or it is still waited for"
        );
    }
}
