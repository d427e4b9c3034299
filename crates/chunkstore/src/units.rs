//! Checksum units: 512 bytes, one sum of 4 bytes each. The sums themselves are made and compared by
//! [`transfer::checksum`].

use transfer::checksum;
use types::limits::CHECKSUM_UNIT_BYTES;

/// Bytes of a unit.
pub(crate) const UNIT: u64 = CHECKSUM_UNIT_BYTES as u64;

/// Bytes of a stored sum.
pub(crate) const SUM: u64 = 4;

/// The sum of one unit, as it is stored.
pub(crate) fn sum_of(unit: &[u8]) -> [u8; 4] {
    checksum::crc32c(unit).to_be_bytes()
}

/// The position of the first unit of `data` that does not match its sum.
pub(crate) fn first_mismatch(data: &[u8], sums: &[u8]) -> Option<u64> {
    checksum::verify(data, sums)
        .err()
        .map(|mismatch| mismatch.unit as u64 * UNIT)
}

/// The number of units that hold `len` bytes.
pub(crate) const fn units(len: u64) -> u64 {
    len.div_ceil(UNIT)
}

/// The beginning of the unit that byte `offset` is in.
pub(crate) const fn align_down(offset: u64) -> u64 {
    offset - offset % UNIT
}
