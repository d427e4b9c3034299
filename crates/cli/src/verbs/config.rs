//! `config`: what is in force, and where each value came from.

use std::path::Path;

use serde_json::json;

use crate::config::{ConfigFlags, Entry, Fallback, Key, Settings, Source, Value};
use crate::failure::Result;
use crate::identity::Identity;
use crate::output::{Align, Columns, Out, Style, paint};

/// Show what is in force and where each value came from
///
/// Flags win over the environment, the environment over config.yaml, config.yaml over defaults. The file is a mapping
/// from the names that this command prints to values; unknown names are errors.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print what each setting does, too
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    pub(crate) settings: ConfigFlags,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs config                       # what is in force here
  distrifs config --verbose             # and what it does
  DISTRIFS_RF=2 distrifs config --json  # for programs; sizes in bytes, durations in seconds

A config.yaml:
  master: [master-1:9800, master-2:9800]
  replication_factor: 3
  chunk_size: 64MiB
  log_level: info

It is looked for in: --config FILE, DISTRIFS_CONFIG, ./config.yaml (when it has at least one of our settings),
~/.config/distrifs/config.yaml, /etc/distrifs/config.yaml. The first that exists is read, and no other.";

/// Prints the settings.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let mut out = Out::stdout()?;
    let identity = Identity::of(settings);
    if args.json {
        let entries: Vec<_> = settings
            .entries()
            .iter()
            .map(|entry| to_json(entry, &identity))
            .collect();
        let document = json!({
            "file": settings.file().map(|path| path.to_string_lossy()),
            "masters": settings.masters(),
            "settings": entries,
        });
        out.line(&format!("{document:#}"))?;
        return out.flush();
    }
    let coloured = out.coloured();
    let mut table = Columns::new(&[Align::Left, Align::Left, Align::Left, Align::Left, Align::Left]);
    let heading = |text: &str| paint(coloured, Style::Bold, text);
    let last = if args.verbose { "DOES" } else { "" };
    table.row(["SETTING", "VALUE", "FROM", "ENVIRONMENT", last].map(heading));
    for entry in settings.entries() {
        let value = match value(entry, &identity) {
            Some(value) => value.show(),
            None => paint(
                coloured,
                Style::Dim,
                &format!("({})", entry.setting.fallback.show()),
            ),
        };
        let from = match &entry.source {
            Source::Default => paint(coloured, Style::Dim, "default"),
            source => source.to_string(),
        };
        let remark = match (entry.setting.used, args.verbose) {
            (true, false) => String::new(),
            (true, true) => entry.setting.doc.to_owned(),
            (false, false) => "accepted, not used yet".to_owned(),
            (false, true) => format!("accepted, not used yet: {}", entry.setting.doc),
        };
        table.row([
            entry.setting.name.to_owned(),
            value,
            from,
            entry.setting.env.to_owned(),
            remark,
        ]);
    }
    out.print(&table.render())?;
    out.line("")?;
    match settings.file() {
        Some(path) => out.line(&format!("file: {}", path.display()))?,
        None if Path::new("config.yaml").exists() => {
            out.line(
                "file: none; ./config.yaml has none of our settings (--config config.yaml reads it anyway)",
            )?;
        }
        None => out.line("file: none; `distrifs config --help` says where it is looked for")?,
    }
    out.line(&format!("masters: {}", settings.masters().join(",")))?;
    out.flush()
}

/// The value in force; where the operating system says who is asking, that.
fn value(entry: &Entry, identity: &Identity) -> Option<Value> {
    match (&entry.value, entry.setting.key) {
        (None, Key::User) => Some(Value::Text(identity.user.clone())),
        (None, Key::Groups) => Some(Value::List(identity.groups.clone())),
        (value, _) => value.clone(),
    }
}

fn to_json(entry: &Entry, identity: &Identity) -> serde_json::Value {
    let Entry { setting, source, .. } = entry;
    let (file, line) = match source {
        Source::File { path, line } => (Some(path.to_string_lossy()), Some(line)),
        _ => (None, None),
    };
    json!({
        "name": setting.name,
        "value": value(entry, identity).as_ref().map(Value::to_json),
        "unit": setting.kind.unit(),
        "from": source.layer(),
        "file": file,
        "line": line,
        "environment": setting.env,
        "flag": format!("--{}", setting.flag),
        "default": match setting.fallback {
            Fallback::Is(text) => json!(text),
            Fallback::Depends(_) => json!(null),
        },
        "default_is": setting.fallback.show(),
        "used": setting.used,
        "doc": setting.doc,
    })
}
