//! `chown`: owner and group.

use std::str::FromStr;

use types::FsPath;

use super::tree::Walk;
use crate::failure::{Failure, Result, Tally};
use crate::remote::{RemotePath, stat};
use crate::run::Context;

/// Change owner and group
///
/// Only the superuser may give files away; an owner may change the group to one they are in.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// OWNER, OWNER:GROUP or :GROUP
    #[arg(value_name = "OWNER[:GROUP]")]
    owner: Owner,
    /// Of what
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// Everything below, too
    #[arg(short = 'R', long)]
    recursive: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs chown ann /home/ann
  distrifs chown -R ann:staff /home/ann
  distrifs chown :staff /shared          # the group only";

/// An owner, a group, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    owner: Option<String>,
    group: Option<String>,
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (owner, group) = text
            .split_once(':')
            .map_or((text, ""), |(owner, group)| (owner, group));
        let part = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        match (part(owner), part(group)) {
            (None, None) => Err("expected OWNER, OWNER:GROUP or :GROUP".to_owned()),
            (owner, group) => Ok(Self { owner, group }),
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

async fn one(context: &Context, args: &Args, path: &FsPath) -> Result<()> {
    let set = async |path: &FsPath| {
        let (owner, group) = (args.owner.owner.as_deref(), args.owner.group.as_deref());
        let changed = context.fs.set_owner(path, owner, group).await;
        changed.map_err(|error| Failure::from_client(path, &error))
    };
    set(path).await?;
    if !args.recursive || stat(context, path).await?.is_file() {
        return Ok(());
    }
    let mut tally = Tally::default();
    let mut walk = Walk::below(&context.fs, path);
    while let Some(found) = walk.next().await {
        match found {
            Ok((path, _)) => tally.take(set(&path).await)?,
            Err(failure) => tally.add(failure)?,
        }
    }
    tally.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_groups() {
        let read = |text: &str| text.parse::<Owner>().map(|owner| (owner.owner, owner.group));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("ann"), Ok((some("ann"), None)));
        assert_eq!(read("ann:staff"), Ok((some("ann"), some("staff"))));
        assert_eq!(read(":staff"), Ok((None, some("staff"))));
        assert_eq!(read("ann:"), Ok((some("ann"), None)));
        assert!(read(":").is_err() && read("").is_err());
    }
}
