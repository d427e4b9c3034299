//! `chaos` from the outside: it goes well on a cluster that works, and finds a lie that every replica tells.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{chunk_files, distrifs};

fn chaos(home: &Path, arguments: &[&str]) -> Command {
    let mut command = distrifs(home, None);
    command
        .args(["chaos", "--json"])
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn count(report: &Value, kind: &str) -> usize {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["kind"] == kind).count()
}

#[test]
fn half_a_minute_of_faults_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let output = chaos(
        home.path(),
        &["--minutes", "0.5", "--datanodes", "4", "--seed", "11"],
    )
    .output()
    .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["seed"], 11);
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report:#}");
    assert!(report["bytes_verified"].as_u64().unwrap() > 0, "{report:#}");
    assert!(report["files"].as_u64().unwrap() > 0, "{report:#}");
    let faults: u64 = report["faults"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert!(faults > 0, "nothing happened: {report:#}");
    assert!(report["healed_ms"].is_u64(), "{report:#}");
}

/// Every replica of a chunk is given the same wrong byte, and sums that match it: to the cluster all is well.
#[test]
fn a_lie_that_all_replicas_tell_is_found() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("run");
    let arguments = [
        "--minutes",
        "0.5",
        "--datanodes",
        "3",
        "--masters",
        "1",
        "--seed",
        "12",
        "--dir",
    ];
    let mut child = chaos(home.path(), &arguments)
        .arg(&dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lies = 0;
    // The rest of its output fits into the pipe.
    while child.try_wait().unwrap().is_none() {
        for replicas in whole(&dir, 3) {
            if lies < 20 && replicas.iter().all(|data| lie(data).is_some()) {
                lies += 1;
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    let output = child.wait_with_output().unwrap();
    assert!(lies > 0, "nothing could be spoilt");
    assert_eq!(output.status.code(), Some(1), "{lies} lies were not found");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(count(&report, "corrupted") > 0, "{report:#}");
    let subject = report["findings"][0]["subject"].as_str().unwrap();
    assert!(subject.starts_with("/chaos/"), "{subject}");
    assert!(
        Path::new(report["directory"].as_str().unwrap())
            .join("events.log")
            .is_file()
    );
}

/// The data files of each chunk of which so many datanodes have a replica.
fn whole(dir: &Path, copies: usize) -> Vec<Vec<PathBuf>> {
    let mut found: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for number in 1..=copies {
        for file in chunk_files(&dir.join(format!("datanode-{number}/chunks"))) {
            if file.extension().is_none() {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                found.entry(name).or_default().push(file);
            }
        }
    }
    found
        .into_values()
        .filter(|files| files.len() == copies)
        .collect()
}

/// Flips a bit of the first byte, and makes the sidecar agree. None when the replica has gone meanwhile.
fn lie(data: &Path) -> Option<()> {
    let open = |path: &Path| File::options().read(true).write(true).open(path).ok();
    let sidecar_path = data.with_extension("meta");
    let mut sidecar = fs::read(&sidecar_path).ok()?;
    let data = open(data)?;
    let mut unit = vec![0; 512.min(usize::try_from(data.metadata().ok()?.len()).ok()?)];
    data.read_exact_at(&mut unit, 0).ok()?;
    *unit.first_mut()? ^= 1;
    let crc = |bytes: &[u8]| crc_fast::crc32_iscsi(bytes);
    // The first sum; the sum of all sums; the sum of the header.
    sidecar
        .get_mut(64..68)?
        .copy_from_slice(&crc(&unit).to_be_bytes());
    let sums = crc(sidecar.get(64..)?);
    sidecar.get_mut(20..24)?.copy_from_slice(&sums.to_le_bytes());
    let header = crc(sidecar.get(..60)?);
    sidecar.get_mut(60..64)?.copy_from_slice(&header.to_le_bytes());
    data.write_all_at(&unit, 0).ok()?;
    open(&sidecar_path)?.write_all_at(&sidecar, 0).ok()
}
