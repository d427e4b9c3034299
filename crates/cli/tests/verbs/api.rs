//! `/api/v1`: what operators ask and change, names, and the bytes of files.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::http::{Answer, get, request};
use crate::support::{Server, distrifs, eventually, noise, start_mini};

struct Cluster {
    _server: Server,
    ready: Value,
    user: &'static str,
    home: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (server, ready) = start_mini(home.path(), &["--ports", "auto", "--superuser", "boss"]);
        Self {
            _server: server,
            ready,
            user: "boss",
            home,
        }
    }

    fn http(&self) -> &str {
        self.ready["http"].as_str().unwrap()
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let user = format!("X-Distrifs-User: {}", self.user);
        let url = format!("http://{}/api/v1/{path}", self.http());
        request(
            method,
            &url,
            &[&user, "Content-Type: application/json"],
            body.as_bytes(),
        )
    }

    fn ask(&self, path: &str) -> Value {
        let answer = self.call("GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    fn change(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, &body.to_string());
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer.json()
    }

    fn refused(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let answer = self.call(method, path, body);
        let error = &answer.json()["error"];
        assert!(!error["message"].as_str().unwrap().is_empty());
        (answer.status, error["kind"].as_str().unwrap().to_owned())
    }

    /// To where a master sends it, as curl does it.
    fn bytes(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let sign = if path.contains('?') { '&' } else { '?' };
        let url = format!(
            "http://{}/api/v1/files{path}{sign}user.name={}",
            self.http(),
            self.user
        );
        let answer = request(method, &url, headers, b"");
        assert_eq!(answer.status, 307, "{answer:?}");
        request(method, answer.header("location").unwrap(), headers, body)
    }
}

#[test]
fn files_by_plain_put_and_get_with_ranges() {
    let cluster = Cluster::start();
    let content = noise(5, 2_500_000);
    let made = cluster.bytes("PUT", "/a/b", &[], &content);
    assert_eq!((made.status, made.json()["len"].clone()), (201, json!(2_500_000)));
    let whole = cluster.bytes("GET", "/a/b", &[], b"");
    assert_eq!(
        (whole.status, whole.header("content-length")),
        (200, Some("2500000"))
    );
    assert!(whole.body == content && whole.header("etag") == made.header("etag"));
    for (range, expected, told) in [
        ("bytes=0-9", 0..10, "bytes 0-9/2500000"),
        (
            "bytes=1048570-1048580",
            1_048_570..1_048_581,
            "bytes 1048570-1048580/2500000",
        ),
        ("bytes=-5", 2_499_995..2_500_000, "bytes 2499995-2499999/2500000"),
    ] {
        let part = cluster.bytes("GET", "/a/b", &[&format!("Range: {range}")], b"");
        assert_eq!((part.status, part.header("content-range")), (206, Some(told)));
        assert_eq!(part.body, content[expected], "{range}");
    }
    let behind = cluster.bytes("GET", "/a/b", &["Range: bytes=2500000-"], b"");
    assert_eq!(
        (behind.status, behind.header("content-range")),
        (416, Some("bytes */2500000"))
    );
    let head = cluster.bytes("HEAD", "/a/b", &[], b"");
    assert_eq!(
        (head.header("content-length"), head.body.len()),
        (Some("2500000"), 0)
    );
    assert_eq!(cluster.bytes("PUT", "/a/b?keep=true", &[], b"x").status, 409);
    assert_eq!(
        cluster.bytes("PUT", "/a/b", &[], b"shorter").status,
        201,
        "it replaces"
    );
    assert_eq!(cluster.bytes("GET", "/a/b", &[], b"").body, b"shorter");
    assert_eq!(cluster.refused("GET", "files/nothing", "").0, 404);
}

