//! Records of fixed size as bytes.
//!
//! A record is kept as little-endian bytes without padding: 26 bytes are 26 bytes, whatever the alignment of its fields.

/// A value that is kept as a fixed number of bytes.
///
/// `read` takes any bytes: what makes no sense as a value is for the owner of the table to find after loading. What
/// `write` wrote is read as an equal value. [`Fields`] and [`FieldsMut`] take the bytes apart.
///
/// ```
/// use compact::{Fields, FieldsMut, Record};
///
/// #[derive(Clone, Copy)]
/// struct Chunk { owner: u32, generation: u16 }
///
/// impl Record for Chunk {
///     const BYTES: usize = 6;
///     fn write(&self, mut to: FieldsMut<'_>) {
///         to.u32(self.owner);
///         to.u16(self.generation);
///     }
///     fn read(mut from: Fields<'_>) -> Self {
///         Self { owner: from.u32(), generation: from.u16() }
///     }
/// }
/// ```
pub trait Record: Copy {
    /// How many bytes: at least 1, and at most 256.
    const BYTES: usize;

    /// Writes all of its [`BYTES`](Self::BYTES).
    fn write(&self, to: FieldsMut<'_>);

    /// The record that was written so.
    fn read(from: Fields<'_>) -> Self;
}

/// The bytes of a record, taken from the front. Past their end everything is zero.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// All of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `N` bytes.
    #[inline]
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => [0; N],
        }
    }

    /// A byte.
    #[inline]
    pub fn u8(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    /// Two bytes.
    #[inline]
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    /// Four bytes.
    #[inline]
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    /// Six bytes: a number below 2^48.
    #[inline]
    pub fn u48(&mut self) -> u64 {
        let [a, b, c, d, e, f] = self.bytes();
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// Eight bytes.
    #[inline]
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }
}

/// Room for the bytes of a record, filled from the front. What does not fit is dropped.
#[derive(Debug)]
pub struct FieldsMut<'a>(&'a mut [u8]);

impl<'a> FieldsMut<'a> {
    /// All of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    /// The next `N` bytes.
    #[inline]
    pub fn bytes<const N: usize>(&mut self, value: [u8; N]) {
        let room = std::mem::take(&mut self.0);
        if let Some((first, rest)) = room.split_first_chunk_mut::<N>() {
            *first = value;
            self.0 = rest;
        }
    }

    /// A byte.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.bytes([value]);
    }

    /// Two bytes.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.bytes(value.to_le_bytes());
    }

    /// Four bytes.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.bytes(value.to_le_bytes());
    }

    /// The lower six bytes of a number below 2^48.
    #[inline]
    pub fn u48(&mut self, value: u64) {
        let [a, b, c, d, e, f, _, _] = value.to_le_bytes();
        self.bytes([a, b, c, d, e, f]);
    }

    /// Eight bytes.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.bytes(value.to_le_bytes());
    }
}

macro_rules! number {
    ($($type:ident $bytes:literal),*) => {$(
        impl Record for $type {
            const BYTES: usize = $bytes;
            #[inline]
            fn write(&self, mut to: FieldsMut<'_>) {
                to.$type(*self);
            }
            #[inline]
            fn read(mut from: Fields<'_>) -> Self {
                from.$type()
            }
        }
    )*};
}

number!(u8 1, u16 2, u32 4, u64 8);
