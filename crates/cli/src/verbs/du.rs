//! `du`: how much is where.

use client::ContentSummary;
use futures_util::{StreamExt, stream};
use serde_json::json;
use types::FsPath;

use crate::failure::{Failure, Result, Tally};
use crate::output::{Align, Columns, JsonArray, Out, size};
use crate::remote::{RemotePath, join, stat};
use crate::run::Context;

/// Sum up the lengths of files
///
/// For each entry of a directory, then for the directory itself: the bytes of all files below it, and the same times
/// their numbers of replicas.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Of what
    #[arg(value_name = "PATH", default_value = "/")]
    paths: Vec<RemotePath>,
    /// Sizes with units: 1.5 MiB
    #[arg(short = 'h', long = "human-readable")]
    human: bool,
    /// Only the sum of each path
    #[arg(short, long)]
    summarize: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs du -h /data
  distrifs du -s /data /home
  distrifs du --json / | jq -r 'max_by(.bytes).path'";

/// Entries that are asked for at once.
const AT_ONCE: usize = 16;

/// Sums up.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut out = Out::stdout()?;
    let mut tally = Tally::default();
    let mut sums = Vec::new();
    for RemotePath { path, .. } in &args.paths {
        let summed = one(context, args, path, &mut sums, &mut tally).await;
        tally.take(summed)?;
    }
    if args.json {
        let mut array = JsonArray::default();
        for (path, sum) in &sums {
            let element = json!({
                "path": path.as_str(),
                "bytes": sum.len,
                "space": sum.space,
                "files": sum.files,
                "directories": sum.directories,
            });
            array.push(&mut out, &element)?;
        }
        array.finish(&mut out)?;
    } else {
        let mut table = Columns::new(&[Align::Right, Align::Right, Align::Left]);
        for (path, sum) in &sums {
            table.row([
                size(args.human, sum.len),
                size(args.human, sum.space),
                path.to_string(),
            ]);
        }
        out.print(&table.render())?;
    }
    out.flush()?;
    tally.finish()
}

async fn one(
    context: &Context,
    args: &Args,
    path: &FsPath,
    sums: &mut Vec<(FsPath, ContentSummary)>,
    tally: &mut Tally,
) -> Result<()> {
    let sum = async |path: FsPath| match context.fs.content_summary(&path).await {
        Ok(sum) => Ok((path, sum)),
        Err(error) => Err(Failure::from_client(path, &error)),
    };
    if !args.summarize && stat(context, path).await?.is_directory() {
        let mut pages = context.fs.list(path);
        while let Some(page) = pages
            .next_page()
            .await
            .map_err(|error| Failure::from_client(path, &error))?
        {
            let below = page
                .iter()
                .map(|entry| join(path, &entry.name))
                .collect::<Result<Vec<_>>>()?;
            let mut found = stream::iter(below.into_iter().map(&sum)).buffered(AT_ONCE);
            while let Some(found) = found.next().await {
                match found {
                    Ok(entry) => sums.push(entry),
                    Err(failure) => tally.add(failure)?,
                }
            }
        }
    }
    sums.push(sum(path.clone()).await?);
    Ok(())
}
