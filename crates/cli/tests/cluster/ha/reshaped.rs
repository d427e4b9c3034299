//! Files that are appended to and cut when the leader dies.

use std::process::Stdio;

use crate::support::{Appending, Content, Group, until};

fn stat(group: &Group, path: &str) -> (u64, bool) {
    let status = group.client.ok(&["stat", "--json", path]);
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    let open = status["being_written"].as_bool().unwrap();
    (status["length"].as_u64().unwrap(), open)
}

#[test]
fn an_append_goes_on_and_a_cut_is_finished_when_the_leader_dies() {
    let mut group = Group::start(3, 3);
    let data = Content::new(63, 300_000).bytes(0..300_000);
    let mut written = 0;
    for (middle, end) in [(700, 1_000), (2_000, 100_000), (150_000, 300_000)] {
        let mut appending = Appending::start(&group.client, "/log", &["--flush"]);
        appending.feed(&data[written..middle], middle);
        let leader = group.leader();
        group.masters[leader].kill();
        appending.feed(&data[middle..end], end);
        appending.finish();
        written = end;
        assert!(group.client.ok(&["cat", "/log"]) == data[..end]);
        group.masters[leader].start();
        group.wait_for_members(&[0, 1, 2]);
    }
    for datanode in &group.datanodes {
        datanode.freeze();
    }
    let mut cutting = group
        .client
        .command(&["truncate", "/log", "123457"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it is decided", || {
        (stat(&group, "/log") == (123_457, true)).then_some(())
    });
    let leader = group.leader();
    group.masters[leader].kill();
    for datanode in &group.datanodes {
        datanode.thaw();
    }
    assert!(
        cutting.wait().unwrap().success(),
        "the call goes on at the next leader"
    );
    assert_eq!(stat(&group, "/log"), (123_457, false));
    assert!(group.client.ok(&["cat", "/log"]) == data[..123_457]);
}
