//! CRC32C of every 512 bytes, and of the whole from the parts.
//!
//! Sums are 4 bytes big-endian each, one for every unit of 512 bytes; the last unit may be shorter. Nothing here allocates,
//! except that [`append`] may grow the vector it is given.

mod lanes;

use types::limits::CHECKSUM_UNIT_BYTES;

/// Bytes of a unit.
const UNIT: usize = CHECKSUM_UNIT_BYTES as usize;

/// Bytes of a sum.
const SUM: usize = 4;

/// The first unit of some data that is not what its sum says, or that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("checksum mismatch in unit {unit} (bytes {}..{})", unit * UNIT, (unit + 1) * UNIT)]
pub struct Mismatch {
    /// The position of the unit in the data that were checked, from 0. Behind the last one when there are sums too many.
    pub unit: usize,
}

/// Bytes of the sums of `data_len` bytes of data.
#[must_use]
pub const fn sums_len(data_len: usize) -> usize {
    data_len.div_ceil(UNIT) * SUM
}

/// The CRC32C of `data`.
#[must_use]
pub fn crc32c(data: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(data)
}

/// Writes the sums of `data` to `sums`.
///
/// # Panics
/// When `sums` is not [`sums_len`] bytes long: a mistake of the caller.
pub fn compute(data: &[u8], sums: &mut [u8]) {
    assert_eq!(sums.len(), sums_len(data.len()), "room for one sum a unit");
    let (sums, _) = sums.as_chunks_mut();
    let done = lanes::compute(data, sums);
    for (unit, sum) in std::iter::zip(data.chunks(UNIT), sums).skip(done) {
        *sum = crc32c(unit).to_be_bytes();
    }
}

/// Appends the sums of `data` to `sums`.
pub fn append(data: &[u8], sums: &mut Vec<u8>) {
    let before = sums.len();
    sums.resize(before + sums_len(data.len()), 0);
    if let Some(room) = sums.get_mut(before..) {
        compute(data, room);
    }
}

/// Checks `data` against `sums`.
///
/// The full units are first checked together: the CRC of all their bytes must be what their sums make as a composite. That
/// is five times as fast as unit by unit, for a CRC of 512 bytes is mostly beginning and ending. One unit that does not
/// match its sum is always found so; several escape with a probability of 2⁻³², as any error escapes a CRC. When the check
/// fails, the unit is looked for.
///
/// # Errors
/// When a unit does not match, has no sum, or a sum no unit.
pub fn verify(data: &[u8], sums: &[u8]) -> Result<(), Mismatch> {
    let (all, rest) = sums.as_chunks();
    let units = data.len().div_ceil(UNIT);
    let (full, tail) = data.split_at(data.len() / UNIT * UNIT);
    let together = full.len() / UNIT;
    if together >= TOGETHER_MIN && all.len() == units && rest.is_empty() {
        let (full_sums, tail_sums) = all.split_at_checked(together).unwrap_or((all, &[]));
        let mut composite = Composite::new();
        composite.push_units(full_sums);
        if composite.crc() == crc32c(full) {
            return verify_each(tail, tail_sums).map_err(|Mismatch { unit }| Mismatch {
                unit: together + unit,
            });
        }
    }
    verify_each(data, all)?;
    if all.len() == units && rest.is_empty() {
        Ok(())
    } else {
        Err(Mismatch {
            unit: all.len().min(units),
        })
    }
}

/// As many full units as it takes for a check of all of them together to be faster than one by one.
const TOGETHER_MIN: usize = 4;

/// Checks the units of `data` one by one, as far as there are both units and sums.
fn verify_each(data: &[u8], sums: &[[u8; SUM]]) -> Result<(), Mismatch> {
    for (unit, (bytes, sum)) in std::iter::zip(data.chunks(UNIT), sums).enumerate() {
        if crc32c(bytes) != u32::from_be_bytes(*sum) {
            return Err(Mismatch { unit });
        }
    }
    Ok(())
}

