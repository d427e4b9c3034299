//! A file that is written piece by piece, by a process that can be killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::{Client, Content};

/// An `append -` whose input the test feeds piece by piece.
pub(crate) struct Appending {
    child: Child,
    stdin: Option<ChildStdin>,
    lengths: BufReader<ChildStdout>,
}

impl Appending {
    pub(crate) fn start(client: &Client, path: &str, options: &[&str]) -> Self {
        let mut arguments = vec!["append", "--create", "--lengths", "-", path];
        arguments.extend(options);
        let mut child = client
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            lengths: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Hands over bytes and waits until the file is known to be `len` bytes long.
    pub(crate) fn feed(&mut self, piece: &[u8], len: usize) {
        self.stdin.as_mut().unwrap().write_all(piece).unwrap();
        let mut told = 0;
        while told < len {
            let mut line = String::new();
            assert!(self.lengths.read_line(&mut line).unwrap() > 0, "append has ended");
            told = line.trim().parse().unwrap();
        }
        assert_eq!(told, len);
    }

    /// Hands over bytes and waits for nothing.
    pub(crate) fn give(&mut self, piece: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(piece).unwrap();
    }

    /// There is no more: it closes the file, in its own time.
    pub(crate) fn end(&mut self) {
        drop(self.stdin.take());
    }

    /// `kill -9` of the client.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn finish(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that follow from the seed.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    Content::new(seed, len as u64)
        .write_range(0..len as u64, &mut bytes)
        .unwrap();
    bytes
}
