//! The same of Apache HDFS, asked through its own client.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::metadata::figures::{Figures, Setting};
use crate::metadata::operation::Operation;
use crate::metadata::round::Measured;
use crate::metadata::{Options, Peer};
use crate::peers::{Caller, Hdfs};
use crate::took::Took;

/// The program that calls it.
const CALLER: &str = include_str!("../../java/HdfsMetadata.java");
/// What starts and stops one whose log is on journal nodes.
const JOURNALS: &str = include_str!("../../scripts/hdfs-journals");

/// Starts `peer` below `base`, measures it in the same way, and stops it.
///
/// # Errors
/// When it can not be started: it needs Java, and its jars or a way to get them.
pub(super) fn measure(
    peer: Peer,
    options: &Options,
    time: Duration,
    base: &Path,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (script, dir) = match peer {
        Peer::Hdfs => (options.hdfs_script.clone(), "hdfs"),
        Peer::HdfsJournals => (journals_script(base)?, "journals"),
    };
    let hdfs = Hdfs::start(&script, base.join(dir), false)?;
    let mut caller = Caller::start(base, "HdfsMetadata", CALLER)?;
    for number in 0..options.rounds {
        for &callers in &options.callers {
            let setting = Setting {
                system: peer.name(),
                masters: 1,
                callers,
                batch: 1,
            };
            figures.push(setting, &round(&hdfs, &mut caller, callers, time, number)?);
        }
        println!("{}: round {} of {}", peer.name(), number + 1, options.rounds);
    }
    Ok(())
}

/// Writes the script below `base`, to be run.
fn journals_script(base: &Path) -> anyhow::Result<PathBuf> {
    let script = base.join("hdfs-journals");
    fs::write(&script, JOURNALS)?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    Ok(script)
}

fn round(
    hdfs: &Hdfs,
    caller: &mut Caller,
    callers: usize,
    time: Duration,
    number: u32,
) -> anyhow::Result<Vec<Measured>> {
    let seconds = time.as_secs_f64();
    let dir = format!("/work/{number}-{callers}");
    caller.ask(&format!("begin {callers} 0 {dir}"))?;
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        let Some(word) = word(operation) else { continue };
        let line = format!("{word} {callers} {seconds} {dir}");
        let client_before = caller.cpu_seconds()?;
        let server_before = hdfs.cpu_seconds();
        let (count, seconds) = caller.ask(&line)?;
        let took = Took {
            seconds,
            client_cpu: caller.cpu_seconds()? - client_before,
            server_cpu: hdfs.cpu_seconds() - server_before,
        };
        measured.push(Measured {
            operation,
            count,
            took,
        });
    }
    caller.ask(&format!("end {callers} 0 {dir}"))?;
    Ok(measured)
}

/// What the program calls it; none for what HDFS has no part in.
const fn word(operation: Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::Bare => return None,
        Operation::Ping => "ping",
        Operation::Stat => "stat",
        Operation::Open => "open",
        Operation::List => "list",
        Operation::Mkdir => "mkdir",
        Operation::Create => "create",
        Operation::Close => "close",
        Operation::Rename => "rename",
        Operation::Delete => "delete",
    })
}
