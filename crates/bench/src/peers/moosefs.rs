//! MooseFS, started by a script, used through its mount.
//!
//! What the kernel has in its cache of a file is forgotten before it is read: so every byte comes from a chunkserver, out of the
//! page cache there.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::{Deed, Load, in_threads, succeed};
use crate::payload;
use crate::process::{cpu_seconds_of, own_cpu_seconds};

/// The network in which the script has it live.
const NETWORK: &str = "--net=/run/netns/mfs";

/// What is handed over at once.
const SLICE: usize = 1 << 20;

/// The servers and the mount. Dropping it stops them.
pub(crate) struct Moosefs {
    script: PathBuf,
    dir: PathBuf,
    durable: bool,
    servers: Vec<u32>,
    /// The process behind the mount.
    mount: Vec<u32>,
}

impl Moosefs {
    /// Starts it below `base`.
    ///
    /// # Errors
    /// When it can not be started: it needs the superuser, its packages or a way to get them, and FUSE.
    pub(crate) fn start(script: &Path, base: &Path, durable: bool) -> anyhow::Result<Self> {
        ensure!(
            script.is_file(),
            "there is no {}; name its directory with --peer-scripts",
            script.display()
        );
        let mut moosefs = Self {
            script: script.to_owned(),
            dir: base.join("moosefs"),
            durable,
            servers: Vec::new(),
            mount: Vec::new(),
        };
        println!("MooseFS starts");
        let mut up = moosefs.script("up");
        succeed(up.env("FSYNC", if durable { "1" } else { "0" }))?;
        moosefs.servers = processes(&["mfsmaster", "mfschunkserver"], &moosefs.dir);
        moosefs.mount = processes(&["mfsmount"], &moosefs.dir);
        ensure!(
            moosefs.servers.len() >= 4 && !moosefs.mount.is_empty(),
            "a master, three chunkservers and a mount should run: there are {:?} and {:?}",
            moosefs.servers,
            moosefs.mount
        );
        Ok(moosefs)
    }

    fn script(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.script);
        command
            .arg(verb)
            .arg(&self.dir)
            .stdin(Stdio::null())
            // It leaves servers behind that keep what they were given.
            .stdout(Stdio::null());
        command
    }

    /// Does it; answers the seconds.
    pub(super) fn seconds(&self, deed: Deed, load: &Load<'_>) -> anyhow::Result<f64> {
        let dir = self.dir.join("mnt").join(load.dir.trim_start_matches('/'));
        let file = |number: usize| dir.join(number.to_string());
        match deed {
            Deed::Write => {
                self.make(&dir, load.replication)?;
                let slice = payload::incompressible(load.bytes.min(SLICE));
                in_threads(load.files, load.at_a_time, |number| {
                    self.write(&file(number), load.bytes, &slice)
                })
            }
            Deed::Read => in_threads(load.files, load.at_a_time, |number| {
                read(&file(number), load.bytes)
            }),
            Deed::Remove => in_threads(load.files, load.at_a_time, |number| {
                Ok(fs::remove_file(file(number))?)
            }),
        }
    }

    /// A directory whose files get so many copies.
    fn make(&self, dir: &Path, replication: u16) -> anyhow::Result<()> {
        fs::create_dir_all(dir)?;
        let set = Command::new("nsenter")
            .args([NETWORK, "mfssetgoal", &replication.to_string()])
            .arg(dir)
            .output()
            .context("cannot run nsenter")?;
        ensure!(
            set.status.success(),
            "mfssetgoal failed: {}",
            String::from_utf8_lossy(&set.stderr)
        );
        Ok(())
    }

    fn write(&self, path: &Path, bytes: usize, slice: &[u8]) -> anyhow::Result<()> {
        let mut file = File::create(path)?;
        let mut left = bytes;
        while left > 0 {
            let part = slice.get(..left.min(slice.len())).unwrap_or(slice);
            file.write_all(part)?;
            left -= part.len();
        }
        if self.durable {
            file.sync_all()?;
        }
        Ok(())
    }

    /// CPU seconds so far: of the mount and this process, and of the servers.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<(f64, f64)> {
        let of = |ids: &[u32]| -> f64 { ids.iter().filter_map(|id| cpu_seconds_of(*id).ok()).sum() };
        Ok((of(&self.mount) + own_cpu_seconds()?, of(&self.servers)))
    }
}

impl Drop for Moosefs {
    fn drop(&mut self) {
        // It may not have come up; then there is little to stop.
        let _ = self.script("down").stderr(Stdio::null()).status();
    }
}

fn read(path: &Path, bytes: usize) -> anyhow::Result<()> {
    let mut file = File::open(path)?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    let mut buffer = vec![0; bytes.clamp(1, SLICE)];
    let mut received = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => received += count,
        }
    }
    ensure!(
        received == bytes,
        "{received} of {bytes} bytes came from {}",
        path.display()
    );
    Ok(())
}

/// The processes of these programs that were told something below `dir`.
fn processes(programs: &[&str], dir: &Path) -> Vec<u32> {
    let dir = dir.to_string_lossy();
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| {
        let read = |what: &str| fs::read(format!("/proc/{id}/{what}")).unwrap_or_default();
        let (program, line) = (read("comm"), read("cmdline"));
        let program = String::from_utf8_lossy(&program);
        programs.contains(&program.trim()) && String::from_utf8_lossy(&line).contains(&*dir)
    })
    .collect()
}
