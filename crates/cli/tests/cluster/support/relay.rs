//! A machine between a server and those who ask it, which can hold its answers back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Passes connections on to a server. Its threads end with the connections, and the last one with the process.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) address: String,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Relay {
    /// Passes on to `server`.
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let gate = Arc::<Gate>::default();
        let (server, held) = (server.to_owned(), Arc::clone(&gate));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(&server) {
                    connect(&client, &server, &held);
                }
            }
        });
        Self { address, gate }
    }

    /// From now on answers stay here.
    pub(crate) fn hold(&self) {
        *self.gate.closed.lock().unwrap() = true;
    }

    /// What was held back goes on, as it came.
    pub(crate) fn release(&self) {
        *self.gate.closed.lock().unwrap() = false;
        self.gate.opened.notify_all();
    }
}

fn connect(client: &TcpStream, server: &TcpStream, gate: &Arc<Gate>) {
    for (from, to, gate) in [(client, server, None), (server, client, Some(Arc::clone(gate)))] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        to.set_nodelay(true).unwrap();
        thread::spawn(move || {
            let mut piece = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from.read(&mut piece) {
                if let Some(gate) = &gate {
                    let closed = gate.closed.lock().unwrap();
                    drop(gate.opened.wait_while(closed, |closed| *closed).unwrap());
                }
                if to.write_all(&piece[..read]).is_err() {
                    break;
                }
            }
            // Whoever is left behind it is to know.
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
