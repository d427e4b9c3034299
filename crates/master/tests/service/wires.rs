//! Ways between masters, each of which can be cut: then nothing goes through any more, and nobody is told.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use env::net::Network;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The ways between `n` masters that are called `m0:9800` and so on.
pub(crate) struct Wires {
    /// Where the way from one to another begins.
    begins: Arc<HashMap<(usize, usize), SocketAddr>>,
    /// Where the masters listen.
    listen: Arc<Mutex<Vec<Option<SocketAddr>>>>,
    cuts: Vec<watch::Sender<bool>>,
}

pub(crate) fn name(of: usize) -> String {
    format!("m{of}:9800")
}

impl Wires {
    pub(crate) async fn new(n: usize) -> Self {
        let listen = Arc::new(Mutex::new(vec![None; n]));
        let cuts: Vec<_> = (0..n).map(|_| watch::Sender::new(false)).collect();
        let mut begins = HashMap::new();
        for from in 0..n {
            for to in 0..n {
                let entry = TcpListener::bind("127.0.0.1:0").await.unwrap();
                begins.insert((from, to), entry.local_addr().unwrap());
                let ends = [cuts[from].subscribe(), cuts[to].subscribe()];
                tokio::spawn(carry(entry, Arc::clone(&listen), to, ends));
            }
        }
        Self {
            begins: Arc::new(begins),
            listen,
            cuts,
        }
    }

    /// The network as `from` sees it.
    pub(crate) fn network(&self, from: usize) -> Network {
        let begins = Arc::clone(&self.begins);
        Network::translated(move |address| {
            let number = address.strip_prefix('m').and_then(|rest| rest.split(':').next());
            let to = number.and_then(|number| number.parse().ok());
            let begin = to.and_then(|to| begins.get(&(from, to)));
            begin
                .map(ToString::to_string)
                .ok_or_else(|| io::ErrorKind::HostUnreachable.into())
        })
    }

    /// `of` listens there from now on.
    pub(crate) fn plug(&self, of: usize, address: SocketAddr) {
        self.listen.lock().unwrap()[of] = Some(address);
    }

    /// Nothing gets to or from `of` any more.
    pub(crate) fn cut(&self, of: usize) {
        self.cuts[of].send_replace(true);
    }

    pub(crate) fn heal(&self, of: usize) {
        self.cuts[of].send_replace(false);
    }
}

async fn carry(
    entry: TcpListener,
    listen: Arc<Mutex<Vec<Option<SocketAddr>>>>,
    to: usize,
    ends: [watch::Receiver<bool>; 2],
) {
    loop {
        let (mut near, _) = entry.accept().await.unwrap();
        let [mut here, mut there] = ends.clone();
        let listen = Arc::clone(&listen);
        tokio::spawn(async move {
            let bytes = async {
                let target = listen.lock().unwrap()[to];
                if let Some(target) = target
                    && let Ok(mut far) = TcpStream::connect(target).await
                {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            };
            tokio::select! {
                biased;
                _ = here.wait_for(|cut| *cut) => {}
                _ = there.wait_for(|cut| *cut) => {}
                () = bytes => return,
            }
            // Nobody is told before it is healed.
            let _ = here.wait_for(|cut| !*cut).await;
            let _ = there.wait_for(|cut| !*cut).await;
        });
    }
}
