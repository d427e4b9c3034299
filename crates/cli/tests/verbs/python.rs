//! Python with packages from PyPI, in virtual environments that test runs share.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// An interpreter that has `packages`; `modules` is what is imported to see that it does. None where there is no Python.
pub(crate) fn with_packages(name: &str, packages: &[&str], modules: &str) -> Option<PathBuf> {
    let works = |python: &PathBuf| {
        let tried = Command::new(python)
            .args(["-c", &format!("import {modules}")])
            .output();
        tried.is_ok_and(|output| output.status.success())
    };
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{name}"));
    let python = dir.join("bin/python");
    if works(&python) {
        return Some(python);
    }
    if Command::new("python3").arg("--version").output().is_err() {
        return None;
    }
    let _ = fs::remove_dir_all(&dir);
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
    };
    run("python3", &["-m", "venv", dir.to_str().unwrap()]);
    let install = ["-m", "pip", "install", "--quiet"];
    run(python.to_str().unwrap(), &[&install, packages].concat());
    assert!(works(&python));
    Some(python)
}
