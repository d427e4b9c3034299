//! Arrows between crates, and what pure crates stand on.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use super::ladder::{IMPURE_DEPENDENCIES, PURE_DEPENDENCIES, Rung, Standing, World, standing};
use crate::workspace::{Kind, Metadata, Package};

/// Whether a crate, built by itself, links a library: `cargo metadata` tells the features of the whole workspace together.
type Links<'a> = &'a dyn Fn(&str, &str) -> anyhow::Result<bool>;

/// Checks every manifest of the workspace.
pub(super) fn check(metadata: &Metadata, links: Links<'_>) -> anyhow::Result<Vec<Violation>> {
    let members: BTreeSet<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    let mut violations = Vec::new();
    for package in metadata.members() {
        match standing(&package.name) {
            Standing::Unknown => violations.push(violation(
                package,
                "this crate has no rung; give it one in crates/xtask/src/layers/ladder.rs".into(),
            )),
            Standing::Apart => {
                let inner = package
                    .dependencies
                    .iter()
                    .filter(|d| members.contains(d.name.as_str()));
                violations.extend(inner.map(|dependency| {
                    violation(
                        package,
                        format!("stands apart and must not depend on `{}`", dependency.name),
                    )
                }));
            }
            Standing::On(rung) => {
                violations.extend(arrows(package, rung, &members));
                if rung.world == World::Pure {
                    violations.extend(declared(package, &members));
                    violations.extend(reached(metadata, package, links)?);
                }
            }
        }
    }
    Ok(violations)
}

/// Dependencies of every kind, tests' included, must point down the ladder.
fn arrows(package: &Package, rung: Rung, members: &BTreeSet<&str>) -> Vec<Violation> {
    package
        .dependencies
        .iter()
        .filter(|dependency| members.contains(dependency.name.as_str()))
        .filter_map(|dependency| match standing(&dependency.name) {
            Standing::On(below) if below.rank < rung.rank => None,
            Standing::On(below) if below.rank == rung.rank => Some(format!(
                "must not depend on its sibling `{}`; what both need belongs below them",
                below.name
            )),
            Standing::On(above) => Some(format!(
                "must not depend on `{}`, which stands above it",
                above.name
            )),
            Standing::Apart => Some(format!(
                "must not depend on `{}`, which stands apart",
                dependency.name
            )),
            // Said once, at the crate itself.
            Standing::Unknown => None,
        })
        .map(|what| violation(package, what))
        .collect()
}

/// A pure crate's own choice of libraries.
fn declared(package: &Package, members: &BTreeSet<&str>) -> Vec<Violation> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == Kind::Normal)
        .map(|dependency| dependency.name.as_str())
        .filter(|name| !members.contains(name) && !PURE_DEPENDENCIES.contains(name))
        .map(|name| {
            violation(
                package,
                format!("is a pure crate, and `{name}` is not among the libraries that pure crates may use"),
            )
        })
        .collect()
}

/// What the libraries of a pure crate bring along.
fn reached(metadata: &Metadata, package: &Package, links: Links<'_>) -> anyhow::Result<Vec<Violation>> {
    let names: BTreeMap<&str, &str> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package.name.as_str()))
        .collect();
    let below: BTreeMap<&str, Vec<&str>> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| {
            let linked = node
                .deps
                .iter()
                .filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind == Kind::Normal))
                .map(|edge| edge.pkg.as_str());
            (node.id.as_str(), linked.collect())
        })
        .collect();

    let mut violations = Vec::new();
    let mut seen = BTreeSet::from([package.id.as_str()]);
    let mut queue = vec![(package.id.as_str(), Vec::new())];
    while let Some((id, trail)) = queue.pop() {
        for &next in below.get(id).into_iter().flatten() {
            if !seen.insert(next) {
                continue;
            }
            let name = names.get(next).copied().unwrap_or(next);
            let mut trail = trail.clone();
            trail.push(name);
            if IMPURE_DEPENDENCIES.contains(&name) {
                if !links(&package.name, name)? {
                    continue;
                }
                let way = trail.join(" → ");
                violations.push(violation(
                    package,
                    format!("is a pure crate but reaches `{name}`: {way}"),
                ));
            } else {
                queue.push((next, trail));
            }
        }
    }
    Ok(violations)
}

