//! The footer. The picture is in the module above.

use super::walk::Damage;
use super::{array_at, crc, u32_at, u64_at};

const CRC: usize = 0;
const ZERO: usize = CRC + 4;
const BLOCKS: usize = ZERO + 4;
const BYTES: usize = BLOCKS + 8;
const MAGIC: usize = BYTES + 8;

/// Bytes of the footer.
pub(crate) const FOOTER_BYTES: usize = MAGIC + 8;

const MAGIC_BYTES: [u8; 8] = *b"DFSCHKE\n";

const _: () = assert!(FOOTER_BYTES == 32, "the layout is fixed");

/// What a checkpoint holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The number of its blocks.
    pub blocks: u64,
    /// The bytes of their payloads: of the saved state.
    pub bytes: u64,
}

/// The footer behind a block with the CRC `chain`.
pub(crate) fn encode(totals: Totals, chain: u32) -> [u8; FOOTER_BYTES] {
    let mut body = [0; FOOTER_BYTES - ZERO];
    let fields = ([0; 4].into_iter())
        .chain(totals.blocks.to_le_bytes())
        .chain(totals.bytes.to_le_bytes())
        .chain(MAGIC_BYTES);
    body.iter_mut()
        .zip(fields)
        .for_each(|(place, byte)| *place = byte);
    let crc = crc(&[&chain.to_le_bytes(), &body]);
    let mut bytes = [0; FOOTER_BYTES];
    let all = crc.to_le_bytes().into_iter().chain(body);
    bytes.iter_mut().zip(all).for_each(|(place, byte)| *place = byte);
    bytes
}

/// The totals in a footer, if it is one: whether it is the footer of the blocks before it is not looked at.
pub(crate) fn totals(bytes: &[u8; FOOTER_BYTES]) -> Option<Totals> {
    let is_footer = u32_at(bytes, ZERO)? == 0 && array_at(bytes, MAGIC)? == MAGIC_BYTES;
    let totals = Totals {
        blocks: u64_at(bytes, BLOCKS)?,
        bytes: u64_at(bytes, BYTES)?,
    };
    is_footer.then_some(totals)
}

/// Checks a footer against the blocks before it.
pub(crate) fn check(bytes: &[u8; FOOTER_BYTES], chain: u32, counted: Totals) -> Result<(), Damage> {
    let expected = totals(bytes).ok_or(Damage::Footer)?;
    let found = u32_at(bytes, CRC).ok_or(Damage::Footer)?;
    let computed = crc(&[&chain.to_le_bytes(), bytes.split_at(ZERO).1]);
    if found != computed {
        return Err(Damage::Crc { found, computed });
    }
    if expected != counted {
        return Err(Damage::Totals {
            expected,
            found: counted,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTALS: Totals = Totals {
        blocks: 3,
        bytes: 0x0102_0304,
    };

    #[test]
    fn golden_bytes() {
        let bytes = encode(TOTALS, 0xdead_beef);
        assert_eq!(
            bytes, *b"\xb8\x7a\x10\x72\0\0\0\0\x03\0\0\0\0\0\0\0\x04\x03\x02\x01\0\0\0\0DFSCHKE\n",
            "{bytes:02x?}"
        );
        assert_eq!(check(&bytes, 0xdead_beef, TOTALS), Ok(()));
    }

    #[test]
    fn a_footer_is_valid_only_behind_its_blocks() {
        let bytes = encode(TOTALS, 1);
        assert!(matches!(check(&bytes, 2, TOTALS), Err(Damage::Crc { .. })));
        let other = Totals { blocks: 2, ..TOTALS };
        assert_eq!(
            check(&bytes, 1, other),
            Err(Damage::Totals {
                expected: TOTALS,
                found: other
            })
        );
    }
}
