//! Groups of several members in one thread, on disks that lose power, over a network that loses messages, in a time that
//! passes only when everybody waits.

mod crash;
mod elections;
mod faults;
mod log;
mod membership;
mod migration;
mod network;
mod snapshots;
mod suite;
mod world;