fn violation(package: &Package, what: String) -> Violation {
    Violation {
        place: format!("crates/{}/Cargo.toml", package.name),
        what: format!("`{}` {what}", package.name),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::{Dependency, Edge, EdgeKind, Node, Resolve};

    /// A workspace of `(crate, its dependencies)`; what is not a crate of its own is a library.
    fn workspace(crates: &[(&str, &[(&str, Kind)])]) -> Metadata {
        let mut packages = Vec::new();
        let mut nodes = Vec::new();
        let mut libraries = BTreeSet::new();
        for (name, dependencies) in crates {
            libraries.extend(dependencies.iter().map(|(name, _)| *name));
            packages.push(package(name, dependencies));
            nodes.push(node(name, dependencies));
        }
        let members: Vec<String> = crates.iter().map(|(name, _)| (*name).into()).collect();
        for library in libraries {
            if !members.iter().any(|member| member == library) {
                packages.push(package(library, &[]));
                nodes.push(node(library, &[]));
            }
        }
        Metadata {
            packages,
            workspace_members: members,
            resolve: Resolve { nodes },
        }
    }

    fn package(name: &str, dependencies: &[(&str, Kind)]) -> Package {
        Package {
            id: name.into(),
            name: name.into(),
            manifest_path: PathBuf::from(format!("crates/{name}/Cargo.toml")),
            dependencies: dependencies
                .iter()
                .map(|&(name, kind)| Dependency {
                    name: name.into(),
                    kind,
                })
                .collect(),
        }
    }

    fn node(name: &str, dependencies: &[(&str, Kind)]) -> Node {
        Node {
            id: name.into(),
            deps: dependencies
                .iter()
                .map(|&(name, kind)| Edge {
                    pkg: name.into(),
                    dep_kinds: vec![EdgeKind { kind }],
                })
                .collect(),
        }
    }

    fn checked(metadata: &Metadata) -> Vec<String> {
        let violations = check(metadata, &|_, _| Ok(true)).unwrap();
        violations.iter().map(ToString::to_string).collect()
    }

    fn found(crates: &[(&str, &[(&str, Kind)])]) -> Vec<String> {
        checked(&workspace(crates))
    }

    #[test]
    fn an_orderly_workspace_passes() {
        let nothing: Vec<String> = Vec::new();
        assert_eq!(
            found(&[
                (
                    "types",
                    &[("serde", Kind::Normal), ("proptest", Kind::Development)]
                ),
                ("env", &[("types", Kind::Normal), ("tokio", Kind::Normal)]),
                ("master", &[("types", Kind::Normal), ("env", Kind::Normal)]),
                ("xtask", &[("anyhow", Kind::Normal)]),
            ]),
            nothing
        );
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        assert_eq!(
            found(&[("types", &[("env", Kind::Development)]), ("env", &[])]),
            ["crates/types/Cargo.toml: `types` must not depend on `env`, which stands above it"]
        );
    }

    #[test]
    fn an_arrow_between_siblings_is_found() {
        let found = found(&[("client", &[("datanode", Kind::Development)]), ("datanode", &[])]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("its sibling `datanode`"), "{found:?}");
    }

    #[test]
    fn what_stands_apart_stays_apart() {
        let found = found(&[
            ("xtask", &[("types", Kind::Normal)]),
            ("types", &[]),
            ("cli", &[("xtask", Kind::Build)]),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_crate_without_a_rung_is_found() {
        let found = found(&[("newcomer", &[])]);
        assert!(found[0].contains("has no rung"), "{found:?}");
    }

    #[test]
    fn an_unlisted_library_of_a_pure_crate_is_found() {
        let found = found(&[("namespace", &[("itertools", Kind::Normal)])]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`itertools` is not among"), "{found:?}");
    }

    #[test]
    fn a_runtime_below_a_pure_crate_is_found_with_the_way_to_it() {
        let mut metadata = workspace(&[("transfer", &[("bytes", Kind::Normal)])]);
        metadata.packages.push(package("tokio", &[]));
        let bytes = metadata
            .resolve
            .nodes
            .iter_mut()
            .find(|node| node.id == "bytes")
            .unwrap();
        bytes.deps.push(Edge {
            pkg: "tokio".into(),
            dep_kinds: vec![EdgeKind { kind: Kind::Normal }],
        });
        let found = checked(&metadata);
        assert_eq!(
            found,
            ["crates/transfer/Cargo.toml: `transfer` is a pure crate but reaches `tokio`: bytes → tokio"]
        );
    }

    #[test]
    fn what_the_crate_does_not_link_by_itself_is_not_counted() {
        let mut metadata = workspace(&[("transfer", &[("bytes", Kind::Normal)])]);
        metadata.packages.push(package("tokio", &[]));
        let bytes = metadata.resolve.nodes.iter_mut().find(|node| node.id == "bytes");
        bytes.unwrap().deps.push(Edge {
            pkg: "tokio".into(),
            dep_kinds: vec![EdgeKind { kind: Kind::Normal }],
        });
        let alone = |package: &str, library: &str| {
            assert_eq!((package, library), ("transfer", "tokio"));
            Ok(false)
        };
        assert_eq!(check(&metadata, &alone).unwrap(), []);
    }

    #[test]
    fn this_workspace_is_read() {
        let metadata = Metadata::read().unwrap();
        assert!(metadata.members().any(|package| package.name == "types"));
    }
}
