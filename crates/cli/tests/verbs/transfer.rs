//! Commands that move bytes.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::support::{Mini, noise};

#[test]
fn files_come_back_as_they_went() {
    let mini = Mini::start();
    for (n, size) in [0, 1, 511, 512, 513, 100_000, (1 << 20) + 1, 3 << 20]
        .into_iter()
        .enumerate()
    {
        let bytes = noise(n as u64, size);
        mini.file("in", &bytes);
        let sums = mini.json("put --json --overwrite --chunk-size 1MiB in /file");
        assert_eq!((&sums["files"], &sums["bytes"]), (&1.into(), &size.into()));
        mini.ok("get --overwrite /file out");
        assert!(fs::read(mini.path("out")).unwrap() == bytes, "{size} bytes");
        assert!(mini.run("cat /file").stdout == bytes, "{size} bytes");
        assert_eq!(mini.json("stat --json /file")["length"], size);
    }
}

#[test]
fn unix_rules_say_where_copies_go() {
    let mini = Mini::start();
    mini.file("one", "1");
    mini.file("two", "2");
    mini.ok("mkdir /dir");
    mini.ok("put one two /dir");
    mini.ok("put one /dir/other");
    mini.ok("put one");
    mini.ok("upload two /dir/two-again");
    assert_eq!(
        mini.ok("ls -R /"),
        "/:\ndir\none\n\n/dir:\none\nother\ntwo\ntwo-again\n"
    );
    mini.ok("put --parents one /new/deep/one");
    mini.ok("cp /one /two");
    mini.ok("cp /one /two /new");
    mini.ok("cp -r /dir /new/dir");
    assert_eq!(mini.ok("ls /new"), "deep\ndir\none\ntwo\n");
    assert_eq!(mini.ok("cat /new/two /new/dir/two"), "12");
    fs::create_dir(mini.path("local")).unwrap();
    mini.ok("get /dir/one /dir/two local");
    mini.ok("get /dir/two local/renamed");
    mini.ok("download /dir");
    assert_eq!(fs::read_to_string(mini.path("local/renamed")).unwrap(), "2");
    assert_eq!(fs::read_to_string(mini.path("dir/two-again")).unwrap(), "2");
    mini.ok("delete /new/deep/one");
}

#[test]
fn nothing_is_replaced_unasked() {
    let mini = Mini::start();
    mini.file("old", "old");
    mini.file("new", "new");
    mini.ok("put old /file");
    assert!(mini.fails(5, "put new /file").contains("--overwrite"));
    mini.fails(5, "cp /file /file");
    assert_eq!(mini.ok("cat /file"), "old");
    assert!(mini.fails(5, "get /file new").contains("--overwrite"));
    assert_eq!(fs::read_to_string(mini.path("new")).unwrap(), "new");
    mini.ok("put --overwrite new /file");
    mini.ok("get --overwrite /file old");
    assert_eq!(fs::read_to_string(mini.path("old")).unwrap(), "new");
    // What failed has left nothing beside it.
    let mut left: Vec<_> = fs::read_dir(mini.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["cluster", "mini.log", "mini.out", "new", "old", "ready.json"]
    );
}

#[test]
fn pipes_stream_and_may_be_closed_early() {
    let mini = Mini::start();
    let bytes = noise(1, 5 << 20);
    let done = mini.feed("put --chunk-size 1MiB - /piped", &bytes);
    assert_eq!((done.status, done.stderr.as_str()), (0, ""));
    assert!(mini.run("get /piped -").stdout == bytes);
    assert!(mini.feed("put - /empty", b"").status == 0);
    assert_eq!(mini.json("stat --json /empty")["length"], 0);

    let mut child = mini
        .command("cat /piped")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first, bytes[..10]);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(
        (ended.status.code(), ended.stderr.as_slice()),
        (Some(0), &b""[..]),
        "a closed pipe is no error"
    );
}