#[test]
fn conditions_are_heeded() {
    let cluster = Cluster::start();
    let ask = |method, headers: &[&str], body: &[u8]| cluster.bytes(method, "/f", headers, body);
    let put = |header: &str, body| ask("PUT", &[header], body).status;
    assert_eq!(put("If-Match: *", b"nothing to replace"), 412);
    assert_eq!(put("If-None-Match: *", b"the first"), 201);
    assert_eq!(put("If-None-Match: *", b"the second"), 412);
    let tag = |answer: &Answer| answer.header("etag").unwrap().to_owned();
    let first = tag(&ask("GET", &[], b""));
    assert_eq!(put(&format!("If-Match: {first}"), b"a second one"), 201);
    assert_eq!(put(&format!("If-Match: {first}"), b"a third one"), 412);
    let second = tag(&ask("GET", &[], b""));

    let known = ask("GET", &[&format!("If-None-Match: {second}")], b"");
    assert_eq!(
        (known.status, known.body.len(), tag(&known)),
        (304, 0, second.clone())
    );
    let part = |of: &str| ask("GET", &["Range: bytes=9-", &format!("If-Range: {of}")], b"");
    assert_eq!((part(&second).status, part(&second).body), (206, b"one".to_vec()));
    assert_eq!(
        (part(&first).status, part(&first).body),
        (200, b"a second one".to_vec())
    );
    let head = ask("HEAD", &["Range: bytes=9-"], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("12")));
}

