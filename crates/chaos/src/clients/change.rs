//! Single changes: each is called, and the model is told what was answered.

use std::process::Stdio;
use std::time::Instant;

use client::{CreateOptions, Error, ErrorKind, FileSystem, FileWriter, Publish};
use tokio::io::AsyncWriteExt as _;
use types::FsPath;

use crate::content::Content;
use crate::field::Field;
use crate::model::{Change, Effect, Name};
use crate::options::USER;
use crate::report::FindingKind;
use crate::tally::{Operation, Outcome};

/// What is handed over at once, at most.
const STEP: u64 = 300_000;

/// Whoever changes.
pub(super) struct Changer<'a> {
    pub field: &'a Field,
    pub fs: &'a FileSystem,
}

/// What an answer says of a change.
enum Answer {
    Done,
    /// It has not happened, for a reason of the cluster.
    Refused,
    /// It has not happened, for a reason that can not be: what it says is not so.
    Wrong,
    Unknown,
}

/// What an error says.
fn said(error: &Error) -> Answer {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::Exists
        | ErrorKind::NotDirectory
        | ErrorKind::IsDirectory
        | ErrorKind::NotEmpty
        | ErrorKind::PermissionDenied
        | ErrorKind::Invalid => Answer::Wrong,
        ErrorKind::Busy | ErrorKind::WriteDenied | ErrorKind::ReadOnly => Answer::Refused,
        ErrorKind::Stale | ErrorKind::Unavailable | ErrorKind::Io | ErrorKind::Protocol => Answer::Unknown,
    }
}

pub(super) fn path_of(name: &str) -> FsPath {
    // Names are made by this program.
    name.parse().unwrap_or_else(|_| FsPath::root())
}

