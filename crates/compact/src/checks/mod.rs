//! Tables against naive models, with a string of bytes as the program: what the property tests and the fuzz targets run.
//!
//! Each function takes its input for operations on a table, does the same to a model, compares all answers, keeps clones
//! of both along the way and finds in the end that they have not changed. It panics where a table is wrong.

mod arena;
mod load;
mod names;
mod paged;
mod slab;

pub use arena::arena;
pub use load::load;
pub use names::names;
pub use paged::paged;
pub use slab::slab;

/// How many clones are kept at a time.
const CLONES: usize = 4;

/// Input, read from its front.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from(self.byte()?) << 8 | u32::from(self.byte()?))
    }
}

/// A table and its model, as they were at some time.
struct Clones<T, M>(Vec<(T, M)>);

impl<T: Clone, M: Clone> Clones<T, M> {
    fn keep(&mut self, table: &T, model: &M, at: u8) {
        let clone = (table.clone(), model.clone());
        match self.0.get_mut(usize::from(at) % CLONES) {
            Some(place) => *place = clone,
            None => self.0.push(clone),
        }
    }
}

/// What a table saves.
fn bytes(save: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(save(&mut bytes).is_ok(), "a vector takes all");
    bytes
}

/// What is loaded from all of `bytes`, which were just saved.
fn reload<T>(
    mut bytes: &[u8],
    load: impl FnOnce(&mut dyn std::io::Read) -> Result<T, crate::LoadError>,
) -> Option<T> {
    let loaded = load(&mut bytes);
    assert!(loaded.is_ok(), "its own bytes: {:?}", loaded.err());
    assert!(bytes.is_empty(), "it reads all that it wrote");
    loaded.ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn the_last_record_of_a_sparse_array_goes() {
        // Found by a fuzzer: a record at a high slot, and gone.
        super::paged(&[0xf1, 0xcb, 0x2e, 0xf3, 0xcb, 0x2e]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_slab_is_what_its_model_is(input in prop::collection::vec(any::<u8>(), 0..900)) {
            super::slab(&input);
        }

        #[test]
        fn a_name_tree_is_what_its_model_is(input in prop::collection::vec(any::<u8>(), 0..1000)) {
            super::names(&input);
        }

        #[test]
        fn an_arena_is_what_its_model_is(input in prop::collection::vec(any::<u8>(), 0..900)) {
            super::arena(&input);
        }

        #[test]
        fn no_bytes_are_too_strange_to_load(input in prop::collection::vec(any::<u8>(), 0..60)) {
            super::load(&input);
        }

        #[test]
        fn a_paged_array_is_what_its_model_is(input in prop::collection::vec(any::<u8>(), 0..900)) {
            super::paged(&input);
        }
    }
}
