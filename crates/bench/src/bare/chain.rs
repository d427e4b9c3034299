//! Writers in a chain.
//!
//! On a connection a piece is its length (8 bytes, big endian) and its bytes; one byte comes back for each piece, when it
//! is on disk there and everywhere below. The connection ends with the sender's half.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use anyhow::{Context as _, bail};

use super::PIECE_BYTES;
use super::peer;
use crate::process::Process;

const ACKNOWLEDGED: u8 = 1;

/// Three writer processes; the first passes on to the second, the second to the third.
#[derive(Debug)]
pub(crate) struct Chain {
    /// First to last.
    writers: Vec<(Process, SocketAddr)>,
    dirs: Vec<PathBuf>,
    buffer: usize,
}

impl Chain {
    /// Starts the processes, with a directory each below `base`; they, and the sender, move `buffer` bytes at once.
    pub(crate) fn start(base: &Path, buffer: usize) -> anyhow::Result<Self> {
        let buffer = buffer.max(1);
        let buffer_text = buffer.to_string();
        let mut writers: Vec<(Process, SocketAddr)> = Vec::new();
        let mut dirs = Vec::new();
        for number in (1..=3).rev() {
            let dir = base.join(format!("bare-{number}"));
            fs::create_dir_all(&dir)?;
            let dir_text = dir.to_str().context("a directory that is not UTF-8")?;
            let next = writers.first().map(|(_, address)| address.to_string());
            let mut arguments = vec!["bare-writer", "--dir", dir_text, "--buffer", &buffer_text];
            if let Some(next) = &next {
                arguments.extend(["--next", next]);
            }
            writers.insert(0, peer::start(&format!("bare writer {number}"), &arguments)?);
            dirs.push(dir);
        }
        Ok(Self {
            writers,
            dirs,
            buffer,
        })
    }

    /// Sends `payload` through the last `replicas` writers and returns when all of it is acknowledged.
    pub(crate) fn write(&self, payload: &[u8], replicas: usize) -> anyhow::Result<()> {
        let first = self.writers.len().saturating_sub(replicas);
        let (_, address) = self.writers.get(first).context("no such writer")?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut acknowledgements = stream.try_clone()?;
        let pieces = payload.chunks(PIECE_BYTES).count();
        thread::scope(|scope| {
            let reader = scope.spawn(move || -> anyhow::Result<()> {
                let mut answers = vec![0; pieces];
                acknowledgements.read_exact(&mut answers)?;
                if answers.iter().any(|&answer| answer != ACKNOWLEDGED) {
                    bail!("a piece was not acknowledged");
                }
                Ok(())
            });
            for piece in payload.chunks(PIECE_BYTES) {
                stream.write_all(&u64::try_from(piece.len())?.to_be_bytes())?;
                for buffer in piece.chunks(self.buffer) {
                    stream.write_all(buffer)?;
                }
            }
            stream.shutdown(Shutdown::Write)?;
            match reader.join() {
                Ok(done) => done,
                Err(_) => bail!("the reader of acknowledgements panicked"),
            }
        })
    }

    /// CPU seconds of all writers so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.writers
            .iter()
            .map(|(process, _)| Ok(process.cpu_seconds()?))
            .sum()
    }

    /// Removes what was written, so that every round finds the same disk.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        for dir in &self.dirs {
            for entry in fs::read_dir(dir)? {
                fs::remove_file(entry?.path())?;
            }
        }
        Ok(())
    }
}

/// The task of a writer process: serves one connection after the other until it is killed.
pub(crate) fn writer(dir: &Path, next: Option<SocketAddr>, buffer: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    peer::announce(listener.local_addr()?);
    let mut files = 0_u64;
    let mut buffer = vec![0; buffer];
    loop {
        let (stream, _) = listener.accept()?;
        serve(stream, dir, next, &mut buffer, &mut files)?;
    }
}

