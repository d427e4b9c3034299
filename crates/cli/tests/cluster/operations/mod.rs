//! What operators are told and what they order, held against what lies on the datanodes' disks.

mod disks;

mod away;
mod balanced;
mod drained;
mod lost;
mod truth;
mod verified;
