//! `test`: whether something is there.

use client::Error;
use serde_json::json;

use crate::failure::{Exit, Failure, Result, is_read};
use crate::output::Out;
use crate::remote::RemotePath;
use crate::run::Context;

/// Ask whether something is there: exit status 0 for yes, 1 for no
///
/// A status above 1 is neither: the question could not be answered.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
#[command(group(clap::ArgGroup::new("question").required(true).args(["exists", "file", "directory"])))]
pub(crate) struct Args {
    /// Is there anything?
    #[arg(short)]
    exists: bool,
    /// Is it a file?
    #[arg(short)]
    file: bool,
    /// Is it a directory?
    #[arg(short)]
    directory: bool,
    /// Where
    #[arg(value_name = "PATH")]
    path: RemotePath,
    /// Print true or false, too
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs test -e /data/_SUCCESS && echo ready
  distrifs test -d /data || distrifs mkdir -p /data";

/// Answers.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let path = &args.path.path;
    let yes = match context.fs.stat(path).await {
        Ok(status) if args.file => status.is_file(),
        Ok(status) if args.directory => status.is_directory(),
        Ok(_) => true,
        Err(Error::NotFound(_) | Error::NotDirectory(_)) => false,
        Err(error) => return Err(Failure::from_client(path, &error)),
    };
    if args.json {
        let mut out = Out::stdout()?;
        let told = out.line(&json!({ "path": path.as_str(), "result": yes }).to_string());
        is_read(told.and_then(|()| out.flush()))?;
    }
    if yes {
        Ok(())
    } else {
        Err(Failure::Told(Exit::Failed))
    }
}