/// Serves one connection. A piece is synced while the next one comes in, never more than one at a time.
fn serve(
    mut upstream: TcpStream,
    dir: &Path,
    next: Option<SocketAddr>,
    buffer: &mut [u8],
    files: &mut u64,
) -> anyhow::Result<()> {
    upstream.set_nodelay(true)?;
    let mut downstream = next.map(TcpStream::connect).transpose()?;
    if let Some(stream) = &downstream {
        stream.set_nodelay(true)?;
    }
    let answers_below = downstream.as_ref().map(TcpStream::try_clone).transpose()?;
    let answers = upstream.try_clone()?;
    thread::scope(|scope| {
        // Without room in it: a piece is handed over only when the one before is done.
        let (pieces, received) = mpsc::sync_channel(0);
        let syncer = scope.spawn(move || sync_pieces(&received, dir, answers_below, answers));
        let taken = receive_pieces(&mut upstream, &mut downstream, dir, (buffer, files), &pieces);
        drop(pieces);
        match syncer.join() {
            Ok(synced) => synced.and(taken),
            Err(_) => bail!("the thread that syncs panicked"),
        }
    })
}

/// Receives, passes on and writes, until the sender has no more.
fn receive_pieces(
    upstream: &mut TcpStream,
    downstream: &mut Option<TcpStream>,
    dir: &Path,
    (buffer, files): (&mut [u8], &mut u64),
    pieces: &SyncSender<File>,
) -> anyhow::Result<()> {
    let mut length = [0; 8];
    while let Ok(()) = upstream.read_exact(&mut length) {
        if let Some(stream) = downstream {
            stream.write_all(&length)?;
        }
        *files += 1;
        let mut file = File::create_new(dir.join(files.to_string()))?;
        let mut left = usize::try_from(u64::from_be_bytes(length))?;
        while left > 0 {
            let take = left.min(buffer.len());
            let part = buffer.get_mut(..take).context("a part longer than its buffer")?;
            upstream.read_exact(part)?;
            if let Some(stream) = downstream {
                stream.write_all(part)?;
            }
            file.write_all(part)?;
            left -= take;
        }
        pieces.send(file).context("the thread that syncs is gone")?;
    }
    if let Some(stream) = downstream {
        stream.shutdown(Shutdown::Write)?;
    }
    Ok(())
}

/// Makes every piece durable, here and below, and acknowledges it.
fn sync_pieces(
    pieces: &Receiver<File>,
    dir: &Path,
    mut answers_below: Option<TcpStream>,
    mut answers: TcpStream,
) -> anyhow::Result<()> {
    while let Ok(file) = pieces.recv() {
        file.sync_data()?;
        File::open(dir)?.sync_all()?;
        if let Some(stream) = &mut answers_below {
            let mut answer = [0];
            stream.read_exact(&mut answer)?;
        }
        answers.write_all(&[ACKNOWLEDGED])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_stores_every_piece_and_acknowledges_it() {
        let base = tempfile::tempdir().unwrap();
        let payload = crate::payload::incompressible(PIECE_BYTES / 16 + 13);
        let mut next = None;
        let mut dirs = Vec::new();
        for number in 0..2 {
            let dir = base.path().join(number.to_string());
            fs::create_dir(&dir).unwrap();
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let address = listener.local_addr().unwrap();
            dirs.push(dir.clone());
            thread::spawn(move || {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, &dir, next, &mut [0; 4096], &mut 0).unwrap();
            });
            next = Some(address);
        }
        let mut stream = TcpStream::connect(next.unwrap()).unwrap();
        for _ in 0..2 {
            stream.write_all(&(payload.len() as u64).to_be_bytes()).unwrap();
            stream.write_all(&payload).unwrap();
            let mut answer = [0];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [ACKNOWLEDGED]);
        }
        for dir in dirs {
            for name in ["1", "2"] {
                assert_eq!(fs::read(dir.join(name)).unwrap(), payload);
            }
        }
    }
}
