//! Any bytes as the command of a log record: the first byte is the op code.
//!
//! What must hold, beyond not panicking: what was decoded, encoded again, decodes to itself; a state takes or refuses the
//! command, and can be saved and loaded after it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use namespace::{Entry, Namespace};
use types::ClusterId;

fuzz_target!(|input: &[u8]| {
    let Some((&op, payload)) = input.split_first() else {
        return;
    };
    let Ok(entry) = Entry::decode(op, payload) else {
        return;
    };
    let mut encoded = Vec::new();
    entry.encode(&mut encoded);
    let again = Entry::decode(op, &encoded).expect("what was encoded decodes");
    assert_eq!(again, entry);

    for mut state in [Namespace::new(), formatted()] {
        let _ = state.apply(&entry);
        let mut saved = Vec::new();
        state.save(&mut saved).expect("a vector takes all");
        Namespace::load(&mut &*saved).expect("what is saved can be loaded");
    }
});

fn formatted() -> Namespace {
    let mut state = Namespace::new();
    let cluster = ClusterId::from_random_bytes([7; 16]);
    state
        .apply(&Entry {
            at: types::UnixMillis(1),
            caller: types::Caller {
                user: "root".to_owned(),
                groups: Vec::new(),
                superuser: true,
            },
            request: None,
            command: namespace::Command::FormatSlotted { cluster },
        })
        .expect("it is new");
    state
}
