//! `admin master`: who belongs to the masters, and who leads them.

use clap::Subcommand;
use client::MasterGroup;
use types::MasterId;

use super::masters;
use crate::config::master_address;
use crate::failure::{Exit, Failure, Result};
use crate::output::note;
use crate::run::Context;

/// Add and remove masters of a running cluster, and hand over the lead
///
/// A master is named by its address or by its id, as `distrifs admin masters` shows them. Needs the superuser.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin master list
  distrifs admin master add m4.example:9800
  distrifs admin master remove m1.example:9800
  distrifs admin master transfer

A master that is to be replaced: start the new one with an empty directory, add it, then remove the old one.";

#[derive(Debug, Subcommand)]
enum Command {
    Add(Add),
    Remove(Remove),
    List(masters::Args),
    Transfer(Transfer),
}

/// Make a master that was started with an empty directory a member
///
/// First it gets all metadata, then it votes. It is there when the command ends.
#[derive(Debug, clap::Args)]
#[command(after_help = ADD_HELP)]
struct Add {
    /// Its address, as the other masters reach it
    #[arg(value_name = "HOST:PORT", value_parser = master_address)]
    address: String,
}

const ADD_HELP: &str = "\
Examples:
  distrifs master --dir /var/lib/distrifs/master --masters m4:9800,m1:9800,m2:9800,m3:9800   # on m4
  distrifs admin master add m4:9800";

/// Take a master out of the group
///
/// It need not run. What it had is of no use any more: empty its directory before it is added again.
#[derive(Debug, clap::Args)]
#[command(after_help = REMOVE_HELP)]
struct Remove {
    /// Its address or its id
    #[arg(value_name = "HOST:PORT|ID")]
    named: String,
}

const REMOVE_HELP: &str = "\
Examples:
  distrifs admin master remove m1.example:9800
  distrifs admin master remove 4b1d9a3ff20c7e55";

/// Hand the lead over to another master
///
/// Without a name to the one whose log is furthest. Nobody loses anything: calls that run go on at the new leader.
#[derive(Debug, clap::Args)]
#[command(after_help = TRANSFER_HELP)]
struct Transfer {
    /// The address or the id of the one that is to lead
    #[arg(value_name = "HOST:PORT|ID")]
    named: Option<String>,
}

const TRANSFER_HELP: &str = "\
Examples:
  distrifs admin master transfer
  distrifs admin master transfer m2.example:9800";

/// Does it.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let admin = context.fs.admin();
    match &args.command {
        Command::List(args) => masters::run(context, args).await,
        Command::Add(Add { address }) => {
            let added = admin.add_master(address).await;
            let id = added.map_err(|error| Failure::from_client(address, &error))?;
            note(&format!("{address} is a master now, with id {id}"));
            Ok(())
        }
        Command::Remove(Remove { named }) => {
            let id = find(context, named).await?;
            let removed = admin.remove_master(id).await;
            removed.map_err(|error| Failure::from_client(named, &error))?;
            note(&format!("{named} is no longer a master"));
            Ok(())
        }
        Command::Transfer(Transfer { named }) => {
            let to = match named {
                Some(named) => Some(find(context, named).await?),
                None => None,
            };
            let what = named.as_deref().unwrap_or("admin master transfer");
            let leader = admin.transfer_leadership(to).await;
            let leader = leader.map_err(|error| Failure::from_client(what, &error))?;
            let group = admin.masters().await.ok();
            let address = group.and_then(|group| Some(group.of(leader)?.address.clone()));
            note(&format!(
                "{} leads now",
                address.unwrap_or_else(|| leader.to_string())
            ));
            Ok(())
        }
    }
}

/// The id of the master that is named by its address or its id.
async fn find(context: &Context, named: &str) -> Result<MasterId> {
    let group = context.fs.admin().masters().await;
    let group = group.map_err(|error| Failure::from_client(named, &error))?;
    identify(&group, named).ok_or_else(|| {
        let known: Vec<_> = group.masters.iter().map(|one| one.address.as_str()).collect();
        Failure::new(Exit::NotFound, named, "there is no such master").next(format!(
            "there are {}; see `distrifs admin masters`",
            known.join(", ")
        ))
    })
}

fn identify(group: &MasterGroup, named: &str) -> Option<MasterId> {
    let in_full = || group.named(&master_address(named).ok()?);
    group.named(named).or_else(in_full).map(|one| one.id)
}

#[cfg(test)]
mod tests {
    use client::{MasterRole, MasterStatus};

    use super::*;

    #[test]
    fn masters_are_named_by_address_or_id() {
        let master = |id: u64, address: &str| MasterStatus {
            id: MasterId(id),
            address: address.to_owned(),
            role: MasterRole::Follower,
            answers: true,
            last_index: None,
            applied_index: None,
            lag: None,
            silent: None,
            checkpoint_index: None,
        };
        let group = MasterGroup {
            leader: None,
            term: 1,
            cluster_id: None,
            masters: vec![master(0xabc, "m1:9800"), master(2, "m2:1")],
        };
        for (named, id) in [
            ("m1:9800", Some(0xabc)),
            ("m1", Some(0xabc)),
            ("http://m2:1/", Some(2)),
            ("0000000000000abc", Some(0xabc)),
            ("m3", None),
            ("3", None),
        ] {
            assert_eq!(identify(&group, named), id.map(MasterId), "{named}");
        }
        assert_eq!(
            group.of(MasterId(2)).map(|one| one.address.as_str()),
            Some("m2:1")
        );
    }
}
