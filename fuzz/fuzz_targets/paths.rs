//! Any text as a path of the file system, and as what a user typed for one.
//!
//! What must hold, beyond not panicking: a path is what its text says, and its parts make it again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use types::{FsPath, Name, normalize};

fuzz_target!(|text: &str| {
    let _ = Name::new(text);
    if let Ok(path) = normalize(text) {
        assert_eq!(normalize(path.as_str()), Ok(path));
    }
    let Ok(path) = FsPath::parse(text) else { return };
    assert_eq!(FsPath::parse(path.as_str()).as_ref(), Ok(&path));
    assert!(path.is_within(&path));
    let Some(name) = path.name() else {
        assert_eq!(path.as_str(), "/");
        return;
    };
    let parent = path.parent().expect("what has a name is in something");
    assert!(path.is_within(&parent));
    assert_eq!(parent.join(name).as_ref(), Ok(&path));
    assert!(Name::new(name).is_ok());
});
