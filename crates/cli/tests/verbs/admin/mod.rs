//! `admin`: a master's files, read and made without a master.

mod files;
mod restore;

use std::fs;
use std::path::PathBuf;

use crate::support::{Mini, noise};

/// Puts so many files, of lengths that tell them apart, into `/data`, and gives the local directory that they came from.
fn put_files(mini: &Mini, name: &str, count: u64) -> PathBuf {
    for number in 0..count {
        let length = usize::try_from(1000 + number * 37).unwrap();
        mini.file(&format!("{name}/f{number}"), noise(number, length));
    }
    mini.ok(&format!("put -r {name} /{name}"));
    mini.path(name)
}

/// Whether two local directories have the same files.
fn assert_same(left: &PathBuf, right: &PathBuf) {
    let names = |directory: &PathBuf| {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(left), names(right));
    for name in names(left) {
        let (left, right) = (left.join(&name), right.join(&name));
        assert!(
            fs::read(left).unwrap() == fs::read(right).unwrap(),
            "{}",
            name.display()
        );
    }
}
