//! A small cluster for one test, and commands to it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, without anything of the caller's environment that it would listen to.
pub(crate) fn distrifs(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_distrifs"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("DISTRIFS_") || name.starts_with("XDG_") || name == "NO_COLOR" {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).current_dir(home).stdin(Stdio::null());
    command
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// A running process that is killed when the test ends.
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A whole cluster in a temporary directory.
pub(crate) struct Mini {
    // Before the directory, so that the process is gone when that is removed.
    pub(crate) server: Server,
    pub(crate) master: String,
    home: TempDir,
}

impl Mini {
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (server, ready) = start_mini(home.path(), &["--ports", "auto"]);
        Self {
            server,
            master: ready["master"].as_str().unwrap().to_owned(),
            home,
        }
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.server.0);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let status = self.server.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    /// Starts it again, with what is in its directory by now.
    pub(crate) fn start_again(&mut self) {
        let (server, ready) = start_mini(self.home.path(), &["--ports", "auto"]);
        self.server = server;
        ready["master"].as_str().unwrap().clone_into(&mut self.master);
    }

    /// A path in the directory of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a local file.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = distrifs(self.home());
        command.env("DISTRIFS_MASTER", &self.master).args(line.split(' '));
        command
    }

    /// Runs a command; the words of `line` are its arguments.
    pub(crate) fn run(&self, line: &str) -> Done {
        Done::of(self.command(line).output().unwrap())
    }

    /// Runs a command that must succeed; what it prints.
    pub(crate) fn ok(&self, line: &str) -> String {
        let done = self.run(line);
        assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{line}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Runs a command that must succeed and print JSON.
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }

    /// Runs a command that must fail with `status`; what it says.
    pub(crate) fn fails(&self, status: i32, line: &str) -> String {
        let done = self.run(line);
        assert_eq!(done.status, status, "{line}: {}", done.stderr);
        assert!(done.stderr.starts_with("distrifs: "), "{line}: {}", done.stderr);
        done.stderr
    }

    /// Runs a command with `bytes` on its stdin.
    pub(crate) fn feed(&self, line: &str, bytes: &[u8]) -> Done {
        let mut command = self.command(line);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _ = stdin.write_all(bytes);
            });
            Done::of(child.wait_with_output().unwrap())
        })
    }
}

/// Starts a cluster whose data is in `home/cluster`, and waits until it serves.
pub(crate) fn start_mini(home: &Path, flags: &[&str]) -> (Server, Value) {
    let ready_file = home.join("ready.json");
    let _ = fs::remove_file(&ready_file);
    let log = fs::File::create(home.join("mini.log")).unwrap();
    let mut command = distrifs(home);
    command
        .args(["mini", "--dir", "cluster", "--ready-file", "ready.json"])
        .args(flags)
        .stdout(fs::File::create(home.join("mini.out")).unwrap())
        .stderr(log);
    let mut server = Server(command.spawn().unwrap());
    let until = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = fs::read_to_string(&ready_file) {
            return (server, serde_json::from_str(&text).unwrap());
        }
        let log = || fs::read_to_string(home.join("mini.log")).unwrap();
        if let Some(status) = server.0.try_wait().unwrap() {
            panic!("mini ended with {status}: {}", log());
        }
        assert!(Instant::now() < until, "mini does not serve: {}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// So many bytes that repeat nowhere soon.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// Asks until there is an answer.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "still waiting");
        std::thread::sleep(Duration::from_millis(25));
    }
}
