//! Keys of the tree: the parent slot, most significant byte first, and behind it the name. So keys sort by parent, and in
//! a parent by name.

use super::NAME_BYTES_MAX;

/// Bytes of the parent at the front of a key.
pub(super) const PARENT_BYTES: usize = 4;
/// The longest key.
pub(super) const KEY_BYTES_MAX: usize = PARENT_BYTES + NAME_BYTES_MAX;

/// A key in a place of its own.
#[derive(Debug, Clone)]
pub(super) struct Key {
    len: usize,
    bytes: [u8; KEY_BYTES_MAX],
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
    }
}

impl Key {
    pub(super) const fn new() -> Self {
        Self {
            len: 0,
            bytes: [0; KEY_BYTES_MAX],
        }
    }

    /// None when the name is too long.
    #[inline]
    pub(super) fn of(parent: u32, name: &[u8]) -> Option<Self> {
        let mut key = Self::new();
        key.replace(0, &parent.to_be_bytes())?;
        key.replace(PARENT_BYTES, name)?;
        Some(key)
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    #[inline]
    pub(super) fn parent(&self) -> u32 {
        let parent = self.bytes().first_chunk();
        parent.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    #[inline]
    pub(super) fn name(&self) -> &[u8] {
        self.bytes().get(PARENT_BYTES..).unwrap_or_default()
    }

    /// Keeps the first `shared` bytes and puts `suffix` behind them. None when there are not so many, or it gets too long.
    #[inline]
    pub(super) fn replace(&mut self, shared: usize, suffix: &[u8]) -> Option<()> {
        if shared > self.len {
            return None;
        }
        let room = self.bytes.get_mut(shared..shared + suffix.len())?;
        room.copy_from_slice(suffix);
        self.len = shared + suffix.len();
        Some(())
    }
}

/// How many bytes two keys have in common at their front.
#[inline]
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The shortest key above `below` and not above `key`, but with its whole parent: what parts two neighbours.
pub(super) fn separator<'a>(below: &[u8], key: &'a [u8]) -> &'a [u8] {
    let len = (common(below, key) + 1).max(PARENT_BYTES);
    key.get(..len).unwrap_or(key)
}
