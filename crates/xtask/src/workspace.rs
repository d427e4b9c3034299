//! Where the workspace is, and what `cargo metadata` says about it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// The cargo that runs us, or the one on the path.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The directory of the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The part of `cargo metadata` that the checks read.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Every package of the build: the workspace's own and what they stand on.
    pub packages: Vec<Package>,
    /// The ids of the workspace's own.
    pub workspace_members: Vec<String>,
    /// Who stands on whom, after features are resolved.
    pub resolve: Resolve,
}

/// A package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub id: String,
    pub name: String,
    pub manifest_path: PathBuf,
    pub dependencies: Vec<Dependency>,
}

/// A dependency as a manifest declares it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub name: String,
    pub kind: Kind,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<String>")]
pub(crate) enum Kind {
    Normal,
    Build,
    Development,
}

impl From<Option<String>> for Kind {
    fn from(text: Option<String>) -> Self {
        match text.as_deref() {
            Some("build") => Self::Build,
            Some("dev") => Self::Development,
            _ => Self::Normal,
        }
    }
}

/// The resolved graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub nodes: Vec<Node>,
}

/// A package of the resolved graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub id: String,
    pub deps: Vec<Edge>,
}

/// An arrow of the resolved graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Edge {
    pub pkg: String,
    pub dep_kinds: Vec<EdgeKind>,
}

/// What an arrow is for; one arrow may be for several things.
#[derive(Debug, Deserialize)]
pub(crate) struct EdgeKind {
    pub kind: Kind,
}

/// Whether `package`, built by itself, links `library`: what others of the workspace want of a library does not count.
pub(crate) fn links(package: &str, library: &str) -> anyhow::Result<bool> {
    let output = Command::new(cargo())
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            package,
        ])
        .current_dir(root())
        .output()
        .context("cannot start `cargo tree`")?;
    if !output.status.success() {
        bail!("`cargo tree`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let tree = String::from_utf8_lossy(&output.stdout);
    Ok(tree.lines().any(|line| line.split(' ').next() == Some(library)))
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let output = Command::new(cargo())
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(root())
            .output()
            .context("cannot start `cargo metadata`")?;
        if !output.status.success() {
            bail!(
                "`cargo metadata`: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        serde_json::from_slice(&output.stdout).context("cannot read what `cargo metadata` says")
    }

    /// The workspace's own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
    }
}
