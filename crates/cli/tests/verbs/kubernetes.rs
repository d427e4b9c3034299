//! What `deploy/` has for Kubernetes: held against the published schemas, rendered by Helm, and its command lines against this binary.

use std::path::Path;
use std::process::Command;

use crate::python::with_packages;

#[test]
fn manifests_and_chart_are_what_kubernetes_takes() {
    let packages = ["kubernetes-validate==1.37.0"];
    let Some(python) = with_packages("kubernetes", &packages, "kubernetes_validate, yaml") else {
        return eprintln!("SKIPPED: there is no python3 to check the manifests with");
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .arg(here.join("tests/verbs/kubernetes.py"))
        .arg(env!("CARGO_BIN_EXE_distrifs"))
        .arg(here.join("../../deploy"))
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    eprintln!("{told}");
}
