//! The command line.

use std::path::PathBuf;

use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::GlobalFlags;
use crate::failure::EXIT_HELP;
use crate::{roles, verbs};

/// A fault-tolerant distributed file system: servers and client in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "distrifs",
    version,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = AFTER_HELP
)]
pub(crate) struct Cli {
    /// Read this configuration file and no other [env: DISTRIFS_CONFIG]
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help_heading = "Options of every command"
    )]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: GlobalFlags,
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What the command is called.
    #[arg(skip)]
    pub(crate) name: String,
}

const AFTER_HELP: &str = "\
A whole cluster on this machine, and a first file:
  distrifs mini                        # one master, three datanodes; ctrl-C stops them
  distrifs put report.pdf /report.pdf  # in another terminal
  distrifs ls -lh /

A real one, on many machines:
  distrifs master   --dir /var/lib/distrifs/master
  distrifs datanode --dir /var/lib/distrifs/data --master master.example:9800
  distrifs df -h    --master master.example:9800

The master is found by --master, or DISTRIFS_MASTER, or `master` in config.yaml; see `distrifs config --help`.
Each command has examples: `distrifs put --help`.
";

/// The commands. Remote paths are absolute, or relative to `/`; `.` and `..` are resolved.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Mini(roles::mini::Args),
    Master(roles::master::Args),
    Datanode(roles::datanode::Args),
    Config(verbs::config::Args),
    Install(verbs::install::Args),
    Ls(verbs::ls::Args),
    Stat(verbs::stat::Args),
    Put(verbs::put::Args),
    Append(verbs::append::Args),
    Truncate(verbs::truncate::Args),
    Concat(verbs::concat::Args),
    Get(verbs::get::Args),
    Getrange(verbs::getrange::Args),
    Cat(verbs::cat::Args),
    Head(verbs::head::Args),
    Tail(verbs::tail::Args),
    Mkdir(verbs::mkdir::Args),
    Rm(verbs::rm::Args),
    Mv(verbs::mv::Args),
    Cp(verbs::cp::Args),
    Touch(verbs::touch::Args),
    Du(verbs::du::Args),
    Df(verbs::df::Args),
    Chmod(verbs::chmod::Args),
    Chown(verbs::chown::Args),
    Setrep(verbs::setrep::Args),
    Checksum(verbs::checksum::Args),
    Test(verbs::test::Args),
    Status(verbs::status::Args),
    Health(verbs::health::Args),
    Healthcheck(verbs::healthcheck::Args),
    Fsck(verbs::fsck::Args),
    Explain(verbs::explain::Args),
    Nodes(verbs::nodes::Args),
    Top(verbs::top::Args),
    Logs(verbs::logs::Args),
    Rebalance(verbs::rebalance::Args),
    Admin(verbs::admin::Args),
    Chaos(verbs::chaos::Args),
}

/// Reads the command line of this process.
///
/// # Errors
/// When it is wrong, or asks for help.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    from(std::env::args_os())
}

fn from<T: Into<std::ffi::OsString> + Clone>(args: impl IntoIterator<Item = T>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(args)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.name = matches.subcommand_name().unwrap_or_default().to_owned();
    Ok(cli)
}

/// The command line as clap knows it.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command().after_help(format!("{AFTER_HELP}\n{EXIT_HELP}"));
    let global: Vec<Arg> = command
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .cloned()
        .collect();
    command.mut_subcommands(|sub| shorten(sub, &global))
}

/// Help of a command that fits a screen: what the command explains comes before its options, and of the options that all
/// commands have only the most important one is shown.
fn shorten(mut sub: clap::Command, global: &[Arg]) -> clap::Command {
    let shown = match sub.get_name() {
        "mini" | "master" => "master_port",
        _ => "master",
    };
    for arg in global.iter().filter(|arg| arg.get_id() != shown) {
        sub = sub.arg(arg.clone().hide(true));
    }
    let examples = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
    let explained = sub.get_long_about().map(ToString::to_string).unwrap_or_default();
    let more = explained.split_once("\n\n").map(|(_, more)| more.to_owned());
    let sub = match more {
        Some(more) => sub.before_help(more),
        None => sub,
    };
    sub.long_about(None)
        .help_template(SUB_TEMPLATE)
        .after_help(format!("{examples}\n\n{EVERY_COMMAND}"))
        .mut_subcommands(|below| shorten(below, global))
}

const SUB_TEMPLATE: &str = "\
{about-with-newline}
{before-help}{usage-heading} {usage}

{all-args}{after-help}";

const EVERY_COMMAND: &str =
    "Options of every command (--config, --user, --timeout and others): distrifs --help";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Key;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_teaches_by_example() {
        let command = command();
        let mut all: Vec<_> = (command.get_subcommands())
            .map(|sub| (format!("distrifs {}", sub.get_name()), sub))
            .collect();
        while let Some((line, sub)) = all.pop() {
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&line), "{line} has no example");
            assert!(sub.get_about().is_some(), "{line} says nothing");
            all.extend(
                sub.get_subcommands()
                    .map(|below| (format!("{line} {}", below.get_name()), below)),
            );
        }
    }

    #[test]
    fn the_master_may_be_named_before_and_behind_the_command() {
        for line in [
            "distrifs --master a:1 ls /",
            "distrifs ls / --master a:1",
            "distrifs ls --meta http://a:1 /",
            "distrifs admin masters --master a:1",
            "distrifs admin master remove m4 --master a:1",
            "distrifs admin master --master a:1 transfer",
            "distrifs admin master transfer m4 --master a:1",
        ] {
            let cli = from(line.split(' ')).unwrap();
            let given = cli.settings.given();
            assert_eq!(given.len(), 1, "{line}");
            assert_eq!(given[0].key, Key::Master);
        }
    }

    #[test]
    fn the_other_names_of_commands() {
        for (line, same) in [
            ("distrifs upload f", "put"),
            ("distrifs download /f", "get"),
            ("distrifs delete /f", "rm"),
            ("distrifs list", "ls"),
        ] {
            let command = from(line.split(' ')).unwrap().command;
            let name = format!("{command:?}").to_lowercase();
            assert!(name.starts_with(same), "{line}: {name}");
        }
    }

    #[test]
    fn h_means_human_sizes_where_there_are_sizes() {
        for line in ["distrifs ls -lh", "distrifs du -h /", "distrifs df -h"] {
            assert!(from(line.split(' ')).is_ok(), "{line}");
        }
        for line in ["distrifs ls --help", "distrifs df --help", "distrifs rm -h"] {
            let error = from(line.split(' ')).unwrap_err();
            assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{line}");
        }
    }

    #[test]
    fn wrong_values_of_settings_are_usage_errors() {
        let error = from("distrifs put --chunk-size 513 a /b".split(' ')).unwrap_err();
        assert!(error.to_string().contains("multiple of 512"), "{error}");
    }
}
