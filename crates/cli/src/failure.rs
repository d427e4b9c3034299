//! How commands fail: what a person reads on stderr, and the exit status that a script reads.

use std::fmt;
use std::io;
use std::process::ExitCode;

use client::{Denial, Error};

/// The exit statuses. They are a contract with scripts, and stand in `distrifs --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It is done.
    Done = 0,
    /// It failed; or the answer of `test` is no.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// There is no such file or directory.
    NotFound = 3,
    /// The user may not.
    Denied = 4,
    /// Something is in the way: the name is taken, a directory is not empty, another writer has the file.
    InTheWay = 5,
    /// The cluster can not, at the moment: no master answers, too few datanodes, no replica to be read.
    Unavailable = 6,
    /// Data has fewer copies than it should, or a bad one.
    AtRisk = 7,
    /// Data has no copy that can be reached.
    Lost = 8,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// The exit statuses for `--help`.
pub(crate) const EXIT_HELP: &str = "\
Exit status:
  0    done
  1    failed; or the answer of `test` is no
  2    wrong command line or configuration
  3    no such file or directory
  4    permission denied
  5    something is in the way: it exists, is not empty, is being written by another
  6    the cluster can not at the moment: no master answers, too few datanodes, no good replica
  7    `health`, `status`, `fsck`: data has fewer copies than it should
  8    `health`, `status`, `fsck`: data has no copy that can be reached
  130  interrupted (ctrl-C); 143 terminated";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It has to be told.
    Tell(Box<Report>),
    /// It has been told already, or need not be.
    Told(Exit),
}

/// What a person is told.
#[derive(Debug)]
pub(crate) struct Report {
    /// The exit status that goes with it.
    pub(crate) exit: Exit,
    /// What it is about: a path, a verb.
    pub(crate) what: String,
    /// What happened, and why.
    pub(crate) why: String,
    /// What to do next.
    pub(crate) next: Option<String>,
    /// Whether going on with other files makes no sense: no master answers.
    pub(crate) last: bool,
}

/// What commands return.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure to be told.
    pub(crate) fn new(exit: Exit, what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Tell(Box::new(Report {
            exit,
            what: what.to_string(),
            why: why.to_string(),
            next: None,
            last: false,
        }))
    }

    /// With what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        if let Self::Tell(report) = &mut self {
            report.next = Some(next.into());
        }
        self
    }

    /// A wrong command line.
    pub(crate) fn usage(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, what, why)
    }

    /// A failure of the local file system.
    pub(crate) fn local(what: impl fmt::Display, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            io::ErrorKind::PermissionDenied => Exit::Denied,
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => Exit::InTheWay,
            _ => Exit::Failed,
        };
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or(&text);
        Self::new(
            exit,
            what,
            format_args!("{} (local file system)", lower_first(text)),
        )
    }

    /// A failure of the cluster, about `what`.
    pub(crate) fn from_client(what: impl fmt::Display, error: &Error) -> Self {
        let what = what.to_string();
        let (exit, refusal) = match error {
            Error::NotFound(refusal) => (Exit::NotFound, Some(refusal)),
            Error::PermissionDenied(refusal) => (Exit::Denied, Some(refusal)),
            Error::Exists(refusal)
            | Error::NotDirectory(refusal)
            | Error::IsDirectory(refusal)
            | Error::NotEmpty(refusal) => (Exit::InTheWay, Some(refusal)),
            Error::Invalid(refusal) => (Exit::Failed, Some(refusal)),
            Error::Busy(_) => (Exit::InTheWay, None),
            Error::Config(_) => (Exit::Usage, None),
            Error::WriteDenied(denial) => {
                let failure = Self::denied(&what, denial);
                return match not_from_here(error) {
                    Some(next) => failure.next(next),
                    None => failure,
                };
            }
            Error::SafeMode(refusal) => {
                let why = without(&what, &refusal.message).to_owned();
                return Self::new(Exit::Unavailable, what, why)
                    .next("an operator has switched safe mode on: `distrifs admin safemode leave` ends it");
            }
            Error::NotReplicated(_)
            | Error::Unavailable { .. }
            | Error::BrokenOff { .. }
            | Error::DataUnavailable { .. }
            | Error::PipelineLost { .. } => (Exit::Unavailable, None),
            Error::LeaseLost(_)
            | Error::Changed { .. }
            | Error::Master(_)
            | Error::Protocol { .. }
            | Error::Source { .. } => (Exit::Failed, None),
        };
        // What a master refuses, it says in words that begin with the path; that is not said twice.
        let why = match refusal {
            Some(refusal) => without(&what, &refusal.message).to_owned(),
            None => error.to_string(),
        };
        Self::Tell(Box::new(Report {
            exit,
            what,
            why,
            next: not_from_here(error),
            last: matches!(error, Error::Unavailable { .. }),
        }))
    }

    /// A write for which there were too few datanodes. The master's words have the numbers and the reasons; what they leave
    /// out is added.
    fn denied(what: &str, denial: &Denial) -> Self {
        let mut why = without(what, &denial.refusal.message).to_owned();
        for refusal in &denial.refusals {
            if !why.contains(&refusal.datanode) {
                why.push_str(&format!("; {}: {}", refusal.datanode, refusal.why));
            }
        }
        Self::new(Exit::Unavailable, what, why).next(format!(
            "{} of {} datanodes could take it, {} must: see `distrifs df`, start more, or ask for less: --replication N",
            denial.available, denial.wanted, denial.required
        ))
    }

    /// A failure to write to stdout. A reader that has seen enough is none.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Told(Exit::Done),
            _ => Self::local("stdout", error),
        }
    }

    /// Whether this says no more than that the reader of stdout has seen enough.
    const fn is_unread(&self) -> bool {
        matches!(self, Self::Told(Exit::Done))
    }

    /// The exit status.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Tell(report) => report.exit,
            Self::Told(exit) => *exit,
        }
    }

    /// Whether going on with other files makes no sense: no master answers, or the reader of stdout is gone.
    const fn is_last(&self) -> bool {
        match self {
            Self::Tell(report) => report.last,
            Self::Told(exit) => matches!(exit, Exit::Done | Exit::Interrupted | Exit::Terminated),
        }
    }

    /// Tells it on stderr. Returns the exit status.
    pub(crate) fn tell(&self) -> Exit {
        if let Self::Tell(report) = self {
            crate::output::tell(report);
        }
        self.exit()
    }
}

