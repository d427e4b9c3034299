//! Transfers through pipes, driven byte by byte, so that a kill falls exactly where a test wants it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::{Client, Content};

/// A `put -` whose input the test feeds.
#[derive(Debug)]
pub(crate) struct PipePut {
    child: Child,
    content: Content,
    fed: u64,
    log: PathBuf,
}

impl PipePut {
    /// Begins to put `content` to `path`.
    pub(crate) fn start(client: &Client, dir: &Path, content: Content, path: &str, options: &[&str]) -> Self {
        let log = dir.join(format!("put{}.log", path.replace('/', "-")));
        let mut arguments = vec!["put", "-", path];
        arguments.extend(options);
        let child = client
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            content,
            fed: 0,
            log,
        }
    }

    /// Hands over everything up to `offset`. When it returns, all but the pipe's buffer and the client's window has been
    /// taken.
    pub(crate) fn feed_to(&mut self, offset: u64) {
        let stdin = self.child.stdin.as_mut().unwrap();
        if let Err(error) = self.content.write_range(self.fed..offset, stdin) {
            panic!("put takes no more: {error}: {}", self.complaint());
        }
        self.fed = offset.min(self.content.len());
    }

    /// Hands over the rest and waits for success.
    pub(crate) fn finish(mut self) {
        self.feed_to(self.content.len());
        let stdin = self.child.stdin.take().unwrap();
        drop(stdin);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "put ended with {status}: {}", self.complaint());
    }

    /// Hands over the rest, as far as it is taken, and waits for failure. Answers the complaint.
    pub(crate) fn finish_denied(mut self) -> String {
        let mut stdin = self.child.stdin.take().unwrap();
        // It may stop taking bytes at any point.
        let _ = self.content.write_range(self.fed..self.content.len(), &mut stdin);
        let _ = stdin.flush();
        drop(stdin);
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "put succeeded");
        self.complaint()
    }

    /// `kill -9` of the client.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The most memory that the client has used so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        peak_memory(&self.child)
    }

    fn complaint(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for PipePut {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `get` to a pipe that the test drains.
#[derive(Debug)]
pub(crate) struct PipeGet {
    child: Child,
    expected: Content,
    at: u64,
    log: PathBuf,
}

impl PipeGet {
    /// Begins to get `path`, whose content must be `expected`, over the network, as from another host.
    pub(crate) fn start(client: &Client, dir: &Path, expected: Content, path: &str) -> Self {
        Self::reading(client, dir, expected, path, "no")
    }

    /// The same from the files of the datanodes, which are on this host.
    pub(crate) fn start_local(client: &Client, dir: &Path, expected: Content, path: &str) -> Self {
        Self::reading(client, dir, expected, path, "yes")
    }

    fn reading(client: &Client, dir: &Path, expected: Content, path: &str, locally: &str) -> Self {
        let log = dir.join(format!("get{}.log", path.replace('/', "-")));
        let child = client
            .command(&["get", path, "-"])
            .env("DISTRIFS_LOCAL_READS", locally)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            expected,
            at: 0,
            log,
        }
    }

    /// Takes everything up to `offset` and compares it.
    pub(crate) fn take_to(&mut self, offset: u64) {
        while self.at < offset.min(self.expected.len()) {
            let end = (self.at + (1 << 20)).min(offset).min(self.expected.len());
            let stdout = self.child.stdout.as_mut().unwrap();
            let mut part = vec![0; usize::try_from(end - self.at).unwrap()];
            if let Err(error) = stdout.read_exact(&mut part) {
                panic!("get gave no more at {}: {error}: {}", self.at, self.complaint());
            }
            let wanted = self.expected.bytes(self.at..end);
            assert!(part == wanted, "wrong bytes in {}..{end}", self.at);
            self.at = end;
        }
    }

    /// Takes the rest and waits for success.
    pub(crate) fn finish(mut self) {
        self.take_to(self.expected.len());
        let mut more = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut more).unwrap();
        assert!(more.is_empty(), "{} bytes too many", more.len());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "get ended with {status}: {}", self.complaint());
    }

    /// The most memory that the client has used so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        peak_memory(&self.child)
    }

    fn complaint(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for PipeGet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `VmHWM` of a process that still runs.
fn peak_memory(child: &Child) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}
