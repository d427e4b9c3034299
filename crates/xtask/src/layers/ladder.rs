//! The ladder itself: which crate stands on which rung, and what a rung allows.

/// How a crate meets the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum World {
    /// Not at all: time and random numbers come in as arguments.
    Pure,
    /// Through the seams of `env` only.
    Seams,
    /// As it likes: the seams themselves, schemas, binaries.
    Open,
}

/// The rung of a crate. A crate may depend on crates of lower rungs only, so siblings never see each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rung {
    pub name: &'static str,
    pub rank: u8,
    pub world: World,
}

/// Bottom up. A new crate gets its line here first.
const LADDER: &[Rung] = &[
    rung("plant", 0, World::Pure),
    rung("types", 0, World::Pure),
    rung("transfer", 1, World::Pure),
    rung("proto", 1, World::Open),
    rung("compact", 1, World::Pure),
    rung("namespace", 2, World::Pure),
    rung("placement", 2, World::Pure),
    rung("oracle", 2, World::Pure),
    rung("env", 3, World::Open),
    rung("metrics", 3, World::Seams),
    rung("httpd", 4, World::Seams),
    rung("wire", 4, World::Seams),
    rung("wal", 4, World::Seams),
    rung("checkpoint", 4, World::Seams),
    rung("chunkstore", 4, World::Seams),
    rung("consensus", 5, World::Seams),
    rung("master", 6, World::Seams),
    rung("datanode", 6, World::Seams),
    rung("client", 6, World::Seams),
    rung("testbed", 6, World::Open),
    rung("gateway", 7, World::Seams),
    rung("chaos", 7, World::Open),
    rung("cli", 8, World::Open),
    rung("bench", 8, World::Open),
    rung("sim", 8, World::Open),
];

/// Crates that stand apart: nothing of the workspace below them, nothing above.
const APART: &[&str] = &["xtask"];

/// What a pure crate may stand on directly, besides crates of the workspace. Short on purpose: data structures,
/// encodings, checksums, errors.
pub(super) const PURE_DEPENDENCIES: &[&str] = &[
    "bytes",
    "crc-fast",
    "fastrand",
    "imbl",
    "postcard",
    "prost",
    "serde",
    "thiserror",
    "uuid",
];

/// What must not be found anywhere below a pure crate: runtimes, sockets, files, entropy.
pub(super) const IMPURE_DEPENDENCIES: &[&str] = &[
    "async-std",
    "chrono",
    "getrandom",
    "hyper",
    "libc",
    "memmap2",
    "mio",
    "nix",
    "rand",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tonic",
    "tracing",
];

/// Where a crate stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing {
    On(Rung),
    Apart,
    Unknown,
}

/// Looks `name` up.
pub(super) fn standing(name: &str) -> Standing {
    if APART.contains(&name) {
        return Standing::Apart;
    }
    LADDER
        .iter()
        .find(|rung| rung.name == name)
        .map_or(Standing::Unknown, |rung| Standing::On(*rung))
}

const fn rung(name: &'static str, rank: u8, world: World) -> Rung {
    Rung { name, rank, world }
}
