//! The SDK against a master and datanodes that do what the test wants: die, stall, refuse, corrupt.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod read;
#[cfg(test)]
mod write;
