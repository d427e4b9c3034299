//! Any text as `config.yaml`. The module is that of the program, which is no library.
//!
//! What must hold, beyond not panicking: what is refused says why, and where in the file.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/cli/src/config/file.rs"]
#[allow(dead_code, reason = "only the file is read here")]
mod file;
#[path = "../../crates/cli/src/config/flags.rs"]
#[allow(dead_code, reason = "only the file is read here")]
mod flags;
#[path = "../../crates/cli/src/config/masters.rs"]
mod masters;
#[path = "../../crates/cli/src/config/table.rs"]
#[allow(dead_code, reason = "only the file is read here")]
mod table;
#[path = "../../crates/cli/src/config/value.rs"]
#[allow(dead_code, reason = "only the file is read here")]
mod value;

fuzz_target!(|text: &str| {
    if let Err(error) = file::ConfigFile::parse(Path::new("/config.yaml"), text) {
        assert!(error.to_string().starts_with("/config.yaml:"), "{error}");
    }
});
