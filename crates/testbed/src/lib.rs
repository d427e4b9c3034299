//! Real processes of `distrifs` on one machine, and what can be done to them: started, killed, stopped, continued, cut off from
//! the network, given a disk that can be filled, started again on the same directory and ports.
//!
//! For programs that measure or torment a cluster from the outside (`bench`, `chaos`). Nothing here knows the product beyond the
//! flags that every role takes (`--dir`, `--ready-file`).
//!
//! What was made is removed with its value: processes are killed, namespaces and mounts are taken down. A program that is killed
//! with `SIGKILL` itself leaves them behind: `ip netns list` and `mount` show them under names that begin with `dfb`.

pub mod disk;
pub mod error;
pub mod netns;
pub mod process;
pub mod server;

pub use error::{Error, Result};
