//! The wires between masters of one process: every pair has one, which can be cut.
//!
//! A cut wire is silent: what is sent over it waits, as packets do that TCP sends again, and connections over it are
//! neither refused nor closed. When it is mended what waited arrives.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use env::net::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// From whom to whom.
type Pair = (usize, usize);

/// All wires. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Links(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Where each master listens at present.
    listens: HashMap<usize, String>,
    wires: HashMap<Pair, Wire>,
    /// How often each was connected to.
    connected: HashMap<Pair, usize>,
}

struct Wire {
    /// Where its end is.
    address: String,
    whole: watch::Sender<bool>,
}

/// The address of the master at `place`, as masters know it.
pub(crate) fn address(place: usize) -> String {
    format!("m{place}:1")
}

fn place(address: &str) -> Option<usize> {
    address.strip_prefix('m')?.strip_suffix(":1")?.parse().ok()
}

impl Links {
    /// The network as the master at `from` sees it.
    pub(crate) fn network(&self, from: usize) -> Network {
        let links = self.clone();
        Network::translated(move |address| {
            let to = place(address).ok_or(io::ErrorKind::HostUnreachable)?;
            let mut state = links.0.lock().unwrap();
            *state.connected.entry((from, to)).or_default() += 1;
            let wire = state
                .wires
                .get(&(from, to))
                .ok_or(io::ErrorKind::HostUnreachable)?;
            Ok(wire.address.clone())
        })
    }

    /// Lays wires between `count` masters. The runtime that this is called in carries what goes over them.
    pub(crate) async fn lay(&self, count: usize) {
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap().to_string();
                let (whole, state) = watch::channel(true);
                tokio::spawn(accept(self.clone(), to, listener, state));
                let wire = Wire { address, whole };
                self.0.lock().unwrap().wires.insert((from, to), wire);
            }
        }
    }

    /// The master at `place` listens there now.
    pub(crate) fn listens(&self, place: usize, address: String) {
        self.0.lock().unwrap().listens.insert(place, address);
    }

    /// How often the master at `from` has begun to connect to the one at `to`.
    pub(crate) fn connected(&self, from: usize, to: usize) -> usize {
        let state = self.0.lock().unwrap();
        state.connected.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Cuts or mends the wire, this way only.
    pub(crate) fn set(&self, from: usize, to: usize, whole: bool) {
        if let Some(wire) = self.0.lock().unwrap().wires.get(&(from, to)) {
            wire.whole.send_replace(whole);
        }
    }

    /// Cuts `place` off from all others, or joins it again.
    pub(crate) fn isolate(&self, place: usize, count: usize, cut: bool) {
        for other in 0..count {
            self.set(place, other, !cut);
            self.set(other, place, !cut);
        }
    }
}

async fn accept(links: Links, to: usize, listener: TcpListener, whole: watch::Receiver<bool>) {
    loop {
        let (here, _) = listener.accept().await.unwrap();
        let (links, mut whole) = (links.clone(), whole.clone());
        tokio::spawn(async move {
            if whole.wait_for(|whole| *whole).await.is_err() {
                return;
            }
            let address = links.0.lock().unwrap().listens.get(&to).cloned();
            let Some(address) = address else { return };
            let Ok(there) = TcpStream::connect(address).await else {
                return;
            };
            let _ = (here.set_nodelay(true), there.set_nodelay(true));
            let (here_read, here_write) = here.into_split();
            let (there_read, there_write) = there.into_split();
            tokio::select! {
                () = carry(here_read, there_write, whole.clone()) => {}
                () = carry(there_read, here_write, whole) => {}
            }
        });
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut whole: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length) = from.read(&mut bytes).await
        && length > 0
        && whole.wait_for(|whole| *whole).await.is_ok()
        && to
            .write_all(bytes.get(..length).unwrap_or_default())
            .await
            .is_ok()
    {}
}
