//! The SDK against a master and datanodes that do what the test wants: die, stall, refuse, corrupt.

#![expect(
    clippy::cast_possible_truncation,
    reason = "small numbers that the tests make up"
)]

#[cfg(test)]
mod calls;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod local;
#[cfg(test)]
mod read;
#[cfg(test)]
mod small;
#[cfg(test)]
mod write;
