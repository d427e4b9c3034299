//! The file of the audit log, and those that were full.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use env::disk::{Disk, File, Open};
use tokio::sync::mpsc;

use super::Entry;
use crate::config::AuditLog;

/// Lines that are written at once.
const LINES_AT_ONCE: usize = 1_024;

/// Writes lines to the end of a file, and gives it another name when it is full.
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    log: AuditLog,
    open: Option<(Arc<dyn File>, u64)>,
}

impl Writer {
    pub(super) const fn new(disk: Arc<dyn Disk>, log: AuditLog) -> Self {
        Self {
            disk,
            log,
            open: None,
        }
    }

    /// Writes `text`, which is some whole lines; blocks.
    fn write(&mut self, text: &str) -> io::Result<()> {
        let (file, at) = match self.open.take() {
            Some(open) => open,
            None => self.open_last()?,
        };
        let (file, at) = if at > 0 && at + text.len() as u64 > self.log.bytes_max {
            drop(file);
            self.shift()?;
            self.open_last()?
        } else {
            (file, at)
        };
        file.write_all_at(text.as_bytes(), at)?;
        self.open = Some((file, at + text.len() as u64));
        Ok(())
    }

    /// The file that is written to, with its end.
    fn open_last(&self) -> io::Result<(Arc<dyn File>, u64)> {
        let path = &self.log.path;
        let file = match self.disk.open(path, Open::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.open(path, Open::CreateNew)?,
            opened => opened?,
        };
        let end = file.size()?;
        Ok((file, end))
    }

    /// `audit.log` becomes `audit.log.1`, that `audit.log.2`, and so on; the oldest is replaced.
    fn shift(&self) -> io::Result<()> {
        // At least one older file is kept: else the full one would be written on for ever.
        for older in (0..self.log.kept.max(1)).rev() {
            let from = self.name(older);
            if self.disk.exists(&from)? {
                self.disk.rename(&from, &self.name(older + 1))?;
            }
        }
        Ok(())
    }

    fn name(&self, older: u32) -> PathBuf {
        let mut name = self.log.path.clone().into_os_string();
        if older > 0 {
            name.push(format!(".{older}"));
        }
        name.into()
    }
}

/// Writes what comes, until nobody is left who could send anything.
pub(super) async fn run(mut writer: Writer, mut entries: mpsc::Receiver<Entry>) {
    let mut some = Vec::new();
    while entries.recv_many(&mut some, LINES_AT_ONCE).await > 0 {
        let (mut text, mut waiting) = (String::new(), Vec::new());
        for entry in some.drain(..) {
            match entry {
                Entry::Line(line) => text.push_str(&line),
                Entry::Flush(done) => waiting.push(done),
            }
        }
        if !text.is_empty() {
            let (back, written) = env::blocking(move || {
                let written = writer.write(&text);
                (writer, written)
            })
            .await;
            writer = back;
            if let Err(error) = written {
                tracing::error!(%error, path = %writer.log.path.display(), "the audit log can not be written: lines are lost");
            }
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use env::Env;

    use super::*;

    #[test]
    fn a_full_file_makes_room_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog {
            path: dir.path().join("audit.log"),
            bytes_max: 10,
            kept: 2,
        };
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).ok();
        let mut writer = Writer::new(Env::real().disk, log.clone());
        for line in ["one\n", "two\n"] {
            writer.write(line).unwrap();
        }
        assert_eq!(read("audit.log").as_deref(), Some("one\ntwo\n"));
        // Another process goes on where this one stopped.
        let mut writer = Writer::new(Env::real().disk, log);
        for line in ["three\n", "four\n", "five five\n", "six\n"] {
            writer.write(line).unwrap();
        }
        assert_eq!(read("audit.log").as_deref(), Some("six\n"));
        assert_eq!(read("audit.log.1").as_deref(), Some("five five\n"));
        assert_eq!(read("audit.log.2").as_deref(), Some("four\n"));
        assert_eq!(read("audit.log.3"), None);
    }
}
