//! The small file beside the log.

use std::io;
use std::path::{Path, PathBuf};

use env::disk::{Disk, read_file, replace_file};

use crate::error::{Corruption, Damage, Failure, OpenError, While};
use crate::layout::header::BadHeader;
use crate::layout::meta::Meta;

impl Meta {
    /// Reads it; none where there never was one.
    ///
    /// # Errors
    /// When it can not be read, or its bytes are not those that were written.
    pub fn load(disk: &dyn Disk, directory: &Path) -> Result<Option<Self>, OpenError> {
        let path = path(directory);
        let bytes = match read_file(disk, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.when("read", &path)?,
        };
        match Self::decode(&bytes) {
            Some(meta) => Ok(Some(meta)),
            None => {
                let unreadable = Self::missing(directory);
                let damage = Self::newer(&bytes).map_or(unreadable.damage, |version| {
                    Damage::Header(BadHeader::Version(version))
                });
                Err(Corruption { damage, ..unreadable }.into())
            }
        }
    }

    /// What to say when there must be one, and is none.
    #[must_use]
    pub fn missing(directory: &Path) -> Corruption {
        Corruption {
            path: path(directory),
            offset: 0,
            damage: Damage::Meta,
        }
    }

    /// Writes it durably, in the place of the one before.
    ///
    /// # Errors
    /// As the file system answers.
    pub fn store(self, disk: &dyn Disk, directory: &Path) -> Result<(), Failure> {
        let path = path(directory);
        replace_file(disk, &path, &self.encode()).when("write", &path)
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("meta")
}

#[cfg(test)]
mod tests {
    use env::disk::SimDisk;
    use types::{MasterId, Term};

    use super::*;

    #[test]
    fn it_is_stored_and_its_damage_is_told() {
        let (disk, directory) = (SimDisk::new(), Path::new("/log"));
        disk.create_dir_all(directory).unwrap();
        assert_eq!(Meta::load(&disk, directory).unwrap(), None);
        for term in [Term(1), Term(2)] {
            let meta = Meta {
                term,
                member: MasterId(7),
                ..Meta::default()
            };
            meta.store(&disk, directory).unwrap();
            disk.crash(term.as_u64());
            assert_eq!(Meta::load(&disk, directory).unwrap(), Some(meta));
        }
        // The version becomes 2 + 64: refused by name, and nothing is advised but the program that wrote it.
        disk.corrupt(&path(directory), 8, 64).unwrap();
        let text = Meta::load(&disk, directory).unwrap_err().to_string();
        assert!(
            text.contains("version 66") && text.contains("Start the program that wrote it"),
            "{text}"
        );
        disk.corrupt(&path(directory), 8, 64).unwrap();
        disk.corrupt(&path(directory), 13, 1).unwrap();
        let text = Meta::load(&disk, directory).unwrap_err().to_string();
        assert!(text.contains("/log/meta") && text.contains("restore"), "{text}");
    }
}
