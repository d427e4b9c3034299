//! The configuration as the binary sees it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Done, distrifs};

fn config(home: &Path, line: &str, env: &[(&str, &str)]) -> Done {
    let mut command = distrifs(home);
    command.envs(env.iter().copied()).args(line.split(' '));
    Done::of(command.output().unwrap())
}

fn setting(done: &Done, name: &str) -> Value {
    assert_eq!(done.status, 0, "{}", done.stderr);
    let document: Value = serde_json::from_str(done.text()).unwrap();
    let settings = document["settings"].as_array().unwrap();
    settings
        .iter()
        .find(|setting| setting["name"] == name)
        .unwrap()
        .clone()
}

#[test]
fn every_layer_is_seen_with_its_source() {
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join("c.yaml"),
        "replication_factor: 2\nchunk_size: 16MiB\nrack: /r\n",
    )
    .unwrap();
    let env = [
        ("DISTRIFS_CHUNK_SIZE", "1MiB"),
        ("DISTRIFS_HEARTBEAT_INTERVAL_S", "1"),
    ];
    let done = config(
        home.path(),
        "config --json --config c.yaml --heartbeat-interval 500ms",
        &env,
    );
    let rf = setting(&done, "replication_factor");
    assert_eq!(
        (&rf["value"], &rf["from"], &rf["line"]),
        (&2.into(), &"file".into(), &1.into())
    );
    let size = setting(&done, "chunk_size");
    assert_eq!(
        (&size["value"], &size["from"]),
        (&(1 << 20).into(), &"environment".into())
    );
    let beat = setting(&done, "heartbeat_interval_s");
    assert_eq!(
        (&beat["value"], &beat["from"], &beat["unit"]),
        (&0.5.into(), &"flag".into(), &"seconds".into())
    );
    let port = setting(&done, "master_port");
    assert_eq!((&port["value"], &port["from"]), (&9800.into(), &"default".into()));
    let text = config(home.path(), "config --config c.yaml", &env);
    assert!(text.text().contains("c.yaml:1") && text.text().contains("DISTRIFS_CHUNK_SIZE"));
    assert!(text.text().contains("accepted, not used yet"));
}

#[test]
fn the_file_is_found_where_it_is_looked_for() {
    let home = tempfile::tempdir().unwrap();
    let rack =
        |env: &[(&str, &str)]| setting(&config(home.path(), "config --json", env), "rack")["value"].clone();
    assert_eq!(rack(&[]), "/default-rack");
    fs::create_dir_all(home.path().join(".config/distrifs")).unwrap();
    fs::write(home.path().join(".config/distrifs/config.yaml"), "rack: /home\n").unwrap();
    assert_eq!(rack(&[]), "/home");
    fs::write(home.path().join("config.yaml"), "services: [web]\n").unwrap();
    assert_eq!(rack(&[]), "/home", "the file of another program");
    fs::write(home.path().join("config.yaml"), "rack: /here\n").unwrap();
    assert_eq!(rack(&[]), "/here");
    fs::write(home.path().join("named.yaml"), "rack: /named\n").unwrap();
    assert_eq!(rack(&[("DISTRIFS_CONFIG", "named.yaml")]), "/named");
}

#[test]
fn unknown_settings_are_refused_with_file_line_and_the_nearest_one() {
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join("c.yaml"),
        "log_level: info\nreplicaton_factor: 2\n",
    )
    .unwrap();
    for line in [
        "config --config c.yaml",
        "ls --config c.yaml",
        "mini --config c.yaml",
    ] {
        let done = config(home.path(), line, &[]);
        assert_eq!(done.status, 2, "{line}");
        assert!(
            done.stderr.contains("c.yaml:2") && done.stderr.contains("\"replication_factor\""),
            "{}",
            done.stderr
        );
    }
    let missing = config(home.path(), "config --config none.yaml", &[]);
    assert_eq!(missing.status, 2);
    let wrong = config(home.path(), "config", &[("DISTRIFS_RF", "zero")]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("DISTRIFS_RF"), "{}", wrong.stderr);
}
