//! A whole cluster in one process: its start, its words, its end.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Done, Mini, PATIENCE, Server, distrifs, start_mini};

fn stop(server: &mut Server, signal: Signal) -> Option<i32> {
    kill_process(Pid::from_child(&server.0), signal).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = server.0.try_wait().unwrap() {
            return status.code();
        }
        assert!(Instant::now() < until, "it does not stop");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn it_greets_with_commands_that_work_and_stops_when_told() {
    let mut mini = Mini::start();
    let until = Instant::now() + PATIENCE;
    let greeting = loop {
        let text = fs::read_to_string(mini.path("mini.out")).unwrap();
        if text.contains("Ctrl-C") {
            break text;
        }
        assert!(Instant::now() < until, "{text}");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(greeting.contains(&mini.master), "{greeting}");
    let commands: Vec<_> = greeting
        .lines()
        .filter(|line| line.contains("--master"))
        .collect();
    assert_eq!(commands.len(), 3, "{greeting}");
    let mut last = String::new();
    for command in commands {
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", command.trim()])
            .env("HOME", mini.home())
            .current_dir(mini.home());
        let done = Done::of(shell.output().unwrap());
        assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{command}");
        last = done.text().to_owned();
    }
    assert_eq!(last, "hello, cluster\n");
    assert_eq!(stop(&mut mini.server, Signal::TERM), Some(0));
}

#[test]
fn it_comes_back_with_everything_also_after_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let flags = ["--ports", "auto", "--datanodes", "2"];
    let (mut server, ready) = start_mini(home.path(), &flags);
    assert_eq!(ready["datanodes"].as_array().unwrap().len(), 2);
    let run = |master: &str, line: &str| {
        let mut command = distrifs(home.path());
        command.env("DISTRIFS_MASTER", master).args(line.split(' '));
        let done = Done::of(command.output().unwrap());
        assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{line}");
        done.text().to_owned()
    };
    fs::write(home.path().join("file"), "still there").unwrap();
    run(ready["master"].as_str().unwrap(), "put file /first");
    assert_eq!(stop(&mut server, Signal::KILL), None);

    // Nobody says how many datanodes: as many as there were.
    let (mut server, ready) = start_mini(home.path(), &["--ports", "auto"]);
    assert_eq!(ready["datanodes"].as_array().unwrap().len(), 2);
    let master = ready["master"].as_str().unwrap();
    assert_eq!(run(master, "cat /first"), "still there");
    run(master, "put file /second");
    assert!(
        run(master, "stat /second").contains("replicas    2"),
        "as many as there are datanodes"
    );
    assert_eq!(stop(&mut server, Signal::INT), Some(0));

    let (_server, ready) = start_mini(home.path(), &["--ports", "auto"]);
    let master = ready["master"].as_str().unwrap();
    assert_eq!(run(master, "cat /first /second"), "still therestill there");
}

#[test]
fn a_second_one_on_the_same_directory_is_refused() {
    let mini = Mini::start();
    let done = Done::of(
        distrifs(mini.home())
            .args(["mini", "--dir", "cluster", "--ports", "auto"])
            .output()
            .unwrap(),
    );
    assert_eq!(done.status, 5, "{}", done.stderr);
    assert!(
        done.stderr.contains(&mini.server.0.id().to_string()),
        "{}",
        done.stderr
    );
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in [
        "--master-port",
        "--http-port",
        "--data-port",
        "--datanode-http-port",
    ] {
        let line = [
            "mini",
            "--dir",
            "cluster",
            "--datanodes",
            "1",
            "--ports",
            "auto",
            flag,
            &port,
        ];
        let done = Done::of(distrifs(home.path()).args(line).output().unwrap());
        assert_eq!(done.status, 5, "{flag}: {}", done.stderr);
        assert!(
            done.stderr.contains(&format!("127.0.0.1:{port}")),
            "{flag}: {}",
            done.stderr
        );
        assert!(done.stderr.contains("--ports auto"), "{flag}: {}", done.stderr);
    }
}

#[test]
fn a_datanode_of_another_cluster_is_refused_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let flags = ["--ports", "auto", "--datanodes", "1"];
    let (mut server, _) = start_mini(home.path(), &flags);
    assert_eq!(stop(&mut server, Signal::TERM), Some(0));
    fs::remove_dir_all(home.path().join("cluster/master")).unwrap();
    let line = ["mini", "--dir", "cluster", "--ports", "auto"];
    let done = Done::of(distrifs(home.path()).args(line).output().unwrap());
    assert_ne!(done.status, 0);
    assert!(done.stderr.contains("cluster"), "{}", done.stderr);
}
