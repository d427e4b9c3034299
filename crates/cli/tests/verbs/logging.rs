//! What a server logs, changed while it runs.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PATIENCE, Server, distrifs};

#[test]
fn the_level_is_read_again_on_sighup() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    fs::write(path("config.yaml"), "log_level: warn\n").unwrap();
    let mut command = distrifs(home.path());
    command
        .args([
            "--config",
            "config.yaml",
            "mini",
            "--dir",
            "cluster",
            "--datanodes",
            "1",
        ])
        .args(["--ports", "auto", "--ready-file", "ready.json"])
        .stdout(Stdio::null())
        .stderr(fs::File::create(path("log")).unwrap());
    let server = Server(command.spawn().unwrap());
    let until = |what: &str, true_now: &dyn Fn() -> bool| {
        let end = Instant::now() + PATIENCE;
        while !true_now() {
            assert!(Instant::now() < end, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let log = || fs::read_to_string(path("log")).unwrap();
    until("it serves", &|| path("ready.json").exists());
    assert!(!log().contains("INFO"), "{}", log());
    fs::write(path("config.yaml"), "log_level: debug,h2=warn\n").unwrap();
    kill_process(Pid::from_child(&server.0), Signal::HUP).unwrap();
    until("it says so", &|| {
        log().contains("logging as the configuration says now")
    });
    until("more is logged", &|| log().contains("DEBUG"));
    fs::write(path("config.yaml"), "log_level: nonsense=loud\n").unwrap();
    kill_process(Pid::from_child(&server.0), Signal::HUP).unwrap();
    until("the mistake is told", &|| {
        log().contains("what is logged stays as it is")
    });
}
