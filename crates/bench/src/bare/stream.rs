//! One TCP stream out of the page cache.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::{READ_BUFFER_BYTES, peer};
use crate::process::Process;

/// A process that sends a file to whoever connects.
#[derive(Debug)]
pub(crate) struct Source {
    process: Process,
    address: SocketAddr,
    file: PathBuf,
    length: u64,
}

impl Source {
    /// Writes `payload` below `base`, which leaves it in the page cache, and starts the process that sends it.
    pub(crate) fn start(base: &Path, payload: &[u8]) -> anyhow::Result<Self> {
        let file = base.join("bare-source");
        fs::write(&file, payload)?;
        let (process, address) = peer::start(
            "bare source",
            &[
                "bare-source",
                "--file",
                file.to_str().context("a directory that is not UTF-8")?,
            ],
        )?;
        Ok(Self {
            process,
            address,
            file,
            length: u64::try_from(payload.len())?,
        })
    }

    /// Receives the file once and forgets it.
    pub(crate) fn read(&self) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut received = 0;
        loop {
            let length = stream.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            received += u64::try_from(length)?;
        }
        ensure!(
            received == self.length,
            "{received} of {} bytes came",
            self.length
        );
        Ok(())
    }

    /// Reads the file itself once, out of the page cache, and forgets it.
    pub(crate) fn read_file(&self) -> anyhow::Result<()> {
        let mut file = File::open(&self.file)?;
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut received = 0;
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            received += u64::try_from(length)?;
        }
        ensure!(
            received == self.length,
            "{received} of {} bytes came",
            self.length
        );
        Ok(())
    }

    /// CPU seconds of the sender so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        Ok(self.process.cpu_seconds()?)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // It lies in a directory that is removed anyway.
        let _ = fs::remove_file(&self.file);
    }
}

/// The task of the sending process: serves one connection after the other until it is killed.
pub(crate) fn source(path: &Path) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    peer::announce(listener.local_addr()?);
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut file = File::open(path)?;
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            stream.write_all(buffer.get(..length).context("more read than asked for")?)?;
        }
    }
}
