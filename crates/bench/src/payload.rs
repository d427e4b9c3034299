//! Bytes that do not compress, made once.

use fastrand::Rng;

/// `length` bytes that follow from a fixed seed.
pub(crate) fn incompressible(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Rng::with_seed(0x5eed).fill(&mut bytes);
    bytes
}
