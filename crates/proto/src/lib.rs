//! gRPC schemas of the control plane and their conversions.
//!
//! The schemas are in `proto/distrifs/v1`; what the compiler makes of them is [`v1`]. Conversions to the types of the
//! system are here too, so that bytes from outside are checked once, at the border ([`Malformed`]).

mod convert;
mod error;

/// The generated messages, clients and servers.
#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; documented in the schemas"
)]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("distrifs.v1");
}

/// The compiled schemas, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Every service (with its package) and method that the schemas have.
pub const METHODS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/methods.rs"));

pub use convert::{
    Malformed, caller, client_id, datanode_id, extent, request_id, storage_id, wire_caller, wire_extent,
};
pub use error::{code, detail_of, status};
