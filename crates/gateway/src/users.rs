//! The cluster as each of its users sees it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use client::FileSystem;

/// Users that are remembered at a time.
const USERS_MAX: usize = 256;

/// A file system for each user that has asked: they share connections to masters and the memory budget.
pub(crate) struct Users {
    base: FileSystem,
    known: Mutex<HashMap<String, FileSystem>>,
}

impl Users {
    pub(crate) fn new(base: FileSystem) -> Self {
        Self {
            base,
            known: Mutex::default(),
        }
    }

    /// The cluster as `user` sees it; none: who asks without saying so. A user is in the group of that name.
    pub(crate) fn file_system(&self, user: Option<&str>) -> FileSystem {
        let Some(user) = user else {
            return self.base.clone();
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fs) = known.get(user) {
            return fs.clone();
        }
        if known.len() >= USERS_MAX {
            // Whoever is still at it has a clone.
            known.clear();
        }
        let fs = self.base.as_user(user, &[user.to_owned()]);
        known.insert(user.to_owned(), fs.clone());
        fs
    }
}
