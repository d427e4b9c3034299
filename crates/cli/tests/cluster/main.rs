//! Whole clusters of real processes: started, fed, killed, restarted, looked at from the outside.
//!
//! Nothing here but [`batch`] links the product's code; everything goes through the binary, its files and signals. A kill is `SIGKILL`
//! and falls where a test says: the tests drive transfers byte by byte through pipes and do not guess times.
//!
//! The long forms (`cargo xtask matrix`, `small-files`, `soak-pipe`) are the same tests with a variable set; see [`scale`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod abandoned;
mod advertised;
mod batch;
mod chaos;
mod collected;
mod corruption;
mod deaths;
mod denied;
mod disks;
mod flush;
mod ha;
mod healing;
#[path = "../verbs/http.rs"]
mod http;
mod identity;
mod kill_get;
mod kill_put;
mod matrix;
mod operations;
mod pipe;
mod reshape;
mod restart;
mod scale;
mod small_files;
mod support;
mod traced;
mod watched;
