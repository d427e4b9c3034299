//! A whole namespace as text: what `admin export` writes and `admin import` reads.
//!
//! JSON documents, one a line, in this order. Unknown fields are ignored, unknown kinds of lines are errors.
//!
//! ```text
//! {"distrifs_export":1, "cluster":"uuid", "index":4711, "term":7, "now_ms":…, "slotted":true, "first_generation":1,
//!  "safe_mode":false}                                            the version of this format, and the cluster; the last
//!                                                                record of the log, the highest term
//! {"chunk_ids":[1,4096], "lives":3}                              how often slots of chunk ids were given out, at most
//! {"datanode":"uuid", "host":"d1.example", "data_port":9866, "rack":"/r1",
//!  "storages":[{"id":"uuid", "capacity":1000000}], "admin":{"decommissioning_since_ms":…}}
//!                                                                admin: or decommissioned_since_ms, maintenance_until_ms;
//!                                                                none in service
//! {"setting":"repair.streams", "value":"8"}                      what was chosen; all others are as by default
//! {"directory":"/", "mode":"0755", "owner":"root", "group":"root", "modified_ms":…, "accessed_ms":…}
//! {"file":"/a", "mode":"0644", "owner":"ann", "group":"staff", "modified_ms":…, "accessed_ms":…,
//!  "replication":3, "chunk_size":67108864, "chunks":[[ID, GENERATION, LENGTH], …]}
//! {"end":true, "directories":1, "files":1, "chunks":1}           so that a text that was cut is known
//! ```
//!
//! The root is the first directory; each directory comes before what is in it. Chunks keep their ids and generations, since
//! datanodes know them by these; an id is SLOT + 2^32 × BIRTH, where a birth of a slot in `chunk_ids` is below its `lives`.
//! A file that somebody writes is there with what is committed of it. Not in it: files that have no name yet, who writes
//! what, answers to recent calls, and the ids of inodes.

mod line;
mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

/// The version that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 1;

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) directories: u64,
    pub(crate) files: u64,
    pub(crate) chunks: u64,
}

#[cfg(test)]
mod tests;
