//! The generated messages of the package `hadoop.common`, where those of `hadoop.hdfs` expect them.

#![allow(missing_docs, reason = "generated; documented in the schemas")]

include!(concat!(env!("OUT_DIR"), "/hadoop.common.rs"));
