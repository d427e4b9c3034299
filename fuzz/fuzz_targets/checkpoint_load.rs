//! Any bytes as a saved state of the metadata: loaded as they are, and with the beginning and the checksum that a state of
//! each version has.
//!
//! What must hold, beyond not panicking and taking no more memory than the input explains: what is loaded is saved, and
//! what is saved is loaded and saved as the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use namespace::Namespace;

const HEADS: [&[u8]; 2] = [b"DFSSTATE\x01\0\0\0", b"DFSSTATE\x02\0\0\0"];

fuzz_target!(|input: &[u8]| {
    again(input);
    for head in HEADS {
        let body = input.strip_prefix(head).unwrap_or(input);
        // Of a whole state, the old checksum would be in the way; anything else may well lose its last bytes.
        for body in [body, &body[..body.len().saturating_sub(4)]] {
            let mut bytes = [head, body].concat();
            bytes.extend(crc_fast::crc32_iscsi(&bytes).to_le_bytes());
            again(&bytes);
        }
    }
});

fn again(mut bytes: &[u8]) {
    let Ok(state) = Namespace::load(&mut bytes) else {
        return;
    };
    let saved = save(&state);
    let loaded = Namespace::load(&mut &*saved).expect("what is saved can be loaded");
    assert!(save(&loaded) == saved);
}

fn save(state: &Namespace) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.save(&mut bytes).expect("a vector takes all");
    bytes
}
