//! The console in a real browser, driven by Selenium: a file goes up and comes back, a datanode that is killed shows, a repair is
//! watched to its end, on a phone and on a desk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::http::request;
use crate::python::with_packages;
use crate::support::{PATIENCE, Server, distrifs};

/// Where the browser is; none where there is none.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let find = |name: &str| Some(Path::new("/usr/bin").join(name)).filter(|path| path.exists());
    Some((find("chromium")?, find("chromedriver")?))
}

/// A server process that has written where it is.
fn start(home: &Path, role: &str, name: &str, flags: &[&str]) -> (Server, serde_json::Value) {
    let ready = home.join(format!("{name}.json"));
    let log = std::fs::File::create(home.join(format!("{name}.log"))).unwrap();
    let mut command = distrifs(home);
    command.args([
        role,
        "--dir",
        name,
        "--listen",
        "127.0.0.1",
        "--ports",
        "auto",
        "--ready-file",
    ]);
    command
        .arg(&ready)
        .args(flags)
        .stdout(std::process::Stdio::null())
        .stderr(log);
    let mut server = Server(command.spawn().unwrap());
    let until = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            return (server, serde_json::from_str(&text).unwrap());
        }
        assert!(
            server.0.try_wait().unwrap().is_none() && Instant::now() < until,
            "{name} does not serve"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn in_a_real_browser() {
    let Some((chromium, driver)) = browser() else {
        return eprintln!(
            "SKIPPED: there is no /usr/bin/chromium with chromedriver, so the console is not shown to work"
        );
    };
    let Some(python) = with_packages("console", &["selenium==4.51.0"], "selenium") else {
        return eprintln!("SKIPPED: there is no python3 to drive the browser with");
    };
    let home = tempfile::tempdir().unwrap();
    let quick = ["--heartbeat-interval", "300ms", "--dead-after", "2s"];
    let flags = [&quick[..], &["--superuser", "boss", "--replication", "2"]].concat();
    let (_master, ready) = start(home.path(), "master", "master", &flags);
    let address = ready["master"].as_str().unwrap();
    let racks = ["/row-1", "/row-1", "/row-2", "/row-2"];
    let mut nodes: Vec<_> = (1..)
        .zip(racks)
        .map(|(n, rack)| {
            start(
                home.path(),
                "datanode",
                &format!("data-{n}"),
                &["--master", address, "--rack", rack],
            )
        })
        .collect();
    let http = ready["http"].as_str().unwrap();
    let page = request("GET", &format!("http://{http}/console/"), &[], b"");
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'self'")
    );
    let shots =
        std::env::var_os("DISTRIFS_SCREENSHOTS").map_or_else(|| home.path().to_owned(), PathBuf::from);
    let victim = nodes.remove(0);
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verbs/console.py"));
    command
        .arg(http)
        .arg(&shots)
        .arg(home.path())
        .arg(&chromium)
        .arg(&driver);
    command
        .arg(victim.0.0.id().to_string())
        .arg(victim.1["datanodes"][0].as_str().unwrap());
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
