//! Failures: what is said, and the exit status.

use std::time::Instant;

use crate::support::{Done, Mini, PATIENCE, distrifs};

#[test]
fn failures_say_what_why_and_what_to_do() {
    let mini = Mini::start();
    mini.ok("mkdir -p /dir/below");
    mini.ok("touch /file /taken");
    mini.file("local", "text");
    assert_eq!(
        mini.fails(3, "ls /nothing"),
        "distrifs: /nothing: no such file or directory\n"
    );
    let missing = mini.fails(3, "mkdir /no/such");
    assert!(
        missing.contains("/no") && missing.contains("-p makes"),
        "{missing}"
    );
    for (status, line) in [
        (3, "cat /nothing"),
        (3, "rm /nothing"),
        (3, "mv /nothing /else"),
        (3, "get /nothing"),
        (3, "put nothing-local /x"),
        (3, "put local /no/such/file"),
        (3, "put local local /no-directory"),
        (5, "mkdir /dir"),
        (5, "rm /dir"),
        (5, "cat /dir"),
        (5, "put local /file"),
        (5, "put local /file/"),
        (5, "cp /dir /copy"),
        (5, "mv -n /file /taken"),
        (1, "mv /dir /dir/below/inside"),
        (2, "rm -r /"),
        (2, "put -"),
    ] {
        mini.fails(status, line);
    }
    assert!(mini.fails(5, "put local /file").contains("--overwrite"));
    assert!(mini.fails(5, "rm /dir").contains("-r removes"));
    // One failure does not keep the other arguments from being done.
    let some = mini.run("cat /nothing /file");
    assert_eq!(some.status, 3);
    mini.fails(3, "rm /nothing /file");
    assert_eq!(mini.ok("ls"), "dir\ntaken\n");
}

#[test]
fn wrong_command_lines_are_usage_errors() {
    let home = tempfile::tempdir().unwrap();
    let run = |line: &str| Done::of(distrifs(home.path()).args(line.split(' ')).output().unwrap());
    for line in [
        "frobnicate",
        "ls --nonsense",
        "put --chunk-size 513 a /b",
        "chmod 999 /x",
        "setrep 0 /x",
        "master --ports auto",
        "mini --master localhost:1",
        "--master https://x ls",
        "getrange /x",
    ] {
        let done = run(line);
        assert_eq!(done.status, 2, "{line}: {}", done.stderr);
        assert!(!done.stderr.is_empty() && done.stdout.is_empty(), "{line}");
    }
    for line in ["--help", "ls --help", "df --help", "mini --help", "--version"] {
        let done = run(line);
        assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{line}");
        assert!(!done.stdout.is_empty());
    }
    let help = run("--help");
    for part in [
        "distrifs mini",
        "Exit status",
        "no such file or directory",
        "--master",
        "DISTRIFS_MASTER",
    ] {
        assert!(help.text().contains(part), "{part} is not in the help");
    }
}

#[test]
fn a_master_that_is_not_there_is_said_soon() {
    let home = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let line = ["--timeout", "200ms", "--master", "127.0.0.1:1", "ls"];
    let done = Done::of(distrifs(home.path()).args(line).output().unwrap());
    assert_eq!(done.status, 6);
    assert!(
        done.stderr.contains("127.0.0.1:1") && done.stderr.contains("distrifs mini"),
        "{}",
        done.stderr
    );
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn output_in_a_pipe_has_no_colours() {
    let mini = Mini::start();
    mini.ok("mkdir /dir");
    for line in ["ls", "ls -l", "df", "config", "ls /nothing"] {
        let done = mini.run(line);
        assert!(
            !done.stdout.contains(&0x1b) && !done.stderr.contains('\x1b'),
            "{line}"
        );
    }
}
