//! `admin checkpoint write`: a checkpoint now.

use serde_json::json;
use types::ByteSize;

use crate::failure::{Failure, Result};
use crate::output::{Out, note};
use crate::run::Context;

/// Have the leader write a checkpoint now, and wait until it is on its disk (needs the superuser)
///
/// Masters write one by themselves after so much log. Before a planned stop it makes the next start shorter.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin checkpoint write
  distrifs admin checkpoint write --json | jq .index";

/// Asks for it.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let written = context.fs.admin().checkpoint().await;
    let written = written.map_err(|error| Failure::from_client("admin checkpoint write", &error))?;
    if args.json {
        let mut out = Out::stdout()?;
        out.line(&json!({ "index": written.index, "bytes": written.bytes }).to_string())?;
        return out.flush();
    }
    note(&format!(
        "checkpoint {} is written: {}",
        written.index,
        ByteSize(written.bytes)
    ));
    Ok(())
}
