//! The generated messages. Names and numbers are those of HDFS; the schemas are in `proto/`.
//!
//! Getters of enum fields (`status()`) give the *default* for a number that the schema does not have, and for `Status`
//! that is SUCCESS. Messages that came through this crate's decoding have only known statuses, stages and checksum kinds.

#![allow(missing_docs, reason = "generated; documented in the schemas")]
#![allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/hadoop.hdfs.rs"));

pub use crate::common::TokenProto;
pub use datanode_info_proto::AdminState;
pub use op_write_block_proto::BlockConstructionStage;
