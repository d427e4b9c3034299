//! gRPC over this crate's streams.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::gather::Gather;
use super::{Network, TcpListener, TcpStream};

/// What a gRPC server knows of the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer(pub Option<SocketAddr>);

impl Connected for Gather<TcpStream> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer(self.get_ref().peer_addr().ok())
    }
}

/// The settings of a connection to `address` (`host:port`): limits on connecting, and keep-alives that notice a peer which
/// is gone without a word.
///
/// # Errors
/// When `address` can not be part of a URI.
pub fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(Duration::from_secs(2))
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(4))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20))
}

/// A channel to `address` that connects when it is first used, and again whenever the connection is lost.
///
/// # Errors
/// When `address` can not be part of a URI.
pub fn channel(network: &Network, address: &str) -> Result<Channel, tonic::transport::Error> {
    Ok(connect(network, &endpoint(address)?))
}

/// The same with settings of one's own: see [`endpoint`].
#[must_use]
pub fn connect(network: &Network, endpoint: &Endpoint) -> Channel {
    let network = network.clone();
    let connect = service_fn(move |uri: Uri| {
        let network = network.clone();
        async move {
            let authority = uri.authority().ok_or(io::ErrorKind::InvalidInput)?;
            let stream = network.connect(authority.as_str()).await?;
            Ok::<_, io::Error>(TokioIo::new(Gather::new(stream)))
        }
    });
    endpoint.connect_with_connector_lazy(connect)
}

/// The connections that come in, as a gRPC server wants them.
pub struct Incoming(Pin<Box<dyn tokio_stream::Stream<Item = io::Result<Gather<TcpStream>>> + Send>>);

impl Incoming {
    /// Accepts from `listener`. A failed accept is not the end: it is waited out.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self(Box::pin(futures_util::stream::unfold(
            listener,
            |listener| async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => return Some((Ok(Gather::new(stream)), listener)),
                        Err(error) => {
                            tracing::warn!(%error, "could not accept a connection");
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                }
            },
        )))
    }
}

impl tokio_stream::Stream for Incoming {
    type Item = io::Result<Gather<TcpStream>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}
