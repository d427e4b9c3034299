//! How much is allocated in this process, as far as its allocator tells (see the binary's `counting`).

use std::sync::atomic::{AtomicUsize, Ordering};

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// So many bytes more are allocated.
pub fn grow(bytes: usize) {
    ALLOCATED.fetch_add(bytes, Ordering::Relaxed);
}

/// So many less.
pub fn shrink(bytes: usize) {
    ALLOCATED.fetch_sub(bytes, Ordering::Relaxed);
}

/// Bytes that are allocated; 0 where nobody tells.
pub(crate) fn allocated() -> usize {
    ALLOCATED.load(Ordering::Relaxed)
}
