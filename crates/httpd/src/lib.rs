//! The HTTP side of a server: its listener, its routes, its metrics.
//!
//! A master and a datanode each serve HTTP on one port. What they know of themselves (health, metrics) they put there
//! themselves; what stands above them (gateways, the console) is [mounted](Mount) when it is there: they do not know it.

mod listener;
mod mount;
mod patience;

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
    /// How long a request may take to say what it wants, and a connection to make the next one; and how long nothing may come of a
    /// body that is waited for, or be taken of an answer.
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
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};

    use axum::body::{Body, Bytes, HttpBody};
    use axum::routing::put;
    use env::Env;
    use hyper::body::Frame;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

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

    /// No end of bytes; tells when nobody wants them any more, as it is dropped then.
    struct Endless(#[expect(dead_code, reason = "it is there to be dropped")] oneshot::Sender<()>);

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; 65_536])))))
        }
    }

    async fn serving(routes: Router) -> TcpStream {
        let limits = Limits {
            patience: Duration::from_millis(100),
            ..Limits::default()
        };
        let listener = Env::real().net.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve_within(limits, listener, routes, std::future::pending()));
        TcpStream::connect(address).await.unwrap()
    }

    /// Longer than any patience here.
    async fn soon<T>(awaited: impl Future<Output = T>) -> T {
        let long = Duration::from_secs(20);
        tokio::time::timeout(long, awaited)
            .await
            .expect("it is still waited for")
    }

    #[tokio::test]
    async fn who_does_not_send_what_was_said_is_not_waited_for() {
        let take = async |body: Bytes| body.len().to_string();
        let mut silent = serving(Router::new().route("/", put(take))).await;
        let head = b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf";
        silent.write_all(head).await.unwrap();
        let mut answer = Vec::new();
        soon(silent.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }

    #[tokio::test]
    async fn who_does_not_take_an_answer_is_not_waited_for() {
        let (tell, dropped) = oneshot::channel();
        let tell = Arc::new(Mutex::new(Some(tell)));
        let endless = move || {
            let tell = tell.lock().unwrap().take().unwrap();
            async { Body::new(Endless(tell)) }
        };
        let mut deaf = serving(Router::new().route("/", get(endless))).await;
        deaf.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            .await
            .unwrap();
        assert!(soon(dropped).await.is_err(), "it never tells otherwise");
    }

    #[tokio::test]
    async fn a_handler_may_take_its_time() {
        let slow = async |_body: Body| {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "at last"
        };
        let mut patient = serving(Router::new().route("/", put(slow))).await;
        let head = b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\n";
        patient.write_all(head).await.unwrap();
        let mut answer = [0; 12];
        soon(patient.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}