/// The CRC32C of a long run of bytes, put together from the checksums of its parts, in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Composite {
    crc: u32,
    len: u64,
}

impl Composite {
    /// Of no bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self { crc: 0, len: 0 }
    }

    /// Of `len` bytes whose CRC32C is `crc`.
    #[must_use]
    pub const fn of(crc: u32, len: u64) -> Self {
        Self { crc, len }
    }

    /// The CRC32C of everything so far.
    #[must_use]
    pub const fn crc(&self) -> u32 {
        self.crc
    }

    /// The bytes so far.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none so far.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds what follows.
    pub fn push(&mut self, next: Self) {
        if next.len == 0 {
            return;
        }
        let kind = crc_fast::CrcAlgorithm::Crc32Iscsi;
        let crc = crc_fast::checksum_combine(kind, self.crc.into(), next.crc.into(), next.len);
        #[expect(clippy::cast_possible_truncation, reason = "a CRC of 32 bits, in a u64")]
        {
            self.crc = crc as u32;
        }
        self.len = self.len.saturating_add(next.len);
    }

    /// Adds `data_len` bytes that follow, by their `sums`.
    ///
    /// # Errors
    /// When there are more or fewer sums than `data_len` bytes have; then nothing is added.
    pub fn push_sums(&mut self, sums: &[u8], data_len: usize) -> Result<(), Mismatch> {
        let (sums, rest) = sums.as_chunks();
        if sums.len() != data_len.div_ceil(UNIT) || !rest.is_empty() {
            return Err(Mismatch {
                unit: sums.len().min(data_len.div_ceil(UNIT)),
            });
        }
        let (full, partial) = sums.split_at_checked(data_len / UNIT).unwrap_or((sums, &[]));
        self.push_units(full);
        if let [sum] = partial {
            self.push(Self::of(u32::from_be_bytes(*sum), (data_len % UNIT) as u64));
        }
        Ok(())
    }

    /// Adds full units that follow, by their `sums`.
    fn push_units(&mut self, sums: &[[u8; SUM]]) {
        for sum in sums {
            self.crc = shift_by_unit(self.crc) ^ u32::from_be_bytes(*sum);
            self.len = self.len.saturating_add(UNIT as u64);
        }
    }
}

/// What `crc` becomes when 512 zero bytes follow, without the CRC's own constants: the operator that makes
/// `crc(a ‖ b) = shift(crc(a)) ^ crc(b)` for `b` of one unit. Linear, so four tables of its bytes do.
fn shift_by_unit(crc: u32) -> u32 {
    let mut shifted = 0;
    for (table, byte) in std::iter::zip(&SHIFT_BY_UNIT, crc.to_le_bytes()) {
        shifted ^= table.get(usize::from(byte)).copied().unwrap_or(0);
    }
    shifted
}

/// For each byte of a CRC and each value of it, what becomes of it behind one unit of zeros.
static SHIFT_BY_UNIT: [[u32; 256]; 4] = shift_tables();

