//! What happens, seen from a terminal: `logs` and `top`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Cluster, Content, until};

#[test]
fn what_happens_is_told_as_it_happens() {
    let mut cluster = Cluster::start(3);
    let mut follow = cluster.client.command(&["logs", "-f", "--json"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let (tell, told) = mpsc::channel();
    let lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = tell.send(serde_json::from_str::<Value>(&line).unwrap());
        }
    });
    let mut seen: Vec<Value> = Vec::new();
    let mut wait_for = |what: &str, tone: &str| {
        until(&format!("{what} is told"), || {
            seen.extend(told.try_iter());
            seen.iter()
                .any(|event| event["what"].as_str().unwrap().contains(what) && event["tone"] == tone)
                .then_some(())
        });
    };
    // It tells what changes from its first look on: something that can be done until it is seen.
    let mut on = false;
    until("it follows", || {
        on = !on;
        cluster
            .client
            .ok(&["admin", "safemode", if on { "enter" } else { "leave" }]);
        told.recv_timeout(Duration::from_secs(2)).ok().map(drop)
    });
    cluster.client.ok(&["admin", "safemode", "leave"]);
    cluster.datanodes[2].kill();
    wait_for("is dead", "bad");

    // A master remembers the same, for who comes later.
    let ready: Value =
        serde_json::from_slice(&std::fs::read(cluster.dir().join("master.ready")).unwrap()).unwrap();
    let http = ready["http"].as_str().unwrap();
    until("the master remembers it", || {
        let told = String::from_utf8(cluster.client.ok(&["logs", "--http", http])).unwrap();
        told.contains("is dead").then_some(())
    });

    cluster.datanodes[2].start();
    wait_for("is live", "good");
    follow.kill().unwrap();
    follow.wait().unwrap();

    let complaint = cluster.client.fails(&["logs", "--http", "127.0.0.1:1"]);
    assert!(
        complaint.contains("127.0.0.1:1") && complaint.contains("--http HOST:PORT"),
        "{complaint}"
    );
}

#[test]
fn top_names_those_who_ask_the_most() {
    let cluster = Cluster::start(3);
    let source = cluster.dir().join("source");
    Content::new(81, 100_000).write_file(&source);
    cluster.client.ok(&["mkdir", "-p", "/hot"]);
    let top = until("the busy user and directory are told", || {
        for n in 0..10 {
            cluster.client.ok(&[
                "put",
                source.to_str().unwrap(),
                &format!("/hot/{n}"),
                "--overwrite",
            ]);
        }
        let document = cluster
            .client
            .ok(&["top", "--once", "--json", "--every", "500ms"]);
        let document: Value = serde_json::from_slice(&document).unwrap();
        (document["hot"]["directories"][0]["name"] == "/hot").then_some(document)
    });
    assert!(
        top["hot"]["clients"][0]["name"]
            .as_str()
            .unwrap()
            .ends_with("@127.0.0.1"),
        "{}",
        top["hot"]
    );
    assert!(top["hot"]["clients"][0]["calls_per_s"].as_f64().unwrap() > 0.0);
    assert_eq!(top["nodes"].as_array().unwrap().len(), 3);
    assert!(
        top["rates"]["calls_per_s"].as_f64().is_some(),
        "two looks make a rate"
    );
    let screen = String::from_utf8(cluster.client.ok(&["top", "--once", "--every", "200ms"])).unwrap();
    for part in [
        "HEALTHY",
        "DATANODE",
        "CLIENT",
        "DIRECTORY",
        "/hot",
        "3 of 3 datanodes live",
    ] {
        assert!(screen.contains(part), "{part} is not in:\n{screen}");
    }
}
