//! When three datanodes are lost at once, exactly the files that had all their copies there are named.

use std::collections::BTreeSet;

use super::disks::{copies, liveness, store};
use crate::support::{Client, Cluster, Role, until};

/// The paths that `fsck --list-lost` names, with its exit status.
fn listed(client: &Client) -> (BTreeSet<String>, Option<i32>) {
    let done = client.run(&["fsck", "/", "--list-lost"]);
    let text = String::from_utf8(done.stdout).unwrap();
    (text.lines().map(str::to_owned).collect(), done.status.code())
}

fn address(datanode: &mut Role) -> String {
    datanode.ready().datanodes[0].clone()
}

#[test]
fn exactly_the_lost_files_are_named() {
    let mut cluster = Cluster::start(7);
    let client = cluster.client.clone();
    let stored = store(&cluster, "/some", 40);
    // Those three that have the first file.
    let first = &stored["/some/000"];
    let has_first = |datanode: &Role| copies([datanode]).contains_key(first);
    let (killed, left): (Vec<usize>, Vec<usize>) =
        (0..7).partition(|&nth| has_first(&cluster.datanodes[nth]));
    assert_eq!(killed.len(), 3);
    let addresses: Vec<_> = killed
        .iter()
        .map(|&nth| address(&mut cluster.datanodes[nth]))
        .collect();
    for &nth in &killed {
        cluster.datanodes[nth].kill();
    }
    // What is left on the other disks at this moment is all that there is.
    let there = copies(left.iter().map(|&nth| &cluster.datanodes[nth]));
    let gone = stored.iter().filter(|(_, chunk)| !there.contains_key(*chunk));
    let expected: BTreeSet<_> = gone.map(|(path, _)| path.clone()).collect();
    assert!(expected.contains("/some/000") && expected.len() < stored.len());

    cluster.wait_for_datanodes(4);
    until("exactly what is lost is named", || {
        (listed(&client).0 == expected).then_some(())
    });
    assert_eq!(listed(&client).1, Some(8));
    assert_eq!(client.run(&["health"]).status.code(), Some(8));
    for path in &expected {
        client.fails(&["cat", path]);
        let why = String::from_utf8(client.ok(&["explain", path])).unwrap();
        assert!(why.contains("unavailable") || why.contains("lost"), "{why}");
    }

    // They do not come back: nobody can have what was on them.
    for address in &addresses {
        until("it is held to be dead", || {
            (liveness(&client, address)? == "dead").then_some(())
        });
    }
    // Two of them can go, for the third may come back with everything; with it the last copies would go.
    for address in &addresses[..2] {
        client.ok(&["nodes", "remove", address]);
    }
    let refused = client.fails(&["nodes", "remove", &addresses[2]]);
    assert!(
        refused.contains(&format!("of {} file", expected.len())) && refused.contains("--force"),
        "{refused}"
    );
    client.ok(&["nodes", "remove", &addresses[2], "--force"]);
    until("what is lost is called so", || {
        let done = client.run(&["fsck", "--json"]);
        let report: serde_json::Value = serde_json::from_slice(&done.stdout).ok()?;
        let files = &report["summary"]["files"];
        let lost = usize::try_from(files["lost"].as_u64()?).unwrap();
        (lost == expected.len() && files["unavailable"] == 0).then_some(())
    });
    assert_eq!(listed(&client), (expected.clone(), Some(8)));
    // All others are whole.
    until("all others have their copies again", || {
        let done = client.run(&["fsck", "--list-at-risk"]);
        done.stdout.is_empty().then_some(())
    });
    for path in stored.keys().filter(|path| !expected.contains(*path)) {
        client.ok(&["cat", path]);
    }
}
