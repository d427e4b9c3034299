//! `chmod`: permission bits.

use std::str::FromStr;

use super::tree::Walk;
use crate::failure::{Failure, Result, Tally};
use crate::remote::{RemotePath, stat};
use crate::run::Context;

/// Change permissions
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// 640, or u+x,go-w, a=rX
    #[arg(value_name = "MODE", allow_hyphen_values = true)]
    mode: ModeChange,
    /// Of what
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// Everything below, too
    #[arg(short = 'R', long)]
    recursive: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs chmod 640 /data/report.pdf
  distrifs chmod -R g+rX /data          # X: execute on directories, and on what anybody can execute
  distrifs chmod 1777 /tmp              # everybody may write; only owners may delete";

/// A change of permission bits, as `chmod` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModeChange {
    /// All bits.
    Set(u16),
    /// Some bits, in order.
    Clauses(Vec<Clause>),
}

/// One of `u+rw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Whose bits: a mask over `0o777`.
    who: u16,
    how: How,
    /// `rwx` as the lowest three bits.
    bits: u16,
    /// `X`.
    execute_if: bool,
    /// `t`.
    sticky: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Add,
    Remove,
    Set,
}

impl FromStr for ModeChange {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("{text:?} is no mode: expected 640, or clauses such as u+x,go-w,a=rX");
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return match u16::from_str_radix(text, 8) {
                Ok(mode) if mode <= 0o7777 => Ok(Self::Set(mode)),
                _ => Err(wrong()),
            };
        }
        let clauses: Option<Vec<_>> = text.split(',').map(clause).collect();
        clauses.map(Self::Clauses).ok_or_else(wrong)
    }
}

fn clause(text: &str) -> Option<Clause> {
    let at = text.find(['+', '-', '='])?;
    let (who, rest) = text.split_at(at);
    let mut rest = rest.chars();
    let how = match rest.next()? {
        '+' => How::Add,
        '-' => How::Remove,
        _ => How::Set,
    };
    let mut clause = Clause {
        who: if who.is_empty() { 0o777 } else { 0 },
        how,
        bits: 0,
        execute_if: false,
        sticky: false,
    };
    for c in who.chars() {
        clause.who |= match c {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    for c in rest {
        match c {
            'r' => clause.bits |= 4,
            'w' => clause.bits |= 2,
            'x' => clause.bits |= 1,
            'X' => clause.execute_if = true,
            't' => clause.sticky = true,
            _ => return None,
        }
    }
    Some(clause)
}

impl ModeChange {
    /// The bits after the change.
    pub(crate) fn apply(&self, mode: u16, directory: bool) -> u16 {
        match self {
            Self::Set(mode) => *mode,
            Self::Clauses(clauses) => clauses
                .iter()
                .fold(mode, |mode, clause| clause.apply(mode, directory)),
        }
    }
}

impl Clause {
    const fn apply(&self, mode: u16, directory: bool) -> u16 {
        let execute = self.execute_if && (directory || mode & 0o111 != 0);
        let bits = self.bits | if execute { 1 } else { 0 };
        let mut mask = (bits << 6 | bits << 3 | bits) & self.who;
        if self.sticky {
            mask |= 0o1000;
        }
        match self.how {
            How::Add => mode | mask,
            How::Remove => mode & !mask,
            How::Set => (mode & !self.who) | mask,
        }
    }
}

/// Changes.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    for RemotePath { path, .. } in &args.paths {
        tally.take(one(context, args, path).await)?;
    }
    tally.finish()
}

async fn one(context: &Context, args: &Args, path: &types::FsPath) -> Result<()> {
    let set = async |path: &types::FsPath, old: u16, directory: bool| {
        let mode = args.mode.apply(old, directory);
        let changed = context.fs.set_mode(path, mode).await;
        changed.map_err(|error| Failure::from_client(path, &error))
    };
    let status = match (&args.mode, args.recursive) {
        // All bits are given: what they were before does not matter.
        (ModeChange::Set(_), false) => return set(path, 0, false).await,
        _ => stat(context, path).await?,
    };
    set(path, status.mode, status.is_directory()).await?;
    if !(args.recursive && status.is_directory()) {
        return Ok(());
    }
    let mut tally = Tally::default();
    let mut walk = Walk::below(&context.fs, path);
    while let Some(found) = walk.next().await {
        match found {
            Ok((path, status)) => tally.take(set(&path, status.mode, status.is_directory()).await)?,
            Err(failure) => tally.add(failure)?,
        }
    }
    tally.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_numbers_or_clauses() {
        let apply = |text: &str, mode, directory| text.parse::<ModeChange>().unwrap().apply(mode, directory);
        for (text, before, directory, after) in [
            ("640", 0o777, false, 0o640),
            ("1777", 0, true, 0o1777),
            ("u+x", 0o644, false, 0o744),
            ("go-r", 0o644, false, 0o600),
            ("a=r", 0o777, false, 0o444),
            ("+x", 0o600, false, 0o711),
            ("u=rwx,g=rx,o=", 0o777, true, 0o750),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o744, false, 0o755),
            ("g+X", 0o700, true, 0o710),
            ("+t", 0o777, true, 0o1777),
        ] {
            assert_eq!(apply(text, before, directory), after, "{text}");
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["", "888", "77777", "u", "u+q", "z+r", "u+r,", "10000"] {
            assert!(text.parse::<ModeChange>().is_err(), "{text}");
        }
    }
}
