//! The DistriFS client SDK.
