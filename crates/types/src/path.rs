//! Paths: absolute, UTF-8, components of up to 255 bytes, 4,096 bytes in all.
//!
//! A [`FsPath`] is always canonical: one leading slash, no trailing slash (but for the root), no empty component, no `.`
//! and no `..`. Those two are the client's to resolve ([`normalize`]), because only it knows what its user meant; a path
//! that still has them is refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{NAME_BYTES_MAX, PATH_BYTES_MAX};

/// Why a text is not a path or a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path does not begin with a slash.
    #[error("path {0:?} is not absolute: it must begin with '/'")]
    NotAbsolute(String),
    /// The path is longer than 4,096 bytes.
    #[error("path is {len} bytes long; at most {PATH_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A component is longer than 255 bytes.
    #[error("name {name:?} is {} bytes long; at most {NAME_BYTES_MAX} are allowed", name.len())]
    NameTooLong {
        /// The component.
        name: String,
    },
    /// A component is `.` or `..`.
    #[error("path component {0:?} is not allowed here: it must be resolved by the client")]
    Relative(String),
    /// A name is empty, or has a slash or a NUL byte in it.
    #[error("name {0:?} is empty, or has '/' or a NUL byte in it")]
    NotAName(String),
}

/// One component of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

impl Name {
    /// # Errors
    /// When `text` can not be a component of a path.
    pub fn new(text: &str) -> Result<Self, PathError> {
        check_name(text)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into()
    }
}

fn check_name(text: &str) -> Result<(), PathError> {
    match text {
        "." | ".." => Err(PathError::Relative(text.to_owned())),
        _ if text.is_empty() || text.contains(['/', '\0']) => Err(PathError::NotAName(text.to_owned())),
        _ if text.len() > NAME_BYTES_MAX => Err(PathError::NameTooLong {
            name: text.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// An absolute, canonical path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FsPath(Box<str>);

impl FsPath {
    /// The root directory.
    #[must_use]
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Reads an absolute path. Repeated and trailing slashes are dropped.
    ///
    /// # Errors
    /// When it is relative, too long, or has a component that no name can be.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if !text.starts_with('/') {
            return Err(PathError::NotAbsolute(text.to_owned()));
        }
        let mut path = String::with_capacity(text.len());
        for component in text.split('/').filter(|c| !c.is_empty()) {
            check_name(component)?;
            path.push('/');
            path.push_str(component);
        }
        if path.is_empty() {
            path.push('/');
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong { len: path.len() });
        }
        Ok(Self(path.into()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        &*self.0 == "/"
    }

    /// The components, from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|c| !c.is_empty())
    }

    /// The last component; none for the root.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.components().next_back()
    }

    /// The directory that holds this; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (parent, name) = self.0.rsplit_once('/')?;
        match (parent, name) {
            (_, "") => None,
            ("", _) => Some(Self::root()),
            (parent, _) => Some(Self(parent.into())),
        }
    }

    /// This path with `name` below it.
    ///
    /// # Errors
    /// When `name` can not be a component, or the path becomes too long.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        check_name(name)?;
        let parent = if self.is_root() { "" } else { &self.0 };
        let path = format!("{parent}/{name}");
        if path.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong { len: path.len() });
        }
        Ok(Self(path.into()))
    }

    /// Whether this is `ancestor` or something below it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        ancestor.is_root()
            || self
                .0
                .strip_prefix(&*ancestor.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for FsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FsPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(&text)
    }
}

impl From<FsPath> for String {
    fn from(path: FsPath) -> Self {
        path.0.into()
    }
}

impl std::str::FromStr for FsPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

/// Resolves `.` and `..` in what a user typed, lexically; a relative path starts at the root. `..` at the root stays there
/// (POSIX).
///
/// # Errors
/// As [`FsPath::parse`].
pub fn normalize(text: &str) -> Result<FsPath, PathError> {
    let mut kept: Vec<&str> = Vec::new();
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    FsPath::parse(&format!("/{}", kept.join("/")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_makes_paths_canonical() {
        for (text, path) in [
            ("/", "/"),
            ("//", "/"),
            ("/a/", "/a"),
            ("//a///b", "/a/b"),
            ("/a b/ü", "/a b/ü"),
        ] {
            assert_eq!(FsPath::parse(text).unwrap().as_str(), path);
        }
    }

    #[test]
    fn parse_refuses() {
        assert!(matches!(FsPath::parse("a"), Err(PathError::NotAbsolute(_))));
        assert!(matches!(FsPath::parse(""), Err(PathError::NotAbsolute(_))));
        assert!(matches!(FsPath::parse("/a/../b"), Err(PathError::Relative(_))));
        assert!(matches!(FsPath::parse("/a/./b"), Err(PathError::Relative(_))));
        assert!(matches!(FsPath::parse("/a\0"), Err(PathError::NotAName(_))));
        assert!(FsPath::parse(&format!("/{}", "x".repeat(255))).is_ok());
        assert!(matches!(
            FsPath::parse(&format!("/{}", "x".repeat(256))),
            Err(PathError::NameTooLong { .. })
        ));
        let long = "/abcdefg".repeat(512);
        assert_eq!(long.len(), 4096);
        assert!(FsPath::parse(&long).is_ok());
        assert!(matches!(
            FsPath::parse(&format!("{long}/x")),
            Err(PathError::TooLong { len: 4098 })
        ));
    }

    #[test]
    fn parents_and_names() {
        let path = FsPath::parse("/a/b").unwrap();
        assert_eq!(path.name(), Some("b"));
        assert_eq!(path.parent().unwrap().as_str(), "/a");
        assert_eq!(path.parent().unwrap().parent().unwrap(), FsPath::root());
        assert_eq!(FsPath::root().parent(), None);
        assert_eq!(FsPath::root().name(), None);
        assert_eq!(FsPath::root().join("x").unwrap().as_str(), "/x");
    }

    #[test]
    fn within_is_by_component() {
        let path = |text| FsPath::parse(text).unwrap();
        assert!(path("/a/b").is_within(&path("/a")));
        assert!(path("/a").is_within(&path("/a")));
        assert!(path("/a").is_within(&FsPath::root()));
        assert!(!path("/ab").is_within(&path("/a")));
        assert!(!path("/a").is_within(&path("/a/b")));
    }

    #[test]
    fn normalize_resolves_dots() {
        for (text, path) in [
            ("a/b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../..", "/"),
            ("", "/"),
            (".", "/"),
            ("/a/..", "/"),
        ] {
            assert_eq!(normalize(text).unwrap().as_str(), path, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(text in "\\PC{0,40}") {
            if let Ok(path) = FsPath::parse(&text) {
                prop_assert_eq!(FsPath::parse(path.as_str()).unwrap(), path.clone());
                if let Some(parent) = path.parent() {
                    prop_assert_eq!(parent.join(path.name().unwrap()).unwrap(), path);
                }
            }
        }
    }
}
