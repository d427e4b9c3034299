//! Connections come in, and each gets a thread, as long as there are threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use env::StreamThreads;
use env::net::{LocalListener, TcpListener, TcpStream};
use tokio::task::JoinSet;
use transfer::pb;

use super::deadline::within;
use super::request;
use crate::node::Node;
use crate::refusal::{refuse, response};

/// Connections that wait for a thread at once; more are closed.
const WAITING_MAX: usize = 64;

/// How long a connection waits for a thread, when those that are idle have been asked to end.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// How long a client that is refused has to say what it wanted.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);

/// Where connections come from.
struct Listeners {
    network: TcpListener,
    local: Option<LocalListener>,
}

impl Listeners {
    async fn accept(&self) -> io::Result<TcpStream> {
        let Some(local) = &self.local else {
            return Ok(self.network.accept().await?.0);
        };
        tokio::select! {
            stream = self.network.accept() => Ok(stream?.0),
            stream = local.accept() => stream,
        }
    }
}

/// Serves until the datanode ends; then ends all streams.
pub(crate) async fn accept(node: Arc<Node>, network: TcpListener, local: Option<LocalListener>) {
    let listener = Listeners { network, local };
    let threads = Arc::new(StreamThreads::new(node.config.max_streams));
    let mut waiting = JoinSet::new();
    tokio::select! {
        () = node.closed() => {}
        () = accept_forever(&node, &threads, &listener, &mut waiting) => {}
    }
    drop(listener);
    waiting.shutdown().await;
    // Nobody else holds them any more.
    if let Some(threads) = Arc::into_inner(threads) {
        threads.shutdown().await;
    }
}

async fn accept_forever(
    node: &Arc<Node>,
    threads: &Arc<StreamThreads>,
    listener: &Listeners,
    waiting: &mut JoinSet<()>,
) {
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while waiting.try_join_next().is_some() {}
        if threads.active() < threads.max() {
            admit(node, threads, stream);
        } else if waiting.len() < WAITING_MAX {
            waiting.spawn(wait_for_room(Arc::clone(node), Arc::clone(threads), stream));
        } else {
            tracing::warn!("closed a connection: too many wait for a stream");
        }
    }
}

fn admit(node: &Arc<Node>, threads: &StreamThreads, stream: TcpStream) {
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

/// All threads are taken. Some may only keep a connection open on which nothing happens: one of these makes room.
async fn wait_for_room(node: Arc<Node>, threads: Arc<StreamThreads>, stream: TcpStream) {
    let room = async {
        let mut evicted = false;
        while threads.active() >= threads.max() {
            // One for one, whenever there is one.
            evicted = evicted || node.idle.evict_one();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(WAIT_MAX, room).await {
        Ok(()) => admit(&node, &threads, stream),
        Err(_) => refuse_busy(stream, threads.max()).await,
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
