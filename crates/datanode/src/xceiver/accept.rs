//! Connections come in, and each gets a thread, as long as there are threads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use env::StreamThreads;
use env::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use transfer::pb;

use super::deadline::within;
use super::request;
use crate::node::Node;
use crate::refusal::{refuse, response};

/// Refusals that are being written at once; more are refused by closing the connection.
const REFUSALS_MAX: usize = 64;

/// How long a client that is refused has to say what it wanted.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);

/// Serves until the datanode ends; then ends all streams.
pub(crate) async fn accept(node: Arc<Node>, listener: TcpListener) {
    let threads = StreamThreads::new(node.config.max_streams);
    tokio::select! {
        () = node.closed() => {}
        () = accept_forever(&node, &threads, &listener) => {}
    }
    drop(listener);
    threads.shutdown().await;
}

async fn accept_forever(node: &Arc<Node>, threads: &StreamThreads, listener: &TcpListener) {
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => admit(node, threads, stream, &refusals),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn admit(node: &Arc<Node>, threads: &StreamThreads, stream: TcpStream, refusals: &Arc<Semaphore>) {
    if threads.active() >= threads.max() {
        if let Ok(permit) = Arc::clone(refusals).try_acquire_owned() {
            let max = threads.max();
            tokio::spawn(async move {
                let _permit = permit;
                refuse_busy(stream, max).await;
            });
        }
        return;
    }
    let detached = match stream.detach() {
        Ok(detached) => detached,
        Err(error) => {
            tracing::warn!(%error, "could not hand a connection to a thread");
            return;
        }
    };
    let serving = Arc::clone(node);
    let spawned = threads.spawn(move || async move {
        let _transfer = Transfer::begin(&serving);
        match detached.attach() {
            Ok(stream) => request::serve(&serving, stream).await,
            Err(error) => tracing::warn!(%error, "could not take over a connection"),
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "closed a connection");
    }
}

/// Answers the first request, whatever it is: too much is going on here.
async fn refuse_busy(stream: TcpStream, max: usize) {
    let (mut reader, mut writer) = wire::split(stream);
    if let Ok(Some(_)) = within(REFUSAL_PATIENCE, reader.read_op()).await {
        let busy = refuse(
            pb::Status::Error,
            format!("this datanode is busy: all of its {max} streams are in use"),
        );
        let _ = within(REFUSAL_PATIENCE, writer.write_response(&response(busy))).await;
    }
}

/// Counts a stream for as long as it runs.
struct Transfer<'a>(&'a Node);

impl<'a> Transfer<'a> {
    fn begin(node: &'a Node) -> Self {
        node.transfers.fetch_add(1, Ordering::Relaxed);
        Self(node)
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        self.0.transfers.fetch_sub(1, Ordering::Relaxed);
    }
}
