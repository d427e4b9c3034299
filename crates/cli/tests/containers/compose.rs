//! The compose file, with a project of its own for each test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Which of the clusters that the file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Three masters and six datanodes.
    Three,
    /// One master and six datanodes.
    Single,
}

/// A running cluster of containers. Dropping it removes them, their network and their volumes.
pub(crate) struct Compose {
    setup: Setup,
    project: String,
    image: String,
}

impl Compose {
    /// Starts it, and waits until every server calls itself well; none where there is no engine.
    pub(crate) fn up(setup: Setup) -> Option<Self> {
        if let Err(why) = engine() {
            eprintln!("SKIPPED: containers can not be tested here: {why}");
            return None;
        }
        let cluster = Self {
            setup,
            project: format!("distrifs-test-{}-{:?}", std::process::id(), setup).to_lowercase(),
            image: image(),
        };
        cluster.compose(&["up", "-d"], b"");
        let servers = if setup == Setup::Three { 9 } else { 7 };
        cluster.until("every server is well", |cluster| {
            cluster.containers("{{.ID}}").len() == servers && cluster.unhealthy().is_empty()
        });
        cluster.until("all datanodes are there", |cluster| {
            cluster.health()["datanodes_live"] == 6
        });
        Some(cluster)
    }

    /// Stores bytes with a client in a container.
    pub(crate) fn put(&self, bytes: &[u8], path: &str, flags: &[&str]) {
        let words = ["run", "--rm", "-T", "client", "put", "-", path];
        self.compose(&[&words, flags].concat(), bytes);
    }

    /// Reads them back, as [`Self::put`].
    pub(crate) fn cat(&self, path: &str) -> Vec<u8> {
        self.compose(&["run", "--rm", "-T", "client", "cat", path], b"")
    }

    /// What `health --json` says; null when nobody says anything.
    pub(crate) fn health(&self) -> Value {
        let done = self.try_compose(&["run", "--rm", "-T", "client", "health", "--json"], b"");
        serde_json::from_slice(&done.stdout).unwrap_or_default()
    }

    /// The service that is the leading master.
    pub(crate) fn leader(&self) -> String {
        let mut leader = None;
        self.until("a master leads", |cluster| {
            let done = cluster.try_compose(&["run", "--rm", "-T", "client", "status", "--json"], b"");
            let status: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
            let address = status["leader"].as_str().and_then(|text| text.rsplit_once(':'));
            leader = address.map(|(host, _)| host.to_owned());
            leader.is_some()
        });
        leader.unwrap()
    }

    /// `docker kill`.
    pub(crate) fn kill(&self, service: &str) {
        docker(&["kill", &self.container(service)]);
    }

    /// Starts it again.
    pub(crate) fn start(&self, service: &str) {
        docker(&["start", &self.container(service)]);
    }

    /// Takes it off the network. It goes on running.
    pub(crate) fn cut_off(&self, service: &str) {
        let network = format!("{}_default", self.project);
        docker(&["network", "disconnect", &network, &self.container(service)]);
    }

    /// Gives it its network again, and its name there.
    pub(crate) fn connect(&self, service: &str) {
        let network = format!("{}_default", self.project);
        docker(&[
            "network",
            "connect",
            "--alias",
            service,
            &network,
            &self.container(service),
        ]);
    }

    /// Servers that do not call themselves well, or do not run.
    pub(crate) fn unhealthy(&self) -> Vec<String> {
        let mut lines = self.containers("{{.Names}} {{.Status}}");
        lines.retain(|line| !line.contains("(healthy)"));
        lines
    }

    /// Waits until it is so.
    pub(crate) fn until(&self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !is(self) {
            if start.elapsed() > PATIENCE {
                let logs = self.try_compose(&["logs", "--no-color", "--tail", "15"], b"");
                eprintln!("{}", String::from_utf8_lossy(&logs.stdout));
                panic!("still waiting until {what}; {:?}", self.unhealthy());
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn containers(&self, format: &str) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let listed = docker(&["ps", "-a", "--filter", &filter, "--format", format]);
        String::from_utf8(listed)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn container(&self, service: &str) -> String {
        let of = |label: &str, value: &str| format!("label=com.docker.compose.{label}={value}");
        let (project, service) = (of("project", &self.project), of("service", service));
        let listed = docker(&["ps", "-aq", "--filter", &project, "--filter", &service]);
        let listed = String::from_utf8(listed).unwrap();
        assert_eq!(listed.lines().count(), 1, "{service}: {listed}");
        listed.trim().to_owned()
    }

    fn compose(&self, words: &[&str], stdin: &[u8]) -> Vec<u8> {
        let done = self.try_compose(words, stdin);
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "{words:?} ended with {}: {told}",
            done.status
        );
        done.stdout
    }

    fn try_compose(&self, words: &[&str], stdin: &[u8]) -> Output {
        let mut command = composer().unwrap();
        let env_file = if self.setup == Setup::Three {
            ".env"
        } else {
            "single.env"
        };
        command
            .current_dir(repository().join("deploy/docker"))
            .args(["--env-file", env_file, "--project-name", &self.project])
            .env("DISTRIFS_IMAGE", &self.image)
            // The engine chooses the port on this machine.
            .env("CONSOLE", "127.0.0.1:")
            .args(words);
        output(command, stdin)
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        self.try_compose(&["down", "--volumes", "--remove-orphans", "--timeout", "2"], b"");
        if std::env::var_os("DISTRIFS_TEST_IMAGE").is_none() {
            let _ = Command::new("docker")
                .args(["rmi", "--force", &self.image])
                .output();
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether containers can be run here.
fn engine() -> Result<(), String> {
    let asked = Command::new("docker")
        .args(["info", "--format", "{{.ServerVersion}}"])
        .output();
    let asked = asked.map_err(|error| format!("docker: {error}"))?;
    if !asked.status.success() {
        return Err(String::from_utf8_lossy(&asked.stderr).trim().to_owned());
    }
    composer()
        .map(|_| ())
        .ok_or_else(|| "neither `docker compose` nor `docker-compose` is there".to_owned())
}

/// Compose: the engine's plugin, or the program.
fn composer() -> Option<Command> {
    static PLUGIN: OnceLock<Option<bool>> = OnceLock::new();
    let works = |program: &str, args: &[&str]| {
        let asked = Command::new(program).args(args).output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    let plugin = (*PLUGIN.get_or_init(|| {
        if works("docker", &["compose", "version"]) {
            return Some(true);
        }
        works("docker-compose", &["version"]).then_some(false)
    }))?;
    if !plugin {
        return Some(Command::new("docker-compose"));
    }
    let mut command = Command::new("docker");
    command.arg("compose");
    Some(command)
}

/// The image: one that is named, or one of the binary that is tested.
fn image() -> String {
    if let Ok(named) = std::env::var("DISTRIFS_TEST_IMAGE") {
        return named;
    }
    let tag = format!("distrifs-test:{}", std::process::id());
    let mut build = Command::new(repository().join("deploy/docker/build.sh"));
    build.args(["--binary", env!("CARGO_BIN_EXE_distrifs"), "--tag", &tag]);
    let built = build.output().unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    tag
}

fn docker(words: &[&str]) -> Vec<u8> {
    let done = Command::new("docker").args(words).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "docker {words:?}: {told}");
    done.stdout
}

fn output(mut command: Command, stdin: &[u8]) -> Output {
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = pipe.write_all(stdin);
        });
        child.wait_with_output().unwrap()
    })
}
