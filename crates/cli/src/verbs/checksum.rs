//! `checksum`: the CRC32C of files.

use serde_json::json;

use crate::failure::{Failure, Result, Tally};
use crate::output::{JsonArray, Out};
use crate::remote::RemotePath;
use crate::run::Context;

/// Show the CRC32C of whole files
///
/// Computed by the datanodes from what is on their disks; no data comes over the network. The same bytes have the same
/// checksum, whatever their chunk size. Prints checksum, length in bytes and path.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Of what
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<RemotePath>,
    /// Print JSON: an object for one path, an array for several
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs checksum /data/report.pdf
  distrifs checksum --json /a /b | jq -r '.[].crc32c' | uniq | wc -l   # 1: they are the same";

/// Shows.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut out = Out::stdout()?;
    let mut tally = Tally::default();
    let mut array = (args.json && args.paths.len() > 1).then(JsonArray::default);
    for RemotePath { path, .. } in &args.paths {
        let sum = match context.fs.checksum(path).await {
            Ok(sum) => sum,
            Err(error) => {
                tally.add(Failure::from_client(path, &error))?;
                continue;
            }
        };
        let hex = format!("{:08x}", sum.crc32c);
        let document =
            json!({ "path": path.as_str(), "algorithm": "CRC32C", "crc32c": hex, "length": sum.len });
        match &mut array {
            Some(array) => array.push(&mut out, &document)?,
            None if args.json => out.line(&document.to_string())?,
            None => out.line(&format!("{hex}  {:>12}  {path}", sum.len))?,
        }
    }
    if let Some(array) = array {
        array.finish(&mut out)?;
    }
    out.flush()?;
    tally.finish()
}