/// Whether what was said was read. For commands that have more to do than to say something, or a verdict as their status.
///
/// # Errors
/// When it could not be said for another reason than that nobody reads on.
pub(crate) fn is_read(said: Result<()>) -> Result<bool> {
    match said {
        Ok(()) => Ok(true),
        Err(failure) if failure.is_unread() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// What to do where no datanode can be reached from here.
fn not_from_here(error: &Error) -> Option<String> {
    let mut addresses = error.unreached();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return None;
    }
    Some(format!(
        "no way leads from here to {}: datanodes are called by what they advertise; `distrifs nodes` shows whether they are live, \
         and if so, start them with --advertise HOST[:PORT], which this machine can reach",
        addresses.join(", ")
    ))
}

/// `message` without `what: ` in front.
fn without<'a>(what: &str, message: &'a str) -> &'a str {
    let rest = message
        .strip_prefix(what)
        .and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(message)
}

/// An error of the operating system in words, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    lower_first(text)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

/// Counts the failures of a command that goes on with its other arguments after one of them fails.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    first: Option<Exit>,
}

impl Tally {
    /// Tells a failure and remembers it.
    ///
    /// # Errors
    /// When going on makes no sense: with the failure, or the first one where this is only that nobody reads on.
    pub(crate) fn add(&mut self, failure: Failure) -> Result<()> {
        if failure.is_last() {
            return Err(match self.first {
                Some(first) if failure.is_unread() => Failure::Told(first),
                _ => failure,
            });
        }
        let exit = failure.tell();
        self.first.get_or_insert(exit);
        Ok(())
    }

    /// Takes the outcome of one argument.
    ///
    /// # Errors
    /// As [`Tally::add`].
    pub(crate) fn take(&mut self, outcome: Result<()>) -> Result<()> {
        match outcome {
            Ok(()) => Ok(()),
            Err(failure) => self.add(failure),
        }
    }

    /// The end: fails with the status of the first failure.
    ///
    /// # Errors
    /// When there was one.
    pub(crate) const fn finish(self) -> Result<()> {
        match self.first {
            None => Ok(()),
            Some(exit) => Err(Failure::Told(exit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_status() {
        for exit in [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NotFound,
            Exit::Denied,
            Exit::InTheWay,
            Exit::Unavailable,
            Exit::AtRisk,
            Exit::Lost,
            Exit::Interrupted,
            Exit::Terminated,
        ] {
            assert!(EXIT_HELP.contains(&(exit as u8).to_string()), "{exit:?}");
        }
    }

    #[test]
    fn nobody_reading_on_hides_no_failure() {
        let unread = || Failure::stdout(&io::ErrorKind::BrokenPipe.into());
        assert_eq!(Tally::default().add(unread()).unwrap_err().exit(), Exit::Done);
        let mut tally = Tally::default();
        tally.add(Failure::Told(Exit::NotFound)).unwrap();
        assert_eq!(tally.add(unread()).unwrap_err().exit(), Exit::NotFound);
        assert!(!is_read(Err(unread())).unwrap());
        assert!(is_read(Ok(())).unwrap());
        assert!(is_read(Err(Failure::Told(Exit::Failed))).is_err());
    }

    #[test]
    fn a_tally_goes_on_and_ends_with_the_first_failure() {
        let mut tally = Tally::default();
        tally.add(Failure::Told(Exit::Denied)).unwrap();
        tally.add(Failure::Told(Exit::NotFound)).unwrap();
        assert_eq!(tally.finish().unwrap_err().exit(), Exit::Denied);
        let gone = Error::Unavailable {
            operation: "stat",
            masters: vec!["m:1".to_owned()],
            waited: std::time::Duration::from_secs(1),
            last: "connection refused".to_owned(),
        };
        let gone = Failure::from_client("/f", &gone);
        assert_eq!(gone.exit(), Exit::Unavailable);
        assert!(
            Tally::default().add(gone).is_err(),
            "no other file will fare better"
        );
        assert!(Tally::default().finish().is_ok());
    }

    #[test]
    fn a_path_is_said_once() {
        let refusal = client::Refusal {
            operation: "stat",
            subject: "/a".to_owned(),
            message: "/a: no such file or directory".to_owned(),
        };
        let of = |what| match Failure::from_client(what, &Error::NotFound(refusal.clone())) {
            Failure::Tell(report) => format!("{}: {}", report.what, report.why),
            Failure::Told(_) => panic!("it has to be told"),
        };
        assert_eq!(of("/a"), "/a: no such file or directory");
        assert_eq!(of("./local"), "./local: /a: no such file or directory");
    }

    #[test]
    fn local_errors_have_their_status_and_no_numbers() {
        let Failure::Tell(report) = Failure::local("f", &io::Error::from_raw_os_error(2)) else {
            panic!("it has to be told")
        };
        assert_eq!(report.exit, Exit::NotFound);
        assert_eq!(report.why, "no such file or directory (local file system)");
    }
}
