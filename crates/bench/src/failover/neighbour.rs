//! Neighbours that leave the masters little of the processors and the disk: processes of their own.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::Context as _;

use crate::process::Process;

/// What is written before each sync.
const WRITTEN: usize = 8 << 20;
/// After so much the file begins anew.
const FILE_MAX: usize = 1 << 30;

/// Processes that are in the way. Dropping them ends them.
#[derive(Debug)]
pub(super) struct Neighbours {
    _processes: Vec<Process>,
    file: PathBuf,
}

impl Neighbours {
    /// Starts one that computes, with twice as many threads as there are processors, and one that writes below `base`.
    pub(super) fn start(base: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let file = base.join("neighbour");
        let start = |name: &str, arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.arg("neighbour").args(arguments).stdin(Stdio::null());
            Process::start(name, &mut command)
        };
        let path = file.to_str().context("the directory's name is not text")?;
        Ok(Self {
            _processes: vec![
                start("busy neighbour", &[])?,
                start("writing neighbour", &["--file", path])?,
            ],
            file,
        })
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        // It is below a directory that goes anyway.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// The process: writes and syncs `file`, or computes where there is none, until it is killed.
pub(crate) fn run(file: Option<&Path>) -> anyhow::Result<()> {
    match file {
        Some(file) => write(file),
        None => {
            let threads = thread::available_parallelism().map_or(2, |count| count.get() * 2);
            for _ in 1..threads {
                thread::spawn(compute);
            }
            compute()
        }
    }
}

fn compute() -> ! {
    let mut sum = 1u64;
    loop {
        sum = std::hint::black_box(sum.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn write(path: &Path) -> anyhow::Result<()> {
    let piece = crate::payload::incompressible(WRITTEN);
    loop {
        let mut file = File::create(path)?;
        for _ in 0..FILE_MAX / WRITTEN {
            file.write_all(&piece)?;
            file.sync_data()?;
        }
    }
}
