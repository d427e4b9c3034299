//! WebHDFS: as curl sees it, and as unmodified clients from PyPI use it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::http::{Answer, request};
use crate::python::with_packages;
use crate::support::{Server, noise, start_mini};

struct Cluster {
    _server: Server,
    http: String,
    datanode: String,
    user: String,
    home: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (server, ready) = start_mini(home.path(), &["--ports", "auto", "--superuser", "boss"]);
        Self {
            _server: server,
            http: ready["http"].as_str().unwrap().to_owned(),
            datanode: ready["datanodes_http"][0].as_str().unwrap().to_owned(),
            user: "boss".to_owned(),
            home,
        }
    }

    fn url(&self, path: &str, query: &str) -> String {
        format!(
            "http://{}/webhdfs/v1{path}?user.name={}&{query}",
            self.http, self.user
        )
    }

    fn call(&self, method: &str, path: &str, query: &str) -> Answer {
        request(method, &self.url(path, query), &[], b"")
    }

    /// A call that is answered with 200 and JSON.
    fn json(&self, method: &str, path: &str, query: &str) -> Value {
        let answer = self.call(method, path, query);
        assert_eq!(answer.status, 200, "{method} {path} {query}: {answer:?}");
        answer.json()
    }

    /// A call that is refused: its status and the exception's name.
    fn refused(&self, method: &str, path: &str, query: &str) -> (u16, String) {
        let answer = self.call(method, path, query);
        let exception = &answer.json()["RemoteException"];
        let class = exception["javaClassName"].as_str().unwrap();
        let name = exception["exception"].as_str().unwrap();
        assert!(class.ends_with(&format!(".{name}")), "{exception}");
        assert!(!exception["message"].as_str().unwrap().is_empty());
        (answer.status, name.to_owned())
    }

    /// Two steps: to where the first one says.
    fn send(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Answer {
        let answer = self.call(method, path, query);
        assert_eq!(answer.status, 307, "{answer:?}");
        let location = answer.header("location").unwrap();
        assert!(!location.contains(&self.http), "bytes do not go to the master");
        request(method, location, &[], body)
    }

    fn put(&self, path: &str, body: &[u8]) {
        let answer = self.send("PUT", path, "op=CREATE&overwrite=true", body);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(answer.header("location").unwrap().starts_with("webhdfs://"));
    }

    fn read(&self, path: &str, query: &str) -> Vec<u8> {
        let answer = self.send("GET", path, &format!("op=OPEN&{query}"), b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

#[test]
fn files_go_in_and_come_out_by_datanodes() {
    let cluster = Cluster::start();
    let bytes = noise(1, 3_000_000);
    cluster.put("/a/b%20c", &bytes);
    assert_eq!(cluster.read("/a/b%20c", ""), bytes);
    assert_eq!(
        cluster.read("/a/b%20c", "offset=1000&length=7"),
        bytes[1000..1007]
    );
    assert_eq!(
        cluster.read("/a/b%20c", "offset=2999999&length=70"),
        bytes[2_999_999..]
    );
    let appended = cluster.send("POST", "/a/b%20c", "op=APPEND", b"more");
    assert_eq!(appended.status, 200, "{appended:?}");
    assert_eq!(cluster.read("/a/b%20c", "offset=3000000"), b"more");

    let status = &cluster.json("GET", "/a/b%20c", "op=GETFILESTATUS")["FileStatus"];
    assert_eq!(status["length"], 3_000_004);
    assert_eq!(
        (
            &status["type"],
            &status["permission"],
            &status["owner"],
            &status["pathSuffix"]
        ),
        (&json!("FILE"), &json!("644"), &json!("boss"), &json!(""))
    );
    let sum = cluster.send("GET", "/a/b%20c", "op=GETFILECHECKSUM", b"").json();
    assert_eq!(sum["FileChecksum"]["algorithm"], "COMPOSITE-CRC32C");
    let told = cluster.json("GET", "/a/b%20c", "op=OPEN&noredirect=true");
    assert!(told["Location"].as_str().unwrap().starts_with("http://"));
    let blocks = cluster.json("GET", "/a/b%20c", "op=GETFILEBLOCKLOCATIONS");
    let blocks = blocks["BlockLocations"]["BlockLocation"].as_array().unwrap();
    let lengths = blocks.iter().map(|block| block["length"].as_u64().unwrap());
    assert_eq!(
        (&blocks[0]["offset"], lengths.sum::<u64>()),
        (&json!(0), 3_000_004)
    );
    assert!(
        blocks
            .iter()
            .all(|block| !block["names"].as_array().unwrap().is_empty()),
        "{blocks:?}"
    );
    // With the size of chunks and the number of replicas that it asks for.
    let made = cluster.send(
        "PUT",
        "/small",
        "op=CREATE&blocksize=1048576&replication=2&permission=600",
        &bytes,
    );
    assert_eq!(made.status, 201);
    let small = &cluster.json("GET", "/small", "op=GETFILESTATUS")["FileStatus"];
    assert_eq!(
        (&small["blockSize"], &small["replication"], &small["permission"]),
        (&json!(1_048_576), &json!(2), &json!("600"))
    );
    assert_eq!(
        cluster.json("POST", "/small", "op=TRUNCATE&newlength=1000000")["boolean"],
        true
    );
    assert_eq!(cluster.read("/small", ""), bytes[..1_000_000]);
    for name in ["/part-1", "/part-2"] {
        cluster.put(name, name.as_bytes());
    }
    let joined = cluster.call("POST", "/part-1", "op=CONCAT&sources=/part-2");
    assert_eq!((joined.status, joined.body.len()), (200, 0), "{joined:?}");
    assert_eq!(cluster.read("/part-1", ""), b"/part-1/part-2");
    // A body that comes with the first step does no harm.
    let redirected = request("PUT", &cluster.url("/x", "op=CREATE"), &[], b"bytes");
    assert_eq!(redirected.status, 307);
}

#[test]
fn names_and_attributes() {
    let cluster = Cluster::start();
    let yes = json!({"boolean": true});
    let no = json!({"boolean": false});
    assert_eq!(cluster.json("PUT", "/d/e", "op=MKDIRS&permission=700"), yes);
    for name in ["x", "y", "z"] {
        cluster.put(&format!("/d/{name}"), name.as_bytes());
    }
    let names = |listing: &Value| -> Vec<String> {
        let entries = listing["FileStatuses"]["FileStatus"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["pathSuffix"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&cluster.json("GET", "/d", "op=LISTSTATUS")),
        ["e", "x", "y", "z"]
    );
    assert_eq!(names(&cluster.json("GET", "/d/x", "op=LISTSTATUS")), [""]);
    assert_eq!(names(&cluster.json("GET", "/d/e", "op=LISTSTATUS")), [""; 0]);
    let batch = cluster.json("GET", "/d", "op=LISTSTATUS_BATCH&startAfter=x");
    assert_eq!(names(&batch["DirectoryListing"]["partialListing"]), ["y", "z"]);
    assert_eq!(batch["DirectoryListing"]["remainingEntries"], 0);

    assert_eq!(
        cluster.json("PUT", "/d/x", "op=RENAME&destination=/d/e"),
        yes,
        "into it"
    );
    assert_eq!(
        cluster.json("PUT", "/d/y", "op=RENAME&destination=/d/z"),
        no,
        "in the way"
    );
    assert_eq!(
        cluster.json("PUT", "/d/nothing", "op=RENAME&destination=/d/n"),
        no
    );
    assert_eq!(
        cluster
            .call(
                "PUT",
                "/d/y",
                "op=RENAME&destination=/d/z&renameoptions=OVERWRITE"
            )
            .status,
        200
    );
    assert_eq!(cluster.read("/d/z", ""), b"y");
    assert_eq!(cluster.read("/d/e/x", ""), b"x");

    for query in [
        "op=SETPERMISSION&permission=640",
        "op=SETOWNER&owner=ann&group=staff",
        "op=SETTIMES&modificationtime=1000&accesstime=-1",
    ] {
        let answer = cluster.call("PUT", "/d/z", query);
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{query}");
    }
    assert_eq!(
        cluster.json("PUT", "/d/z", "op=SETREPLICATION&replication=2"),
        yes
    );
    assert_eq!(cluster.json("PUT", "/d", "op=SETREPLICATION&replication=2"), no);
    let status = &cluster.json("GET", "/d/z", "op=GETFILESTATUS")["FileStatus"];
    assert_eq!(
        (&status["permission"], &status["owner"], &status["group"]),
        (&json!("640"), &json!("ann"), &json!("staff"))
    );
    assert_eq!(
        (&status["modificationTime"], &status["replication"]),
        (&json!(1000), &json!(2))
    );

    let summary = &cluster.json("GET", "/d", "op=GETCONTENTSUMMARY")["ContentSummary"];
    assert_eq!(
        (
            &summary["fileCount"],
            &summary["directoryCount"],
            &summary["length"]
        ),
        (&json!(2), &json!(2), &json!(2))
    );
    assert_eq!(
        cluster.json("GET", "/", "op=GETHOMEDIRECTORY")["Path"],
        "/user/boss"
    );
    assert_eq!(
        cluster.json("GET", "/", "op=GETTRASHROOT")["Path"],
        "/user/boss/.Trash"
    );
    let defaults = &cluster.json("GET", "/", "op=GETSERVERDEFAULTS")["FsServerDefaults"];
    assert_eq!(
        (&defaults["replication"], &defaults["bytesPerChecksum"]),
        (&json!(3), &json!(512))
    );
    assert!(
        cluster.json("GET", "/", "op=GETSTATUS")["FsStatus"]["capacity"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(
        cluster.call("GET", "/d/z", "op=CHECKACCESS&fsaction=rw-").status,
        200
    );
    // A datanode is told by the masters for whom permissions are waived.
    cluster.call("PUT", "/d/z", "op=SETPERMISSION&permission=000");
    let access = cluster.url("/d/z", "op=CHECKACCESS&fsaction=rwx");
    let access = access.replace(&cluster.http, &cluster.datanode);
    let status = |url: &str| request("GET", url, &[], b"").status;
    assert_eq!(status(&access), 200);
    assert_eq!(status(&access.replace("name=boss", "name=eve")), 403);

    assert_eq!(
        cluster.refused("DELETE", "/d", "op=DELETE").0,
        403,
        "it has entries"
    );
    assert_eq!(cluster.json("DELETE", "/d", "op=DELETE&recursive=true"), yes);
    assert_eq!(cluster.json("DELETE", "/d", "op=DELETE"), no);
}

#[test]
fn refusals_are_the_exceptions_of_hadoop() {
    let mut cluster = Cluster::start();
    cluster.put("/f", b"bytes");
    let refused = |cluster: &Cluster, method, path, query, status, name: &str| {
        let told = cluster.refused(method, path, query);
        assert_eq!(told, (status, name.to_owned()), "{method} {path} {query}");
    };
    refused(
        &cluster,
        "GET",
        "/nothing",
        "op=GETFILESTATUS",
        404,
        "FileNotFoundException",
    );
    refused(
        &cluster,
        "GET",
        "/nothing",
        "op=OPEN",
        404,
        "FileNotFoundException",
    );
    refused(
        &cluster,
        "PUT",
        "/f",
        "op=MKDIRS",
        403,
        "FileAlreadyExistsException",
    );
    refused(
        &cluster,
        "PUT",
        "/f/below",
        "op=MKDIRS",
        403,
        "ParentNotDirectoryException",
    );
    refused(
        &cluster,
        "GET",
        "/f",
        "op=DANCE",
        400,
        "UnsupportedOperationException",
    );
    refused(&cluster, "GET", "/f", "", 400, "IllegalArgumentException");
    refused(
        &cluster,
        "GET",
        "/f",
        "op=OPEN&offset=x",
        400,
        "IllegalArgumentException",
    );
    refused(
        &cluster,
        "PUT",
        "/f",
        "op=SETREPLICATION&replication=0",
        400,
        "IllegalArgumentException",
    );
    let again = cluster.send("PUT", "/f", "op=CREATE", b"other");
    assert_eq!(again.status, 403);
    assert_eq!(
        again.json()["RemoteException"]["exception"],
        "FileAlreadyExistsException"
    );
    assert_eq!(cluster.read("/f", ""), b"bytes", "it stays");
    let behind = cluster.send("GET", "/f", "op=OPEN&offset=6", b"");
    assert_eq!(behind.json()["RemoteException"]["exception"], "IOException");
    assert_eq!(
        cluster
            .call("PUT", "/f", "op=SETPERMISSION&permission=600")
            .status,
        200
    );

    cluster.user = "mallory".to_owned();
    refused(&cluster, "PUT", "/g", "op=MKDIRS", 403, "AccessControlException");
    refused(&cluster, "GET", "/f", "op=OPEN", 403, "AccessControlException");
    refused(
        &cluster,
        "GET",
        "/f",
        "op=CHECKACCESS&fsaction=r--",
        403,
        "AccessControlException",
    );
    let foreign = request(
        "PUT",
        &cluster.url("/d", "op=MKDIRS"),
        &["Origin: http://evil.example"],
        b"",
    );
    assert_eq!(foreign.status, 403, "a page of another server");
}

/// A file that is not sent to its end does not appear.
#[test]
fn half_a_file_is_none() {
    use std::io::Write as _;

    let cluster = Cluster::start();
    cluster.put("/f", b"old");
    let step = cluster.call("PUT", "/f", "op=CREATE&overwrite=true");
    let location = step.header("location").unwrap();
    let (host, path) = location.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let head = format!("PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&noise(7, 500_000)).unwrap();
    drop(stream);
    assert_eq!(cluster.read("/f", ""), b"old");
    cluster.put("/f", b"new");
    assert_eq!(cluster.read("/f", ""), b"new");
}

#[test]
fn unmodified_clients_from_pypi() {
    let packages = ["hdfs==2.7.3", "pywebhdfs==0.4.1", "fsspec==2026.9.0", "requests"];
    let Some(python) = with_packages("webhdfs", &packages, "hdfs, pywebhdfs, fsspec, requests") else {
        return eprintln!("SKIPPED: there is no python3, so nothing is shown of the clients from PyPI");
    };
    let cluster = Cluster::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verbs/webhdfs.py");
    let output = Command::new(python)
        .args([script, &cluster.http, &cluster.user])
        .current_dir(cluster.home.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn curl_follows_with_a_body_that_waits() {
    if Command::new("curl").arg("--version").output().is_err() {
        return eprintln!("SKIPPED: there is no curl");
    }
    let cluster = Cluster::start();
    let bytes = noise(3, 5_000_000);
    let local = cluster.home.path().join("local");
    fs::write(&local, &bytes).unwrap();
    let curl = |args: &[&str]| {
        let output = Command::new("curl")
            .args(["-sSL", "--fail"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        output.stdout
    };
    let local = local.to_str().unwrap();
    let expect = "Expect: 100-continue";
    curl(&[
        "-X",
        "PUT",
        "-T",
        local,
        "-H",
        expect,
        &cluster.url("/big", "op=CREATE"),
    ]);
    assert_eq!(curl(&[&cluster.url("/big", "op=OPEN")]), bytes);
}
