//! Every limit in one place. Relations between limits are asserted at compile time.

/// Bytes of one path component (POSIX `NAME_MAX`).
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of a whole path (POSIX `PATH_MAX`).
pub const PATH_BYTES_MAX: usize = 4_096;

/// The unit of checksumming (the data-transfer protocol's `bytesPerChecksum`): one CRC32C for each.
pub const CHECKSUM_UNIT_BYTES: u32 = 512;

/// The smallest chunk size of a file.
pub const CHUNK_SIZE_MIN: u64 = 512;

/// The chunk size of a file that asks for none.
pub const CHUNK_SIZE_DEFAULT: u64 = 64 << 20;

/// The largest chunk size of a file.
pub const CHUNK_SIZE_MAX: u64 = 1 << 30;

/// Replicas of a chunk when nothing else is asked for.
pub const REPLICATION_DEFAULT: u16 = 3;

/// The largest replication factor.
pub const REPLICATION_MAX: u16 = 512;

/// Data bytes in one packet that a datanode accepts. HDFS clients send 64 KiB, ours up to 1 MiB.
pub const PACKET_DATA_BYTES_MAX: u32 = 16 << 20;

/// Bytes of a chunk that may travel with others in one request.
pub const SMALL_CHUNK_BYTES_MAX: u32 = 64 << 10;

/// Chunks in one request for small ones.
pub const SMALL_CHUNKS_MAX: usize = 256;

/// Bytes of all chunks in one request for small ones.
pub const SMALL_REQUEST_BYTES_MAX: u32 = 1 << 20;

/// Entries in one page of a directory listing.
pub const LISTING_PAGE_MAX: usize = 1_000;

/// Operations in one batch.
pub const BATCH_OPERATIONS_MAX: usize = 1_024;

/// Chunks of one file from the first one on that is still being written: how far a writer may run ahead of its
/// acknowledgements.
pub const FILE_UNCOMMITTED_CHUNKS_MAX: usize = 4;

/// Files that are joined to another one by one command.
pub const CONCAT_SOURCES_MAX: usize = 10_000;

/// Chunks of a file that others were joined to: each that changes hands costs the state machine some 100 ns.
pub const CONCAT_CHUNKS_MAX: u64 = 100_000;

/// Answers that are kept for calls that come again.
pub const RETRY_CACHE_ENTRIES_MAX: usize = 64 << 10;

/// How long such an answer is kept, in milliseconds.
pub const RETRY_CACHE_MS_MAX: u64 = 10 * 60 * 1_000;

/// What counts for that age of the time between two entries of the log, at most: a leader whose date is far ahead makes
/// nobody's answers old.
pub const RETRY_CACHE_STEP_MS_MAX: u64 = 60 * 1_000;
const _: () = assert!(
    RETRY_CACHE_STEP_MS_MAX * 10 <= RETRY_CACHE_MS_MAX,
    "several dates that are ahead, one after the other, are survived too"
);

/// Bytes of a user or group name.
pub const PRINCIPAL_BYTES_MAX: usize = 255;

/// Groups that a caller may be in.
pub const GROUPS_MAX: usize = 1_024;

const _: () = assert!(NAME_BYTES_MAX < PATH_BYTES_MAX, "a name must fit in a path");
const _: () = assert!(
    CHUNK_SIZE_MIN.is_multiple_of(CHECKSUM_UNIT_BYTES as u64)
        && CHUNK_SIZE_DEFAULT.is_multiple_of(CHECKSUM_UNIT_BYTES as u64)
        && CHUNK_SIZE_MAX.is_multiple_of(CHECKSUM_UNIT_BYTES as u64),
    "chunks end at a checksum unit, so that a full chunk has no partial one"
);
const _: () = assert!(
    REPLICATION_DEFAULT <= REPLICATION_MAX,
    "the default must be allowed"
);
const _: () = assert!(
    SMALL_CHUNK_BYTES_MAX <= SMALL_REQUEST_BYTES_MAX && SMALL_REQUEST_BYTES_MAX <= PACKET_DATA_BYTES_MAX,
    "small chunks travel in one packet"
);
const _: () = assert!(
    PACKET_DATA_BYTES_MAX.is_multiple_of(CHECKSUM_UNIT_BYTES),
    "a full packet ends at a checksum unit"
);
