//! Out of a cluster and back: export and import, backup and restore.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{assert_same, put_files};
use crate::support::{Mini, distrifs, noise};

/// Puts `new` in the place of the master's directory.
fn exchange_master(mini: &Mini, new: &str) {
    fs::rename(mini.path("cluster/master"), mini.path(&format!("before-{new}"))).unwrap();
    fs::rename(mini.path(new), mini.path("cluster/master")).unwrap();
}

#[test]
fn what_is_exported_is_imported_with_its_contents() {
    let mut mini = Mini::start();
    let data = put_files(&mini, "data", 15);
    mini.ok("mkdir -p /a/b");
    mini.ok("chmod 0700 /a");
    mini.ok("rm /data/f3");
    fs::remove_file(data.join("f3")).unwrap();
    let before = mini.ok("ls -lR /");
    mini.ok("admin export --json live");
    mini.stop();
    // Of the running cluster, and of its files afterwards: the same, but for what datanodes changed at the end.
    mini.ok("admin export --json --from cluster stopped");
    let text = |name: &str| {
        let text = fs::read_to_string(mini.path(name)).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(text("live"), text("stopped"));
    let streamed = mini.ok("admin export --from cluster -");
    assert_eq!(streamed, fs::read_to_string(mini.path("stopped")).unwrap());
    assert!(
        mini.fails(5, "admin export --from cluster live")
            .contains("not there yet")
    );

    mini.ok("admin import live --dir made --json");
    assert!(
        mini.fails(5, "admin import live --dir made")
            .contains("not empty")
    );
    exchange_master(&mini, "made");
    mini.start_again();
    assert_eq!(mini.ok("ls -lR /"), before);
    mini.ok("get /data back");
    assert_same(&data, &mini.path("back"));
    mini.file("new", noise(99, 5000));
    mini.ok("put new /new");
    assert_eq!(mini.run("cat /new").stdout, noise(99, 5000));
    mini.ok("rm -r /data");
}

#[test]
fn a_backup_under_load_has_everything_that_was_acknowledged_before() {
    let mut mini = Mini::start();
    let data = put_files(&mini, "data", 10);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Others write meanwhile.
        for writer in 0..2 {
            let (mini, stop) = (&mini, &stop);
            scope.spawn(move || {
                let source = mini.file(&format!("w{writer}"), noise(writer, 3000));
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let mut put = distrifs(mini.home());
                    put.env("DISTRIFS_MASTER", &mini.master).arg("put").arg(&source);
                    let done = put.arg(format!("/w{writer}-{number}")).output().unwrap();
                    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                }
            });
        }
        // What is listed before the backup begins was acknowledged before it.
        for round in 0..3 {
            while mini.ok("ls /").lines().count() < 4 * (round + 1) {}
            let acknowledged = mini.ok("ls /");
            mini.ok(&format!("admin backup b{round} --json"));
            let saved = mini.ok(&format!("admin checkpoint dump b{round}"));
            for name in acknowledged.lines() {
                let end = format!(" /{name}");
                let there = saved
                    .lines()
                    .any(|line| line.ends_with(&end) || line.contains(&format!("{end} ")));
                assert!(there, "{name} is missing:\n{saved}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(mini.fails(5, "admin backup b0").contains("not there yet"));
    mini.ok("admin checkpoint verify b2");

    // Files that the backup knows nothing of. Their chunks are on some datanodes, under ids that will be given out again:
    // by their lengths, the ones could be taken for the others.
    for number in 0..8 {
        mini.file("lost", noise(1000 + number, 4000));
        mini.ok(&format!("put --replication 1 lost /lost{number}"));
    }
    mini.stop();
    mini.ok("admin restore b2 --dir made --json");
    exchange_master(&mini, "made");
    mini.start_again();

    mini.ok("get /data back");
    assert_same(&data, &mini.path("back"));
    assert!(!mini.ok("ls /").contains("lost"));
    for name in mini.ok("ls /").lines().filter(|name| name.starts_with('w')) {
        let writer: u64 = name[1..2].parse().unwrap();
        assert_eq!(
            mini.run(&format!("cat /{name}")).stdout,
            noise(writer, 3000),
            "{name}"
        );
    }
    for number in 0..8 {
        mini.file("new", noise(2000 + number, 4000));
        mini.ok(&format!("put --replication 1 new /new{number}"));
    }
    for number in 0..8 {
        let done = mini.run(&format!("cat /new{number}"));
        assert_eq!(done.status, 0, "{}", done.stderr);
        assert!(done.stdout == noise(2000 + number, 4000), "never what was lost");
    }
}

/// The one survivor's directory is enough: what its log has is in the new master.
#[test]
fn a_master_is_made_of_what_another_left() {
    let mut mini = Mini::start();
    let data = put_files(&mini, "data", 5);
    mini.ok("admin checkpoint write --json");
    mini.ok("mkdir /behind-the-checkpoint");
    let said = mini.fails(5, "admin restore cluster --dir made");
    assert!(said.contains("in use by process"), "{said}");
    mini.stop();
    mini.ok("admin restore cluster --dir made --json --term 4000000000");
    exchange_master(&mini, "made");
    mini.start_again();
    mini.ok("stat /behind-the-checkpoint");
    let masters = mini.json("admin masters --json");
    assert!(masters["term"].as_u64().unwrap() > 4_000_000_000, "{masters}");
    mini.ok("get /data back");
    assert_same(&data, &mini.path("back"));
}