#[test]
fn names() {
    let cluster = Cluster::start();
    cluster.change("POST", "names/d/e", &json!({"do": "mkdir"}));
    cluster.bytes("PUT", "/d/f%20g", &[], b"12345");
    let listing = cluster.ask("names/d");
    let names: Vec<_> = listing["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, ["e", "f g"]);
    assert_eq!(listing["next"], Value::Null);
    let changed = cluster.change(
        "POST",
        "names/d/f%20g",
        &json!({"do": "attributes", "mode": "600", "owner": "ann", "replication": 2}),
    );
    assert_eq!(
        (&changed["mode"], &changed["owner"], &changed["replication"]),
        (&json!("600"), &json!("ann"), &json!(2))
    );
    cluster.change("POST", "names/d/f%20g", &json!({"do": "rename", "to": "/d/h"}));
    assert_eq!(cluster.ask("names/d/h?itself=true")["itself"]["len"], 5);
    assert_eq!(cluster.ask("usage?path=/d")["files"], 1);
    let checked = cluster.ask("fsck?show=all&replicas=true&path=/d/h");
    let chunks = checked["files"][0]["chunks"].as_array().unwrap();
    assert!(!chunks[0]["replicas"].as_array().unwrap().is_empty(), "{checked}");
    assert_eq!(
        cluster.refused("DELETE", "names/d", ""),
        (409, "not-empty".to_owned())
    );
    assert_eq!(cluster.call("DELETE", "names/d?recursive=true", "").status, 204);
    assert_eq!(
        cluster.refused("GET", "names/d", ""),
        (404, "not-found".to_owned())
    );
    assert_eq!(cluster.ask("names/")["entries"], json!([]));
    assert_eq!(cluster.refused("POST", "names/x", "{}").0, 400);
    assert_eq!(cluster.refused("POST", "names/x", "no json").0, 400);
}

#[test]
fn what_operators_ask_and_change() {
    let mut cluster = Cluster::start();
    assert_eq!(cluster.ask("me")["superuser"], "boss");
    assert_eq!(cluster.ask("health")["level"], "healthy");
    let status = cluster.ask("status");
    assert_eq!(status["masters"]["masters"][0]["role"], "leader");
    let nodes = cluster.ask("nodes");
    let node = nodes["nodes"][0].clone();
    assert_eq!(
        (&node["liveness"], &node["admin"]),
        (&json!("live"), &json!("in-service"))
    );
    let path = format!("nodes/{}", node["address"].as_str().unwrap());
    let away = cluster.change("PUT", &path, &json!({"state": "maintenance", "for_ms": 60_000}));
    assert_eq!(away["admin"], "maintenance");
    assert_eq!(
        cluster.change("PUT", &path, &json!({"state": "in-service"}))["admin"],
        "in-service"
    );
    assert_eq!(cluster.refused("PUT", &path, r#"{"state": "gone"}"#).0, 400);
    assert_eq!(cluster.refused("DELETE", &path, "").0, 400, "it is not dead");

    let jobs = cluster.ask("jobs");
    assert!(
        jobs["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .any(|job| job["name"] == "repair")
    );
    let setting = cluster.change("PUT", "settings/repair.streams", &json!({"value": "7"}));
    assert_eq!(setting["value"], "7");
    assert!(cluster.change("POST", "rebalance", &json!({"action": "plan"}))["moves"].is_u64());
    let explained = cluster.ask(&format!("explain?node={}", node["id"].as_str().unwrap()));
    assert!(!explained["paragraphs"].as_array().unwrap().is_empty());
    cluster.user = "mallory";
    let put = r#"{"value": "8"}"#;
    assert_eq!(
        cluster.refused("PUT", "settings/repair.streams", put),
        (403, "permission-denied".to_owned())
    );
}

#[test]
fn safe_mode_checkpoints_and_copies_of_the_metadata() {
    let mut cluster = Cluster::start();
    cluster.bytes("PUT", "/kept", &[], b"bytes");
    assert_eq!(cluster.ask("safemode")["on"], false);
    let on = cluster.change("PUT", "safemode", &json!({"on": true}));
    assert_eq!((&on["on"], &on["manual"]), (&json!(true), &json!(true)));
    let mkdir = json!({"do": "mkdir"});
    assert_eq!(
        cluster.refused("POST", "names/d", &mkdir.to_string()),
        (503, "safe-mode".to_owned())
    );
    assert_eq!(cluster.refused("PUT", "safemode", r#"{"on": 1}"#).0, 400);
    cluster.change("PUT", "safemode", &json!({"on": false}));
    cluster.change("POST", "names/d", &mkdir);

    assert!(cluster.change("POST", "checkpoint", &json!({}))["index"].as_u64() > Some(0));
    let copy = cluster.call("GET", "backup", "");
    assert_eq!(copy.status, 200, "{copy:?}");
    assert_eq!(
        copy.header("content-length"),
        Some(copy.body.len().to_string().as_str())
    );
    let file = cluster.home.path().join("copy");
    std::fs::write(&file, &copy.body).unwrap();
    let dumped = distrifs(cluster.home.path())
        .args(["admin", "checkpoint", "dump"])
        .arg(&file)
        .output()
        .unwrap();
    let dumped = String::from_utf8(dumped.stdout).unwrap();
    assert!(dumped.contains("/kept") && dumped.contains("/d"), "{dumped}");

    cluster.user = "mallory";
    for (method, path, body) in [
        ("PUT", "safemode", r#"{"on": true}"#),
        ("POST", "checkpoint", ""),
        ("GET", "backup", ""),
    ] {
        let refused = cluster.refused(method, path, body);
        assert_eq!(refused, (403, "permission-denied".to_owned()), "{path}");
    }
}

#[test]
fn a_file_that_was_left_open_is_closed() {
    let cluster = Cluster::start();
    cluster.bytes("PUT", "/f", &[], b"12345");
    let closed = cluster.change("POST", "names/f", &json!({"do": "recover-lease"}));
    assert_eq!(
        (&closed["len"], &closed["being_written"], &closed["waits_for"]),
        (&json!(5), &json!(false), &Value::Null)
    );
    // Its writer lives, and has more to say.
    let master = cluster.ready["master"].as_str().unwrap();
    let mut writer = distrifs(cluster.home.path());
    let writer = writer
        .args([
            "append", "--flush", "-", "/f", "--user", "boss", "--master", master,
        ])
        .stdin(Stdio::piped());
    let mut writer = Server(writer.spawn().unwrap());
    writer.0.stdin.as_mut().unwrap().write_all(b"678").unwrap();
    eventually(|| (cluster.bytes("GET", "/f", &[], b"").body == b"12345678").then_some(()));
    assert_eq!(
        cluster.ask("names/f?itself=true")["itself"]["being_written"],
        true
    );
    eventually(|| {
        let file = cluster.change("POST", "names/f", &json!({"do": "recover-lease"}));
        file["waits_for"].is_null().then_some(())
    });
    let closed = cluster.ask("names/f?itself=true");
    assert_eq!(
        (&closed["itself"]["being_written"], &closed["itself"]["len"]),
        (&json!(false), &json!(8))
    );
}

/// A file that was just written is healthy at once, also in a cluster that has just begun.
#[test]
fn checksums_of_all_replicas_are_compared() {
    let cluster = Cluster::start();
    cluster.bytes("PUT", "/a/b", &[], &noise(5, 300_000));
    let checked = cluster.ask("fsck?verify=true");
    assert_eq!(checked["files"], json!([]), "{checked}");
    assert!(checked["verified"]["replicas"].as_u64() > Some(0), "{checked}");
    assert_eq!(checked["verified"]["files_wrong"], 0);
    assert_eq!(cluster.ask("fsck")["verified"], Value::Null);
}

#[test]
fn who_asks_the_most() {
    let cluster = Cluster::start();
    let hot = eventually(|| {
        cluster.ask("names/");
        let hot = cluster.ask("activity");
        hot["clients"][0]["name"].is_string().then_some(hot)
    });
    assert!(hot["directories"][0]["calls_per_s"].is_number(), "{hot}");
}

#[test]
fn the_description_names_what_is_served() {
    let cluster = Cluster::start();
    let document: Value = serde_json::from_str(&get(cluster.http(), "/api/v1/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 15, "{paths:?}");
    for (path, operations) in paths {
        if operations["get"].is_null()
            || path.contains('{')
            || ["/api/v1/live", "/api/v1/backup"].contains(&path.as_str())
        {
            continue;
        }
        let answer = request("GET", &format!("http://{}{path}", cluster.http()), &[], b"");
        assert!([200, 400].contains(&answer.status), "{path}: {answer:?}");
    }
}

/// The console's uploads go from a page of a master to a datanode: to a browser that is another server.
#[test]
fn pages_of_masters_alone_write_files_and_need_to_know_the_cluster() {
    let cluster = Cluster::start();
    let id = cluster.ask("me")["cluster"].as_str().unwrap().to_owned();
    let datanode = cluster.ready["datanodes_http"][0].as_str().unwrap();
    let origin = format!("Origin: http://{}", cluster.http());
    let url = |key: &str| format!("http://{datanode}/api/v1/files/f?user.name=boss&cluster={key}");
    let asked = request("OPTIONS", &url(&id), &[&origin], b"");
    assert_eq!(
        asked.header("access-control-allow-origin"),
        origin.strip_prefix("Origin: ")
    );
    assert_eq!(request("PUT", &url(&id), &[&origin], b"bytes").status, 201);
    let stranger = "00000000-0000-0000-0000-000000000000";
    let asked = request("OPTIONS", &url(stranger), &[&origin], b"");
    assert_eq!(asked.header("access-control-allow-origin"), None);
    assert_eq!(request("PUT", &url(stranger), &[&origin], b"evil").status, 403);
    // The id is no secret to a page whose name was made to lead here for a while.
    for evil in ["Origin: http://evil.example:9870", "Origin: http://203.0.113.7"] {
        let asked = request("OPTIONS", &url(&id), &[evil], b"");
        assert_eq!(asked.header("access-control-allow-origin"), None);
        assert_eq!(request("PUT", &url(&id), &[evil], b"evil").status, 403);
        let read = request("GET", &url(&id), &[evil], b"");
        assert_eq!(read.header("access-control-allow-origin"), None);
    }
    assert_eq!(cluster.bytes("GET", "/f", &[], b"").body, b"bytes");
}
