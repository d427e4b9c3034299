//! Tables as bytes in sequence: heads, and pages one after the other.
//!
//! ```text
//! head:   kind 4 | version 2 | record bytes 2 | numbers, 8 each
//! pages:  count 4, then for each in the order of its number: number 4 | marks 16 | cells
//! ```

use std::io::{Read, Write};

use crate::LoadError;
use crate::page::{Page, Shape};
use crate::trie::Trie;

const VERSION: u16 = 1;
/// How much is gathered before it is written.
const GATHER_BYTES: usize = 32 << 10;

/// What a table is called, in its bytes and in errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) magic: [u8; 4],
    pub(crate) record_bytes: u16,
}

impl Kind {
    pub(crate) fn corrupt(self, what: &'static str) -> LoadError {
        LoadError::Corrupt {
            table: self.name,
            what,
        }
    }

    pub(crate) fn write_head<const N: usize>(
        self,
        out: &mut dyn Write,
        numbers: [u64; N],
    ) -> std::io::Result<()> {
        let mut head = Vec::with_capacity(8 + 8 * N);
        head.extend_from_slice(&self.magic);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&self.record_bytes.to_le_bytes());
        for number in numbers {
            head.extend_from_slice(&number.to_le_bytes());
        }
        out.write_all(&head)
    }

    pub(crate) fn read_head<const N: usize>(self, input: &mut dyn Read) -> Result<[u64; N], LoadError> {
        if bytes::<4>(input)? != self.magic {
            return Err(self.corrupt("it begins otherwise"));
        }
        if u16::from_le_bytes(bytes(input)?) != VERSION {
            return Err(self.corrupt("its version is unknown"));
        }
        if u16::from_le_bytes(bytes(input)?) != self.record_bytes {
            return Err(self.corrupt("its records have another size"));
        }
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = u64::from_le_bytes(bytes(input)?);
        }
        Ok(numbers)
    }

    /// Writes all pages of a trie.
    pub(crate) fn write_pages(
        self,
        out: &mut dyn Write,
        trie: &Trie<Page>,
        shape: Shape,
    ) -> std::io::Result<()> {
        let mut gathered = Vec::with_capacity(GATHER_BYTES + Page::written(shape) + 4);
        gathered.extend_from_slice(&(trie.count() as u64).to_le_bytes());
        let mut next = Some(0);
        while let Some((number, page)) = next.and_then(|from| trie.next(from)) {
            gathered.extend_from_slice(&number.to_le_bytes());
            page.write(shape, &mut gathered);
            if gathered.len() >= GATHER_BYTES {
                out.write_all(&gathered)?;
                gathered.clear();
            }
            next = number.checked_add(1);
        }
        out.write_all(&gathered)
    }

    /// Reads what [`Kind::write_pages`] wrote. `check` sees each page before it is taken, and answers whether its number is closed;
    /// an error of it ends the reading.
    pub(crate) fn read_pages(
        self,
        input: &mut dyn Read,
        shape: Shape,
        kept: usize,
        mut check: impl FnMut(u32, &Page) -> Result<bool, LoadError>,
    ) -> Result<Trie<Page>, LoadError> {
        let count = u64::from_le_bytes(bytes(input)?);
        let mut trie = Trie::default();
        let mut buffer = vec![0; 4 + Page::written(shape)];
        let mut least = 0_u64;
        for _ in 0..count {
            input.read_exact(&mut buffer)?;
            let (number, written) = buffer.split_first_chunk().unwrap_or((&[0; 4], &[]));
            let number = u32::from_le_bytes(*number);
            if u64::from(number) < least {
                return Err(self.corrupt("its pages are not in order"));
            }
            least = u64::from(number) + 1;
            let page = Page::read(shape, kept, written).ok_or_else(|| self.corrupt("a page is not one"))?;
            let closed = check(number, &page)?;
            trie.get_or_make(number, || page);
            if closed {
                trie.set_closed(number, true);
            }
        }
        Ok(trie)
    }
}

/// The next bytes of an input.
pub(crate) fn bytes<const N: usize>(input: &mut dyn Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}
