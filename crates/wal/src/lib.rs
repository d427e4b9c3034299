//! The segmented, group-committed, CRC-chained write-ahead log.
