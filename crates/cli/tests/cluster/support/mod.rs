//! What the tests share: processes, a cluster of them, a client, contents that are never kept in memory.

mod appending;
mod client;
mod cluster;
mod content;
mod files;
mod group;
mod network;
mod relay;
mod role;
mod transfer;
mod wait;

pub(crate) use appending::{Appending, bytes};
pub(crate) use client::{Client, distrifs};
pub(crate) use cluster::{Cluster, Options};
pub(crate) use content::{Content, Digest, digest_of, digest_of_file};
pub(crate) use files::{chunk_files, flip_bit, tree_digest, usage};
pub(crate) use group::Group;
pub(crate) use network::Network;
pub(crate) use relay::Relay;
pub(crate) use role::Role;
pub(crate) use transfer::{PipeGet, PipePut};
pub(crate) use wait::until;
