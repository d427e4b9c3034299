//! Writing files.

mod file;

pub use file::FileWriter;
