//! Reading files.

mod checksum;
mod file;
mod stream;

pub use checksum::FileChecksum;
pub use file::FileReader;
pub use stream::ByteStream;