#[test]
fn parts_of_files() {
    let mini = Mini::start();
    let bytes = noise(2, (2 << 20) + 100);
    mini.file("in", &bytes);
    mini.ok("put --chunk-size 1MiB in /file");
    let range = |line: &str| mini.run(&format!("getrange /file {line}")).stdout;
    assert!(range("0 10") == bytes[..10]);
    assert!(
        range("1048570 12") == bytes[1_048_570..1_048_582],
        "over the end of a chunk"
    );
    assert!(range("1MiB 1KiB") == bytes[1 << 20..(1 << 20) + 1024]);
    assert!(
        range("2097200 1000") == bytes[2_097_200..],
        "what lies past the end is left out"
    );
    assert!(range("9999999 10").is_empty());
    mini.ok("getrange /file 5 7 -o part");
    assert!(fs::read(mini.path("part")).unwrap() == bytes[5..12]);

    let text: String = (1..=100).map(|n| format!("line {n}\n")).collect();
    mini.file("text", &text);
    mini.ok("put text /text");
    assert_eq!(mini.ok("head -n 2 /text"), "line 1\nline 2\n");
    assert_eq!(mini.ok("head /text").lines().count(), 10);
    assert_eq!(mini.ok("head -c 6 /text"), "line 1");
    assert_eq!(mini.ok("tail -n 2 /text"), "line 99\nline 100\n");
    assert_eq!(mini.ok("tail -c 4 /text"), "100\n");
    assert_eq!(mini.ok("tail -n 1000 /text"), text);
    assert_eq!(
        mini.ok("head -n 1 /text /text"),
        "==> /text <==\nline 1\n\n==> /text <==\nline 1\n"
    );
}

#[test]
fn checksums_are_of_the_bytes_and_not_of_the_chunks() {
    let mini = Mini::start();
    mini.file("in", noise(3, 100_000));
    mini.ok("put in /a");
    mini.ok("put --chunk-size 4KiB --replication 1 in /b");
    mini.file("check", "123456789");
    mini.ok("put check /check");
    let sums = mini.json("checksum --json /a /b");
    assert_eq!(sums[0]["crc32c"], sums[1]["crc32c"]);
    assert_eq!(sums[0]["length"], 100_000);
    let check = mini.ok("checksum /check");
    assert!(
        check.starts_with("e3069283") && check.ends_with("  /check\n"),
        "{check}"
    );
}

#[test]
fn a_directory_of_200_files_goes_and_comes_back() {
    let mini = Mini::start();
    for n in 0..200 {
        let path = mini.file(
            &format!("tree/d{}/f{n}", n % 7),
            noise(n, 37 * usize::try_from(n).unwrap()),
        );
        let mode = if n % 2 == 0 { 0o644 } else { 0o750 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(mini.path("tree/empty")).unwrap();
    fs::set_permissions(mini.path("tree/d3"), fs::Permissions::from_mode(0o555)).unwrap();
    let sums = mini.json("put -p --json tree /tree");
    assert_eq!((&sums["files"], &sums["directories"]), (&200.into(), &9.into()));
    assert_eq!(mini.json("stat --json /tree/d3")["mode"], "0555");
    let sums = mini.json("get -p --json /tree back");
    assert_eq!((&sums["files"], &sums["directories"]), (&200.into(), &9.into()));
    same(&mini.path("tree"), &mini.path("back"));
    mini.ok("cp -r /tree/d0 /copy");
    let sum = |path: &str| mini.json(&format!("du --json -s {path}"))[0]["bytes"].clone();
    assert_eq!(sum("/copy"), sum("/tree/d0"));
    // Into an existing directory, under its own name.
    mini.ok("put tree/d1 /copy");
    assert_eq!(mini.run("test -f /copy/d1/f1").status, 0);
    // Again, over itself: nothing is replaced unasked, everything when asked.
    assert_eq!(mini.run("put tree/d0 /tree").status, 5);
    mini.ok("put --overwrite tree/d0 /tree");
}

fn same(a: &Path, b: &Path) {
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(a), names(b));
    for name in names(a) {
        let (a, b) = (a.join(&name), b.join(&name));
        let (of_a, of_b) = (fs::metadata(&a).unwrap(), fs::metadata(&b).unwrap());
        assert_eq!(
            of_a.permissions().mode(),
            of_b.permissions().mode(),
            "{}",
            a.display()
        );
        if of_a.is_dir() {
            same(&a, &b);
        } else {
            assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap(), "{}", a.display());
            let ms =
                |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
            assert_eq!(
                ms(of_a.modified().unwrap()),
                ms(of_b.modified().unwrap()),
                "{}",
                a.display()
            );
        }
    }
}
