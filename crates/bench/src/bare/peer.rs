//! A process of the bare limits, as its parent sees it: this program again, with another task.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::process::Process;

/// The line with which a peer says where it listens.
const LISTENS: &str = "listens on ";

/// Starts this program with `arguments` and waits until it says where it listens.
pub(super) fn start(name: &str, arguments: &[&str]) -> anyhow::Result<(Process, SocketAddr)> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut process = Process::start(
        name,
        Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stdin(Stdio::null()),
    )?;
    let output = process.child().stdout.take().context("no output to read from")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address = line
        .trim()
        .strip_prefix(LISTENS)
        .with_context(|| format!("{name} did not say where it listens: {line:?}"))?;
    let address = address
        .parse()
        .with_context(|| format!("not an address: {address}"))?;
    Ok((process, address))
}

/// Says where this peer listens.
pub(super) fn announce(address: SocketAddr) {
    println!("{LISTENS}{address}");
}
