//! Chunk files, sidecars and volumes.
