//! Whether a server is well, as a container engine asks.

use serde_json::Value;

use super::support::{Done, Mini, distrifs};

fn check(mini: &Mini, args: &[&str]) -> Done {
    Done::of(
        distrifs(mini.home())
            .arg("healthcheck")
            .args(args)
            .output()
            .unwrap(),
    )
}

#[test]
fn servers_say_that_they_are_well_and_one_that_is_gone_says_nothing() {
    let mut mini = Mini::start();
    let ready: Value = serde_json::from_slice(&std::fs::read(mini.path("ready.json")).unwrap()).unwrap();
    let master = ready["http"].as_str().unwrap();
    let datanode = ready["datanodes_http"][0].as_str().unwrap();

    // A master waits for its datanodes to report before it calls itself ready.
    mini.ok("health --wait");
    let done = super::support::eventually(|| Some(check(&mini, &[master])).filter(|done| done.status == 0));
    assert!(done.text().contains("ready, leader of term"), "{done:?}");
    let done = check(&mini, &[datanode]);
    assert!(done.text().contains("ready, known to 1 masters"), "{done:?}");
    let done = check(&mini, &[datanode, "--json"]);
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&told["well"], &told["answer"]["ready"]),
        (&true.into(), &true.into())
    );

    // The port of a server of this machine comes from the settings that the server has.
    let (host, port) = datanode.rsplit_once(':').unwrap();
    let done = check(
        &mini,
        &[
            "datanode",
            "--alive",
            "--listen",
            host,
            "--datanode-http-port",
            port,
        ],
    );
    assert_eq!((done.status, done.stderr.as_str()), (0, ""));

    mini.stop();
    let done = check(&mini, &[master]);
    assert_eq!(done.status, 6, "{done:?}");
    assert!(
        done.stderr.contains(master) && done.stderr.contains("connection refused"),
        "{done:?}"
    );
    assert_eq!(check(&mini, &["elsewhere"]).status, 2);
}