impl Changer<'_> {
    /// A whole file, visible at its end.
    pub(super) async fn put(&self, name: &Name, len: u64, overwrite: bool) {
        let operation = if overwrite {
            Operation::Overwrite
        } else {
            Operation::Upload
        };
        let begun = Instant::now();
        let content = Content::of(self.field.tag(), len);
        let change = self
            .field
            .model()
            .begin(Effect::Put(name.clone(), content.clone()));
        let mut closing = false;
        let put = async {
            let options = CreateOptions {
                overwrite,
                parents: true,
                ..CreateOptions::default()
            };
            let mut writer = self.fs.create(&path_of(name), options).await?;
            write(&mut writer, &content, 0).await?;
            closing = true;
            writer.close().await.map(drop)
        };
        let put = put.await;
        let answer = match &put {
            Ok(()) => Answer::Done,
            Err(error) => match (said(error), error) {
                (Answer::Wrong, _) => Answer::Wrong,
                // It gets its name when it is complete, and not before.
                (_, Error::PipelineLost { .. } | Error::WriteDenied(_)) => Answer::Refused,
                (answer, _) if closing => answer,
                _ => Answer::Refused,
            },
        };
        self.answered(operation, name, change, answer, put.err(), begun);
    }

    /// A file of no bytes, which is there at once.
    pub(super) async fn create(&self, name: &Name) -> Option<FileWriter> {
        let begun = Instant::now();
        let change = self
            .field
            .model()
            .begin(Effect::Put(name.clone(), Content::empty()));
        let options = CreateOptions {
            parents: true,
            publish: Publish::AtCreate,
            ..CreateOptions::default()
        };
        let (answer, error, writer) = match self.fs.create(&path_of(name), options).await {
            Ok(writer) => (Answer::Done, None, Some(writer)),
            Err(error) => (said(&error), Some(error), None),
        };
        self.answered(Operation::Upload, name, change, answer, error, begun);
        let writer = writer?;
        self.opened(name, &writer).then_some(writer)
    }

    /// A file is opened for more.
    pub(super) async fn append(&self, name: &Name) -> Option<FileWriter> {
        let begun = Instant::now();
        match self.fs.append(&path_of(name)).await {
            Ok(writer) => self.opened(name, &writer).then_some(writer),
            Err(error) => {
                let outcome = match said(&error) {
                    Answer::Wrong => {
                        self.wrong("append", name, &error);
                        Outcome::Refused
                    }
                    _ => Outcome::Refused,
                };
                self.field.event(&format!("append {name}: {error}"));
                self.field.ended(Operation::Append, outcome, begun);
                None
            }
        }
    }

    fn opened(&self, name: &Name, writer: &FileWriter) -> bool {
        let opened = self.field.model().open(name, writer.position(), self.field.tag());
        match opened {
            Ok(()) => true,
            Err(possible) => {
                let what = format!(
                    "opened for more, it has {} bytes; possible: {}",
                    writer.position(),
                    crate::model::told(&possible)
                );
                self.field.found(FindingKind::Lost, name, &what);
                false
            }
        }
    }

    /// Hands over `len` more bytes.
    pub(super) async fn grow(&self, name: &Name, writer: &mut FileWriter, len: u64) -> Result<(), Error> {
        let mut left = len;
        while left > 0 {
            let step = left.min(STEP);
            let from = writer.position();
            self.field.model().writing(name, step);
            let bytes = self.field.model().bytes(name, from..from + step);
            writer.write(&bytes).await?;
            left -= step;
        }
        Ok(())
    }

    /// Ends a file. Answers whether it is certain now.
    pub(super) async fn close(&self, name: &Name, writer: FileWriter, begun: Instant) {
        let len = writer.position();
        match writer.close().await {
            Ok(_) => {
                self.field.model().sure(name, len);
                self.field.ended(Operation::Append, Outcome::Done, begun);
            }
            Err(error) => self.failed(Operation::Append, name, &error, begun),
        }
    }

    pub(super) fn failed(&self, operation: Operation, name: &Name, error: &Error, begun: Instant) {
        self.field.event(&format!("{} {name}: {error}", operation.name()));
        self.field.ended(operation, Outcome::Unknown, begun);
    }

    pub(super) async fn delete(&self, name: &Name) {
        let begun = Instant::now();
        let change = self.field.model().begin(Effect::Remove(name.clone()));
        let (answer, error) = match self.fs.delete(&path_of(name), false).await {
            Ok(()) => (Answer::Done, None),
            Err(error) => (said(&error), Some(error)),
        };
        self.answered(Operation::Delete, name, change, answer, error, begun);
    }

    pub(super) async fn rename(&self, from: &Name, to: &Name) {
        let begun = Instant::now();
        let change = self.field.model().begin(Effect::Rename(from.clone(), to.clone()));
        let (answer, error) = match self.fs.rename(&path_of(from), &path_of(to), true).await {
            Ok(()) => (Answer::Done, None),
            Err(error) => (said(&error), Some(error)),
        };
        self.answered(Operation::Rename, from, change, answer, error, begun);
    }

    /// Only the first bytes of a file stay.
    pub(super) async fn truncate(&self, name: &Name, len: u64) {
        let begun = Instant::now();
        let change = self.field.model().begin(Effect::Truncate(name.clone(), len));
        let (answer, error) = match self.fs.truncate(&path_of(name), len).await {
            // Decided, or done: nobody sees more of it.
            Ok(_) => (Answer::Done, None),
            Err(error) => (said(&error), Some(error)),
        };
        self.answered(Operation::Truncate, name, change, answer, error, begun);
    }

    /// A file behind another one.
    pub(super) async fn concat(&self, target: &Name, source: &Name) {
        let begun = Instant::now();
        let paths = vec![target.clone(), source.clone()];
        let change = self.field.model().begin(Effect::Concat(paths));
        let (answer, error) = match self.fs.concat(&path_of(target), &[path_of(source)]).await {
            Ok(()) => (Answer::Done, None),
            Err(error) => (said(&error), Some(error)),
        };
        self.answered(Operation::Concat, target, change, answer, error, begun);
    }

    /// A client in a process of its own is killed in the middle of an upload: nothing has happened.
    pub(super) async fn killed_put(&self, name: &Name, len: u64) {
        let begun = Instant::now();
        let bytes = Content::of(self.field.tag(), len).bytes(0..len);
        let mut command = tokio::process::Command::new(&self.field.options.binary);
        command
            .args(["put", "-", name, "--overwrite", "--user", USER, "--master"])
            .arg(self.field.addresses.join(","))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let outcome = async {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // It may have given up already.
                let _ =
                    tokio::time::timeout(std::time::Duration::from_secs(20), stdin.write_all(&bytes)).await;
                child.start_kill()?;
                child.wait().await?;
                drop(stdin);
            }
            std::io::Result::Ok(())
        };
        let outcome = match outcome.await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                self.field
                    .event(&format!("a client could not be started: {error}"));
                Outcome::Refused
            }
        };
        self.field.ended(Operation::KilledUpload, outcome, begun);
    }

    fn answered(
        &self,
        operation: Operation,
        name: &Name,
        change: Change,
        answer: Answer,
        error: Option<Error>,
        begun: Instant,
    ) {
        if let Some(error) = &error {
            self.field.event(&format!("{} {name}: {error}", operation.name()));
        }
        let mut model = self.field.model();
        let outcome = match answer {
            Answer::Done => {
                model.done(change);
                Outcome::Done
            }
            Answer::Refused => {
                model.refused(change);
                Outcome::Refused
            }
            Answer::Wrong => {
                model.refused(change);
                drop(model);
                if let Some(error) = &error {
                    self.wrong(operation.name(), name, error);
                }
                Outcome::Refused
            }
            Answer::Unknown => {
                model.unknown(change);
                Outcome::Unknown
            }
        };
        self.field.ended(operation, outcome, begun);
    }

    /// The cluster says what can not be: a file that is there for certain is missing, or the other way round.
    fn wrong(&self, what: &str, name: &Name, error: &Error) {
        self.field
            .found(FindingKind::Undone, name, &format!("{what} was refused: {error}"));
    }
}

async fn write(writer: &mut FileWriter, content: &Content, from: u64) -> Result<(), Error> {
    let mut at = from;
    while at < content.len() {
        let end = content.len().min(at + STEP);
        writer.write(&content.bytes(at..end)).await?;
        at = end;
    }
    Ok(())
}
