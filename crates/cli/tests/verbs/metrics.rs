//! What servers tell to Prometheus: what the documentation lists, no more and no less; and what the dashboard and the alerts
//! ask for is among it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::http::get;
use crate::support::{Done, distrifs, start_mini};

/// The names that a server tells, counters with their `_total`.
fn told(text: &str) -> BTreeSet<String> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names in the tables of the documentation.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(repository().join("docs/operations/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `distrifs_"));
    rows.map(|row| format!("distrifs_{}", row.split('`').next().unwrap()))
        .collect()
}

/// Everything in a text that looks like the name of a metric, without what histograms have behind it.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words
        .filter(|word| word.starts_with("distrifs_"))
        .map(|word| {
            let histogram = ["_seconds_bucket", "_seconds_count", "_seconds_sum"];
            match histogram.iter().find(|end| word.ends_with(*end)) {
                Some(end) => word[..word.len() - end.len() + "_seconds".len()].to_owned(),
                None => word.to_owned(),
            }
        })
        .collect()
}

#[test]
fn the_documentation_lists_what_is_told() {
    let home = tempfile::tempdir().unwrap();
    let (_server, ready) = start_mini(
        home.path(),
        &["--ports", "auto", "--masters", "3", "--datanodes", "2"],
    );
    let run = |line: &str| {
        let mut command = distrifs(home.path());
        command
            .env("DISTRIFS_MASTER", ready["master"].as_str().unwrap())
            .args(line.split(' '));
        Done::of(command.output().unwrap())
    };
    fs::write(home.path().join("file"), vec![7; 300_000]).unwrap();
    assert_eq!(run("put file /file").status, 0);
    assert_eq!(run("cat /file").status, 0);
    assert_ne!(run("stat /nothing").status, 0);
    let address = |value: &Value| value.as_str().unwrap().to_owned();
    let master = get(&address(&ready["http"]), "/metrics");
    let datanode = get(&address(&ready["datanodes_http"][0]), "/metrics");
    let all: BTreeSet<_> = told(&master).union(&told(&datanode)).cloned().collect();
    assert_eq!(all, documented());

    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name} is not told:\n{text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(value(&master, "distrifs_master_log_sync_seconds_count") > 0.0);
    assert_eq!(value(&master, "distrifs_master_chunks{condition=\"lost\"}"), 0.0);
    assert_eq!(
        value(&master, "distrifs_master_datanodes{liveness=\"live\"}"),
        2.0
    );
    assert_eq!(
        value(&datanode, "distrifs_datanode_received_bytes_total"),
        300_000.0
    );
    assert!(
        value(
            &datanode,
            "distrifs_datanode_operation_seconds_count{operation=\"write_block\"}"
        ) >= 1.0
    );
    assert_eq!(value(&datanode, "distrifs_datanode_masters"), 3.0);
    for path in ["/healthz", "/readyz"] {
        let health: Value = serde_json::from_str(&get(&address(&ready["datanodes_http"][1]), path)).unwrap();
        assert!(health["status"] == "ok" || health["ready"] == true, "{health}");
    }
}

#[test]
fn dashboard_and_alerts_name_metrics_that_there_are() {
    let known = documented();
    let mut asked = 0;
    for file in ["deploy/prometheus/alerts.yml", "deploy/grafana/distrifs.json"] {
        let text = fs::read_to_string(repository().join(file)).unwrap();
        for name in named(&text) {
            assert!(
                known.contains(&name),
                "{file} asks for {name}, which nobody tells"
            );
            asked += 1;
        }
    }
    assert!(asked > 20, "the files were read");
    let dashboard = fs::read_to_string(repository().join("deploy/grafana/distrifs.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    assert!(!dashboard["panels"].as_array().unwrap().is_empty());
}

#[test]
fn every_alert_is_explained() {
    let alerts = fs::read_to_string(repository().join("deploy/prometheus/alerts.yml")).unwrap();
    let text = fs::read_to_string(repository().join("docs/operations/metrics.md")).unwrap();
    let names = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut explained = 0;
    for name in names {
        assert!(text.contains(&format!("| `{name}` |")), "{name} is not explained");
        explained += 1;
    }
    assert!(explained > 5, "the file was read");
}