#[expect(
    clippy::indexing_slicing,
    reason = "at compile time; out of bounds would not compile"
)]
const fn shift_tables() -> [[u32; 256]; 4] {
    /// The Castagnoli polynomial, reflected.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut tables = [[0; 256]; 4];
    let mut bit = 0;
    while bit < 32 {
        let mut crc = 1u32 << bit;
        let mut step = 0;
        while step < 8 * UNIT {
            crc = (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
            step += 1;
        }
        // The operator is linear: a value is the sum of its bits.
        let mut value = 0;
        while value < 256 {
            if value >> (bit % 8) & 1 == 1 {
                tables[bit / 8][value] ^= crc;
            }
            value += 1;
        }
        bit += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sums_of(data: &[u8]) -> Vec<u8> {
        let mut sums = vec![0; sums_len(data.len())];
        compute(data, &mut sums);
        sums
    }

    #[test]
    fn crc32c_is_that_of_rfc_3720() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn every_unit_has_a_sum_and_the_last_may_be_short() {
        for (data_len, expected) in [(0, 0), (1, 4), (511, 4), (512, 4), (513, 8), (1 << 20, 8192)] {
            assert_eq!(sums_len(data_len), expected, "{data_len}");
        }
        let sums = sums_of(&[7; 513]);
        assert_eq!(sums[..4], crc32c(&[7; 512]).to_be_bytes());
        assert_eq!(sums[4..], crc32c(&[7]).to_be_bytes());
    }

    #[test]
    fn missing_and_surplus_sums_are_mismatches() {
        let data = [1; 1024];
        let sums = sums_of(&data);
        assert_eq!(verify(&data, &sums), Ok(()));
        assert_eq!(verify(&data, &sums[..4]), Err(Mismatch { unit: 1 }));
        assert_eq!(verify(&data, &sums[..7]), Err(Mismatch { unit: 1 }));
        assert_eq!(verify(&data[..512], &sums), Err(Mismatch { unit: 1 }));
        assert_eq!(verify(&[], &[0; 4]), Err(Mismatch { unit: 0 }));
        assert_eq!(verify(&[], &[]), Ok(()));
        assert_eq!(Composite::new().push_sums(&sums, 512), Err(Mismatch { unit: 1 }));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_found_where_it_is(
            data in prop::collection::vec(any::<u8>(), 1..6000), at: prop::sample::Index, bit in 0..8u8,
        ) {
            let sums = sums_of(&data);
            prop_assert_eq!(verify(&data, &sums), Ok(()));
            let at = at.index(data.len());
            let mut bad = data;
            bad[at] ^= 1 << bit;
            prop_assert_eq!(verify(&bad, &sums), Err(Mismatch { unit: at / 512 }));
        }

        #[test]
        fn a_wrong_sum_is_found_where_it_is(
            data in prop::collection::vec(any::<u8>(), 1..6000), at: prop::sample::Index, bit in 0..8u8,
        ) {
            let mut sums = sums_of(&data);
            let at = at.index(sums.len());
            sums[at] ^= 1 << bit;
            prop_assert_eq!(verify(&data, &sums), Err(Mismatch { unit: at / 4 }));
        }

        /// What a disk does at its worst: sectors of data and sums together that were never written.
        #[test]
        fn zeros_for_data_and_sums_are_found(
            data in prop::collection::vec(any::<u8>(), 5000..9000), from in 0..9usize, units in 1..9usize,
        ) {
            let (mut bad, mut sums) = (data.clone(), sums_of(&data));
            for unit in from..(from + units).min(data.len() / 512) {
                bad[unit * 512..][..512].fill(0);
                sums[unit * 4..][..4].fill(0);
            }
            prop_assert_eq!(verify(&bad, &sums), Err(Mismatch { unit: from }));
        }

        #[test]
        fn sums_are_those_of_the_units(data in prop::collection::vec(any::<u8>(), 0..9000)) {
            let one_by_one: Vec<u8> = data.chunks(UNIT).flat_map(|unit| crc32c(unit).to_be_bytes()).collect();
            prop_assert_eq!(sums_of(&data), &one_by_one[..]);
            let mut appended = vec![9];
            append(&data, &mut appended);
            prop_assert_eq!(&appended[1..], one_by_one);
        }

        #[test]
        fn the_whole_comes_from_the_parts(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..5),
        ) {
            let mut by_sums = Composite::new();
            let mut by_crc = Composite::new();
            for part in &parts {
                by_sums.push_sums(&sums_of(part), part.len()).unwrap();
                by_crc.push(Composite::of(crc32c(part), part.len() as u64));
            }
            let whole = parts.concat();
            prop_assert_eq!(by_sums, Composite::of(crc32c(&whole), whole.len() as u64));
            prop_assert_eq!(by_crc, by_sums);
        }
    }
}
