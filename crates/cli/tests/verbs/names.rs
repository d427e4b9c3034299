//! Commands about names and what is known of them.

use crate::support::Mini;

#[test]
fn names_are_made_listed_renamed_and_removed() {
    let mini = Mini::start();
    assert_eq!(mini.ok("ls"), "");
    mini.ok("mkdir -p /a/b/c /d");
    mini.ok("mkdir -m 700 /private");
    mini.ok("touch /a/empty /a/b/one");
    assert_eq!(mini.ok("ls"), "a\nd\nprivate\n");
    assert_eq!(mini.ok("list /a /d"), "/a:\nb\nempty\n\n/d:\n");
    assert_eq!(mini.ok("ls -R /a"), "/a:\nb\nempty\n\n/a/b:\nc\none\n\n/a/b/c:\n");
    assert_eq!(
        mini.ok("ls a/./b/../b"),
        "c\none\n",
        "relative paths begin at the root"
    );

    let long = mini.ok("ls -l /a");
    let lines: Vec<Vec<&str>> = long
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        (lines[0][0], lines[0][1], lines[0].last()),
        ("drwxr-xr-x", "-", Some(&"b"))
    );
    assert_eq!((lines[1][0], lines[1][1], lines[1][4]), ("-rw-r--r--", "3", "0"));
    let listed = mini.json("ls --json -R /");
    let paths: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["/a", "/a/b", "/a/b/c", "/a/b/one", "/a/empty", "/d", "/private"]
    );
    assert_eq!(listed[6]["mode"], "0700");

    mini.ok("mv /a/empty /d");
    mini.ok("mv /a/b /a/renamed");
    assert_eq!(
        mini.ok("ls -R /a"),
        "/a:\nrenamed\n\n/a/renamed:\nc\none\n\n/a/renamed/c:\n"
    );
    mini.ok("rm /d/empty");
    mini.ok("rm -rf /a /nothing");
    assert_eq!(mini.ok("ls"), "d\nprivate\n");
    assert_eq!(mini.json("ls --json /d"), serde_json::json!([]));
}

#[test]
fn what_is_known_can_be_seen_and_changed() {
    let mini = Mini::start();
    mini.ok("mkdir -p /dir/below");
    mini.ok("touch /dir/file");
    mini.ok("chmod 640 /dir/file");
    mini.ok("chown ann:staff /dir/file");
    mini.ok("setrep 2 /dir");
    let file = mini.json("stat --json /dir/file");
    assert_eq!(
        (
            &file["mode"],
            &file["owner"],
            &file["group"],
            &file["replication"]
        ),
        (&"0640".into(), &"ann".into(), &"staff".into(), &2.into())
    );
    assert_eq!((&file["type"], &file["length"]), (&"file".into(), &0.into()));
    mini.ok("chmod -R o= /dir");
    mini.ok("chown -R :users /dir");
    let both = mini.json("stat --json /dir/below /dir/file");
    assert_eq!(
        (&both[0]["mode"], &both[0]["group"]),
        (&"0750".into(), &"users".into())
    );
    assert_eq!(both[1]["owner"], "ann");
    let text = mini.ok("stat /dir/file");
    assert!(
        text.contains("mode        0640 (-rw-r-----)") && text.contains("owner       ann:users"),
        "{text}"
    );

    let status = |line: &str| mini.run(line).status;
    assert_eq!(status("test -e /dir"), 0);
    assert_eq!(status("test -d /dir"), 0);
    assert_eq!(status("test -f /dir"), 1);
    assert_eq!(status("test -f /dir/file"), 0);
    assert_eq!(status("test -e /dir/file/below"), 1);
    assert_eq!(status("test -e /nothing"), 1);
    assert_eq!(status("test /dir"), 2);
    assert_eq!(mini.json("test --json -e /dir")["result"], true);
}

#[test]
fn space_is_summed_up() {
    let mini = Mini::start();
    mini.file("kib", [7; 1024]);
    mini.ok("mkdir -p /a/b");
    mini.ok("put kib /a/one");
    mini.ok("put --replication 1 kib /a/b/two");
    assert_eq!(
        mini.ok("du -h /a"),
        "1 KiB  1 KiB  /a/b\n1 KiB  3 KiB  /a/one\n2 KiB  4 KiB  /a\n"
    );
    assert_eq!(mini.ok("du -s /a"), "2048  4096  /a\n");
    let sums = mini.json("du --json /");
    assert_eq!(
        sums[1],
        serde_json::json!({
            "path": "/", "bytes": 2048, "space": 4096, "files": 2, "directories": 3,
        })
    );
    let space = mini.json("df --json");
    let nodes = space["datanodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3);
    assert!(nodes.iter().all(|node| node["live"] == true));
    let text = mini.ok("df -h");
    assert_eq!(
        text.lines().count(),
        6,
        "a heading, three nodes, the sum, the counts: {text}"
    );
    assert!(
        text.contains("3/3 live") && text.contains("2 files, 3 directories"),
        "{text}"
    );
}

#[test]
fn others_may_only_what_they_may() {
    let mini = Mini::start();
    mini.ok("mkdir -m 700 /mine");
    mini.ok("mkdir -m 777 /shared");
    let eve = |line: &str| mini.run(&format!("--user eve {line}"));
    assert_eq!(eve("ls /mine").status, 4);
    assert_eq!(eve("mkdir /new").status, 4);
    assert_eq!(eve("touch /shared/hers").status, 0);
    assert_eq!(eve("chown root /shared/hers").status, 4);
    assert_eq!(mini.json("stat --json /shared/hers")["owner"], "eve");
}
