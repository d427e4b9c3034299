//! What one asked for can be followed: through the logs of masters and datanodes, and into the audit log.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Cluster, Content, Options, until};

fn texts(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|&flag| flag.to_owned()).collect()
}

/// The lines of a log in JSON.
fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

/// Whether a line of a log is of the request with this id, as itself or by the span that it is in.
fn is_of(line: &Value, id: &str) -> bool {
    let spans = line["spans"].as_array().cloned().unwrap_or_default();
    line["id"] == id || spans.iter().any(|span| span["id"] == id)
}

#[test]
fn a_request_is_found_at_every_server_by_its_id() {
    let audit = std::env::temp_dir().join(format!(
        "distrifs-audit-{}-{:x}",
        std::process::id(),
        fastrand::u64(..)
    ));
    let told = ["--log-format", "json", "--log-level", "info,request=debug"];
    let mut options = Options {
        datanodes: 2,
        ..Options::default()
    };
    options.master.extend(texts(&told));
    options
        .master
        .extend(texts(&["--audit-log", audit.to_str().unwrap()]));
    options.datanode.extend(texts(&told));
    let cluster = Cluster::with(options);
    let source = cluster.dir().join("source");
    Content::new(80, 3_000).write_file(&source);

    let mut put = cluster
        .client
        .command(&["put", "--replication", "2", source.to_str().unwrap(), "/f"]);
    let put = put
        .args(["--log-format", "json"])
        .env("DISTRIFS_LOG", "request=debug")
        .output()
        .unwrap();
    assert!(put.status.success(), "{put:?}");
    let own = lines(&String::from_utf8(put.stderr).unwrap());
    let id = own[0]["id"].as_str().unwrap().to_owned();

    let master = lines(&cluster.master.log());
    let operations: Vec<_> = master
        .iter()
        .filter(|line| is_of(line, &id))
        .flat_map(|line| line["spans"].as_array().cloned().unwrap_or_default())
        .map(|span| span["operation"].clone())
        .collect();
    let has = |operation: &str| operations.contains(&operation.into());
    assert!(has("create") && has("complete"), "{operations:?}");
    for datanode in &cluster.datanodes {
        until("the datanode has told of the write", || {
            lines(&datanode.log())
                .iter()
                .any(|line| is_of(line, &id))
                .then_some(())
        });
    }
    let of_audit = || -> Vec<Value> { lines(&fs::read_to_string(&audit).unwrap_or_default()) };
    until("the audit log has it", || {
        let found = |line: &Value| {
            line["request"] == id.as_str() && line["operation"] == "create" && line["path"] == "/f"
        };
        of_audit().iter().any(found).then_some(())
    });

    // What operators order is told, too, and what is denied of it.
    cluster.client.ok(&["admin", "safemode", "enter"]);
    cluster.client.ok(&["admin", "safemode", "leave"]);
    cluster
        .client
        .fails(&["admin", "safemode", "enter", "--user", "nobody"]);
    until("orders of operators are in the audit log", || {
        let lines = of_audit();
        let found = |on: &str, result: &str| {
            lines.iter().any(|line| {
                line["operation"] == "set_safe_mode" && line["on"] == on && line["result"] == result
            })
        };
        (found("true", "OK") && found("false", "OK") && found("true", "PERMISSION_DENIED")).then_some(())
    });

    // Through a gateway the host that asked is told, and the id that it brought.
    if Command::new("curl").arg("--version").output().is_err() {
        return eprintln!("SKIPPED: there is no curl, so nothing is shown of requests over HTTP");
    }
    let ready: Value =
        serde_json::from_slice(&fs::read(cluster.dir().join("master.ready")).unwrap()).unwrap();
    let url = format!("http://{}/api/v1/files/g", ready["http"].as_str().unwrap());
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let mut curl = Command::new("curl");
    curl.args([
        "-sSL",
        "-D",
        "-",
        "-H",
        "X-Request-Id: 00000000feedbeef",
        "-H",
        &format!("X-Distrifs-User: {}", user.trim()),
    ]);
    let answer = curl.arg("-T").arg(&source).arg(url).output().unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    assert!(
        answer.to_lowercase().contains("x-request-id: 00000000feedbeef"),
        "{answer}"
    );
    until("the audit log has the upload", || {
        let found = |line: &Value| {
            line["request"] == "00000000feedbeef"
                && line["path"] == "/g"
                && line["from"] == "127.0.0.1"
                && line["via"].is_string()
        };
        of_audit().iter().any(found).then_some(())
    });
    let _ = fs::remove_file(&audit);
}
