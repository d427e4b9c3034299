//! Every stage of writing and of cutting a file × every participant killed in it: the client, each datanode of the pipeline (its first, middle and
//! last one: there are three, and all are in it), and the master that leads. Each case ends with a full compare.

use std::process::Stdio;
use std::time::Duration;

use crate::scale::full;
use crate::support::{Appending, Group, bytes, until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Bytes are on their way, and nobody has acknowledged them.
    Write,
    /// Bytes were flushed.
    Flush,
    /// Bytes were synced.
    Sync,
    /// Bytes were flushed behind those of a file that was closed before.
    Append,
    /// All was handed over; the file is being closed.
    Close,
    /// The client is dead already, and its file is being recovered.
    Recover,
    /// The end of a closed file is being cut off, within a chunk.
    Truncate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Client,
    Datanode(usize),
    Leader,
}

const STAGES: [Stage; 7] = [
    Stage::Write,
    Stage::Flush,
    Stage::Sync,
    Stage::Append,
    Stage::Close,
    Stage::Recover,
    Stage::Truncate,
];

const VICTIMS: [Victim; 5] = [
    Victim::Client,
    Victim::Datanode(0),
    Victim::Datanode(1),
    Victim::Datanode(2),
    Victim::Leader,
];

/// Bytes of a file, and those of them that are acknowledged before the kill.
const LENGTH: usize = 300_000;
const ACKNOWLEDGED: usize = 150_000;

#[test]
fn whoever_dies_in_whatever_stage_costs_nothing() {
    let mut group = Group::start_calm(3, 3);
    let full = full("DISTRIFS_TEST_DEATHS");
    let mut cases = 0;
    for (row, stage) in STAGES.into_iter().enumerate() {
        for (column, victim) in VICTIMS.into_iter().enumerate() {
            // The gate tries one of each row and of each column.
            if full || column == row % VICTIMS.len() {
                case(&mut group, stage, victim);
                cases += 1;
            }
        }
    }
    println!("{cases} cases");
}

fn case(group: &mut Group, stage: Stage, victim: Victim) {
    let case = format!("{stage:?} with {victim:?} killed");
    let path = format!("/{}", case.replace([' ', '(', ')'], "-"));
    let data = bytes(case.len() as u64 * 31 + path.len() as u64, LENGTH);
    let option = if stage == Stage::Sync { "--sync" } else { "--flush" };
    if stage == Stage::Truncate {
        return truncated(group, victim, &path, &data, &case);
    }
    let mut before = 0;
    if stage == Stage::Append {
        before = 77_777;
        let mut first = Appending::start(&group.client, &path, &[option]);
        first.feed(&data[..before], before);
        first.finish();
    }
    let mut appending = Appending::start(&group.client, &path, &[option]);
    appending.feed(&data[before..ACKNOWLEDGED], ACKNOWLEDGED);
    let mut given = ACKNOWLEDGED;
    match stage {
        Stage::Write => {
            given = 250_000;
            appending.give(&data[ACKNOWLEDGED..given]);
        }
        Stage::Close => {
            given = LENGTH;
            appending.feed(&data[ACKNOWLEDGED..], LENGTH);
            appending.end();
        }
        Stage::Recover => {
            appending.kill();
            kill(group, victim);
            recovered(group, &path, &data, ACKNOWLEDGED, &case);
            back(group, victim);
            return;
        }
        Stage::Flush | Stage::Sync | Stage::Append | Stage::Truncate => {}
    }
    if victim == Victim::Client {
        appending.kill();
        let acknowledged = if stage == Stage::Close {
            LENGTH
        } else {
            ACKNOWLEDGED
        };
        recovered(group, &path, &data, acknowledged, &case);
        return;
    }
    kill(group, victim);
    if given < LENGTH {
        appending.feed(&data[given..], LENGTH);
    }
    appending.finish();
    assert!(group.client.ok(&["cat", &path]) == data, "{case}");
    back(group, victim);
    assert!(group.client.ok(&["cat", &path]) == data, "{case}, and back");
}

/// The file is cut when that was answered, and cut or whole when nobody was told; and can be written again.
fn truncated(group: &mut Group, victim: Victim, path: &str, data: &[u8], case: &str) {
    let cut = LENGTH / 2 + 1;
    let mut whole = Appending::start(&group.client, path, &["--flush"]);
    whole.feed(data, LENGTH);
    whole.finish();
    let length = cut.to_string();
    let mut command = group.client.command(&["truncate", path, &length]);
    let mut truncate = command.stderr(Stdio::piped()).spawn().unwrap();
    // Before the master has heard of it, while datanodes shorten their replicas, or after all that.
    std::thread::sleep(Duration::from_millis(fastrand::u64(0..60)));
    kill(group, victim);
    if victim == Victim::Client {
        let _ = truncate.kill();
    }
    let output = truncate.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        victim == Victim::Client || output.status.success(),
        "{case}: {told}"
    );
    back(group, victim);
    let left = until(&format!("{case}: the file is closed"), || {
        let stat = group.client.ok(&["stat", "--json", path]);
        let stat: serde_json::Value = serde_json::from_slice(&stat).unwrap();
        (stat["being_written"] == false).then(|| stat["length"].as_u64().unwrap())
    });
    let left = usize::try_from(left).unwrap();
    assert!(
        left == cut || (left == LENGTH && !output.status.success()),
        "{case}: {left} bytes are left"
    );
    assert!(group.client.ok(&["cat", path]) == data[..left], "{case}");
    recovered(group, path, data, left, case);
}

/// The file is closed with all that was acknowledged, and perhaps more of what was written; and can be written again.
fn recovered(group: &Group, path: &str, data: &[u8], acknowledged: usize, case: &str) {
    until(&format!("{case}: the file is recovered"), || {
        group
            .client
            .run(&["admin", "recover-lease", path])
            .status
            .success()
            .then_some(())
    });
    let read = group.client.ok(&["cat", path]);
    assert!(
        read.len() >= acknowledged,
        "{case}: {} bytes are left",
        read.len()
    );
    assert!(data.starts_with(&read), "{case}: other bytes");
    let mut again = Appending::start(&group.client, path, &["--flush"]);
    again.feed(b"more", read.len() + 4);
    again.finish();
    let whole = [read.as_slice(), b"more"].concat();
    assert!(group.client.ok(&["cat", path]) == whole, "{case}: after more");
}

fn kill(group: &mut Group, victim: Victim) {
    match victim {
        Victim::Client => {}
        Victim::Datanode(number) => group.datanodes[number].kill(),
        Victim::Leader => {
            let leader = group.leader();
            group.masters[leader].kill();
        }
    }
}

/// Whoever is dead comes back.
fn back(group: &mut Group, victim: Victim) {
    if victim == Victim::Client {
        return;
    }
    for role in group.masters.iter_mut().chain(&mut group.datanodes) {
        if !role.is_running() {
            role.start();
        }
    }
    group.ready();
    group.wait_for_members(&[0, 1, 2]);
}
