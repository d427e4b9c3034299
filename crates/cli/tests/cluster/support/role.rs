//! One server process: a master or a datanode.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use env::net::ReservedPort;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::until;
use crate::http::get;

/// Where a server serves, as it writes it down itself.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ready {
    pub(crate) master: String,
    #[serde(default)]
    pub(crate) http: Option<String>,
    #[serde(default)]
    pub(crate) datanodes: Vec<String>,
}

/// A server process and its directory. It can be killed and started again on both; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Role {
    verb: &'static str,
    dir: PathBuf,
    ready_file: PathBuf,
    log: PathBuf,
    options: Vec<String>,
    /// From its first start on: the flags that give it the same ports each time.
    ports: Option<Vec<String>>,
    /// They are nobody else's while it is down.
    reserved: Vec<ReservedPort>,
    /// The machine that it runs on; none: this one.
    host: Option<String>,
    child: Option<Child>,
}

impl Role {
    /// A role that keeps its things below `base` under `name`; it does not run yet.
    pub(crate) fn new(base: &Path, verb: &'static str, name: &str, options: Vec<String>) -> Self {
        Self {
            verb,
            dir: base.join(name),
            ready_file: base.join(format!("{name}.ready")),
            log: base.join(format!("{name}.log")),
            options,
            ports: None,
            reserved: Vec::new(),
            host: None,
            child: None,
        }
    }

    /// Makes it run on another machine.
    pub(crate) fn set_host(&mut self, host: String) {
        self.host = Some(host);
    }

    /// The flags that say where it listens, and the port among them, where that is one of this machine.
    pub(crate) fn set_ports(&mut self, flags: Vec<String>, reserved: Option<ReservedPort>) {
        self.ports = Some(flags);
        self.reserved.extend(reserved);
    }

    /// Ports that it keeps over all its lives.
    fn choose_ports(&mut self) {
        if self.ports.is_some() {
            return;
        }
        let reserve = || ReservedPort::on("0.0.0.0").unwrap();
        let flags = if self.verb == "datanode" {
            self.reserved.push(reserve());
            vec![
                ("--data-port", self.reserved[0].number()),
                ("--datanode-http-port", 0),
            ]
        } else {
            self.reserved.extend([reserve(), reserve()]);
            let [grpc, http] = [0, 1].map(|n| self.reserved[n].number());
            vec![("--master-port", grpc), ("--http-port", http)]
        };
        let flags = flags
            .into_iter()
            .flat_map(|(flag, port)| [flag.to_owned(), port.to_string()]);
        self.ports = Some(flags.collect());
    }

    /// Removes its directory, as if the disk were lost. It must not run.
    pub(crate) fn lose_directory(&self) {
        assert!(self.child.is_none(), "{} runs", self.verb);
        fs::remove_dir_all(&self.dir).unwrap();
    }

    /// Starts the process and does not wait for anything.
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.verb);
        self.choose_ports();
        // A ready file of an earlier run must not be taken for one of this run.
        let _ = fs::remove_file(&self.ready_file);
        fs::create_dir_all(&self.dir).unwrap();
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = super::client::distrifs(self.dir.parent().unwrap(), self.host.as_deref());
        command
            .arg(self.verb)
            .arg("--dir")
            .arg(&self.dir)
            .arg("--ready-file")
            .arg(&self.ready_file)
            .args(&self.options)
            .args(self.ports.iter().flatten())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until it serves.
    pub(crate) fn ready(&mut self) -> Ready {
        let what = format!("{} serves", self.verb);
        until(&what, || {
            if let Some(status) = self.ended() {
                panic!("{} ended with {status}:\n{}", self.verb, self.log());
            }
            serde_json::from_str(&fs::read_to_string(&self.ready_file).ok()?).ok()
        })
    }

    /// Starts the process, again on the same ports if it has served before, and waits until it serves.
    pub(crate) fn start(&mut self) -> Ready {
        self.spawn();
        self.ready()
    }

    /// `kill -9`, and gone.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.verb);
        let status = until(&what, || self.ended());
        self.child = None;
        status
    }

    /// Stops it where it is, as if its machine hung.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().unwrap().try_wait().unwrap()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Where it serves HTTP.
    pub(crate) fn http(&self) -> String {
        let ready: Ready = serde_json::from_str(&fs::read_to_string(&self.ready_file).unwrap()).unwrap();
        ready.http.unwrap()
    }

    /// Data bytes that the datanode has sent to readers so far, as its metrics say.
    pub(crate) fn bytes_sent(&self) -> u64 {
        let text = get(&self.http(), "/metrics");
        let told = text
            .lines()
            .find_map(|line| line.strip_prefix("distrifs_datanode_sent_bytes_total "));
        told.unwrap().parse().unwrap()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Everything it has said, in all its runs.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Another process on the same directory, with ports of its own.
    pub(crate) fn rival(&self) -> Self {
        let base = self.dir.parent().unwrap();
        let name = self.dir.file_name().unwrap().to_string_lossy().into_owned();
        let mut rival = Self::new(base, self.verb, &name, self.options.clone());
        rival.ready_file = base.join(format!("{name}-rival.ready"));
        rival.log = base.join(format!("{name}-rival.log"));
        rival
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// The command line of a process is enough to tell it from others.
impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.verb, self.dir.display())
    }
}

/// Kept out of the type so that both servers and clients are started with it.
pub(super) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DISTRIFS_") {
            command.env_remove(name);
        }
    }
}
