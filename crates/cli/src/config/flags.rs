//! The flags of the table, as clap sees them.

use std::marker::PhantomData;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use super::table::{Key, Scope, Setting, TABLE};

/// A setting that was given as a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// Which.
    pub(crate) key: Key,
    /// Its text.
    pub(crate) text: String,
}

/// Which rows of the table a command has flags for.
pub(crate) trait Rows {
    /// Whether it has one for `setting`.
    fn has(setting: &Setting) -> bool;
}

/// The flags that a command line gives for the rows `R`.
#[derive(Debug)]
pub(crate) struct Flags<R> {
    given: Vec<Flag>,
    rows: PhantomData<fn() -> R>,
}

impl<R> Flags<R> {
    /// The flags that were given.
    pub(crate) fn given(&self) -> &[Flag] {
        &self.given
    }
}

macro_rules! rows {
    ($($(#[$doc:meta])* $marker:ident $flags:ident: $has:expr;)*) => {$(
        #[derive(Debug)]
        pub(crate) enum $marker {}
        impl Rows for $marker {
            fn has(setting: &Setting) -> bool {
                let has: fn(&Setting) -> bool = $has;
                has(setting)
            }
        }
        $(#[$doc])*
        pub(crate) type $flags = Flags<$marker>;
    )*};
}

rows! {
    /// What every command has.
    GlobalRows GlobalFlags: |s| s.scopes.contains(&Scope::Global);
    /// What commands have that move whole files.
    WriteRows WriteFlags: |s| s.scopes.contains(&Scope::Write);
    /// What `master` has.
    MasterRows MasterFlags: |s| s.scopes.contains(&Scope::Master);
    /// What `datanode` has.
    DatanodeRows DatanodeFlags: |s| s.scopes.contains(&Scope::Datanode);
    /// What `mini` has.
    MiniRows MiniFlags: |s| s.scopes.contains(&Scope::Mini);
    /// What `healthcheck` has: where servers of this machine listen.
    PortRows PortFlags: |s| matches!(s.key, Key::Listen | Key::HttpPort | Key::DatanodeHttpPort);
    /// What `logs` has: where masters serve HTTP.
    HttpPortRows HttpPortFlags: |s| s.key == Key::HttpPort;
    /// What `config` has: all that is not global.
    ConfigRows ConfigFlags: |s| !s.scopes.contains(&Scope::Global);
}

fn arg(setting: &'static Setting) -> Arg {
    let global = setting.scopes.contains(&Scope::Global);
    let kind = setting.kind;
    let later = if setting.used {
        ""
    } else {
        " (accepted, not used yet)"
    };
    let mut arg = Arg::new(setting.name)
        .long(setting.flag)
        .value_name(kind.placeholder())
        .help(format!(
            "{}{later} [default: {}] [env: {}]",
            setting.doc,
            setting.fallback.show(),
            setting.env
        ))
        .help_heading(if global {
            "Options of every command"
        } else {
            "Settings"
        })
        .global(global)
        .value_parser(move |text: &str| kind.parse(text).map(|_| text.to_owned()));
    if !setting.flag_alias.is_empty() {
        arg = arg.visible_alias(setting.flag_alias);
    }
    arg
}

impl<R: Rows> Args for Flags<R> {
    fn augment_args(command: Command) -> Command {
        TABLE
            .iter()
            .filter(|setting| R::has(setting))
            .fold(command, |command, setting| command.arg(arg(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<R: Rows> FromArgMatches for Flags<R> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = TABLE
            .iter()
            .filter(|setting| R::has(setting))
            .filter_map(|setting| {
                let text = matches.get_one::<String>(setting.name)?.clone();
                Some(Flag {
                    key: setting.key,
                    text,
                })
            });
        Ok(Self {
            given: given.collect(),
            rows: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
