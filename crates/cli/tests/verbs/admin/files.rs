//! Looking into checkpoints and logs.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::put_files;
use crate::support::Mini;

/// The file in a master's directory whose name begins so.
fn master_file(mini: &Mini, begin: &str) -> PathBuf {
    let found = fs::read_dir(mini.path("cluster/master")).unwrap();
    let paths = found.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(begin))
        .max()
        .unwrap()
}

fn flip(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_checkpoint_is_written_looked_into_and_checked_while_the_master_runs() {
    let mini = Mini::start();
    let none = mini.json("admin checkpoint stats --json cluster");
    assert_eq!(
        (&none["checkpoints"], &none["contents"]),
        (&Value::Array(vec![]), &Value::Null)
    );
    assert!(
        mini.fails(3, "admin checkpoint dump cluster")
            .contains("log dump")
    );

    put_files(&mini, "data", 12);
    let first = mini.json("admin checkpoint write --json");
    mini.ok("mkdir /later");
    let second = mini.json("admin checkpoint write --json");
    assert!(second["index"].as_u64() > first["index"].as_u64());

    // By the directory of the cluster, of its master, or the file.
    for path in ["cluster", "cluster/master"] {
        let stats = mini.json(&format!("admin checkpoint stats --json {path}"));
        let checkpoints = stats["checkpoints"].as_array().unwrap();
        assert_eq!(checkpoints.len(), 2);
        assert_eq!(checkpoints[0]["index"], second["index"]);
        assert!(checkpoints.iter().all(|checkpoint| checkpoint["whole"] == true));
        let contents = &stats["contents"];
        assert_eq!(
            (&contents["files"], &contents["directories"]),
            (&12.into(), &3.into())
        );
        assert_eq!(
            (&contents["chunks"], &contents["datanodes"]),
            (&12.into(), &3.into())
        );
        let sizes = contents["lengths"].as_array().unwrap();
        let counted: u64 = sizes.iter().map(|class| class["files"].as_u64().unwrap()).sum();
        assert_eq!(counted, 12);
    }
    let text = mini.ok("admin checkpoint stats cluster");
    assert!(text.contains("whole") && text.contains("files"), "{text}");

    let newest = master_file(&mini, "checkpoint-");
    let dump = lines(&mini.ok(&format!("admin checkpoint dump --json {}", newest.display())));
    let paths: Vec<_> = dump.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), 15);
    assert_eq!(paths[..3], ["/", "/data", "/data/f0"]);
    let located = mini.json("stat --json /data/f3");
    let line = dump.iter().find(|line| line["path"] == "/data/f3").unwrap();
    assert_eq!(line["inode"], located["inode"]);
    assert_eq!(
        (&line["length"], &line["mode"]),
        (&located["length"], &located["mode"])
    );
    assert_eq!(line["chunks"][0]["length"], 1111);
    let text = mini.ok("admin checkpoint dump cluster");
    assert!(
        text.lines()
            .any(|line| line.starts_with("-rw") && line.contains(" /data/f3 ")),
        "{text}"
    );

    mini.ok("admin checkpoint verify cluster");
    flip(&newest, fs::read(&newest).unwrap().len() / 2);
    let done = mini.run("admin checkpoint verify cluster");
    assert_eq!(done.status, 1);
    assert!(done.text().contains("damaged at byte"), "{}", done.text());
    assert!(
        done.stderr.contains("1 of 2 checkpoints damaged"),
        "{}",
        done.stderr
    );
    // The one before it is read, and this is said.
    let done = mini.run("admin checkpoint dump cluster");
    assert_eq!(done.status, 0);
    assert!(done.stderr.contains("is read instead"), "{}", done.stderr);
    assert!(!done.text().contains("/later"));
    assert!(
        mini.fails(1, &format!("admin checkpoint dump {}", newest.display()))
            .contains("damaged at byte")
    );
}

#[test]
fn a_log_is_read_and_checked_when_its_master_has_stopped() {
    let mut mini = Mini::start();
    put_files(&mini, "data", 3);
    mini.ok("mkdir /marked");
    for verb in ["dump", "verify"] {
        let said = mini.fails(5, &format!("admin log {verb} cluster"));
        assert!(
            said.contains("in use by process") && said.contains("stop the master"),
            "{said}"
        );
    }
    mini.stop();
    let verified = mini.json("admin log verify --json cluster");
    let last = verified["last_index"].as_u64().unwrap();
    assert_eq!(
        (&verified["first_index"], &verified["records"]),
        (&1.into(), &last.into())
    );
    assert_eq!(verified["torn"], Value::Null);
    let text = mini.ok("admin log verify cluster/master");
    assert!(
        text.contains("whole") && text.contains(&format!("1 to {last}")),
        "{text}"
    );

    let all = lines(&mini.ok("admin log dump --json cluster"));
    assert_eq!(all.len() as u64, last);
    let marked = all
        .iter()
        .find(|line| line["command"]["path"] == "/marked")
        .unwrap();
    assert_eq!(marked["name"], "Mkdir");
    let index = marked["index"].as_u64().unwrap();
    let one = mini.ok(&format!("admin log dump cluster --from {index} --to {index}"));
    assert!(
        one.starts_with(&format!("{index} ")) && one.contains("Mkdir") && one.contains("/marked"),
        "{one}"
    );
    assert_eq!(one.lines().count(), 1);

    // A byte of the record of that path.
    let segment = master_file(&mini, "wal-");
    let bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(7).position(|part| part == b"/marked").unwrap();
    flip(&segment, at);
    let said = mini.fails(1, "admin log verify cluster");
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(
        said.contains(name) && said.contains(&format!("record {index}")),
        "{said}"
    );
    let done = mini.run("admin log dump cluster");
    assert_eq!(done.status, 1);
    assert_eq!(
        done.text().lines().count() as u64,
        index - 1,
        "what is before it is printed"
    );
    flip(&segment, at);
    mini.ok("admin log verify cluster");
    mini.start_again();
    mini.ok("stat /marked");
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("empty")).unwrap();
    fs::write(home.path().join("file"), "nothing at all").unwrap();
    for (line, status, expected) in [
        ("admin checkpoint stats nowhere", 3, "nowhere"),
        ("admin checkpoint dump file", 1, "the mark of a checkpoint"),
        ("admin log verify empty", 3, "there is no log"),
        ("admin log dump file", 2, "name the directory of a master"),
        (
            "admin export --from empty out",
            3,
            "neither a checkpoint nor a log",
        ),
        ("admin restore file --dir new", 1, "the mark of a checkpoint"),
        ("admin import file --dir new", 1, "line 1: this is not an export"),
        ("admin restore file", 2, "--dir"),
    ] {
        let mut command = crate::support::distrifs(home.path());
        let done = crate::support::Done::of(command.args(line.split(' ')).output().unwrap());
        assert_eq!(done.status, status, "{line}: {}", done.stderr);
        assert!(done.stderr.contains(expected), "{line}: {}", done.stderr);
    }
    assert!(!home.path().join("new").exists(), "nothing is made");
}
