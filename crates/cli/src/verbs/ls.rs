//! `ls`: what is in a directory.

use client::FileStatus;
use serde_json::json;
use types::FsPath;

use super::tree::Walk;
use crate::failure::{Failure, Result, Tally};
use crate::output::{Align, Columns, JsonArray, Out, Style, iso_time, mode_text, paint, short_time, size};
use crate::remote::{RemotePath, stat};
use crate::run::Context;

/// List directories and files
///
/// In the order of names (by bytes). With -l: mode, replicas (- for a directory), owner, group, length in bytes, time of the
/// last change (UTC), name.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, visible_alias = "list", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to list
    #[arg(value_name = "PATH", default_value = "/")]
    paths: Vec<RemotePath>,
    /// One line each, with mode, owner, length and time
    #[arg(short)]
    long: bool,
    /// Everything below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Lengths with units: 1.5 MiB
    #[arg(short = 'h', long = "human-readable")]
    human: bool,
    /// A directory as itself, not what is in it
    #[arg(short, long)]
    directory: bool,
    /// Print a JSON array, one entry a line
    #[arg(long)]
    json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs ls                    # the root
  distrifs ls -lh /data          # with units
  distrifs ls -R /data | wc -l   # everything below
  distrifs ls --json /data | jq -r '.[] | select(.length > 1000000) | .path'";

/// Lists.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let mut printer = Printer {
        out: Out::stdout()?,
        args,
        array: args.json.then(JsonArray::default),
    };
    let mut tally = Tally::default();
    let headings = args.paths.len() > 1 || args.recursive;
    for (n, remote) in args.paths.iter().enumerate() {
        let listed = list(context, &mut printer, &remote.path, headings, n == 0).await;
        printer.out.flush()?;
        tally.take(listed)?;
    }
    if let Some(array) = printer.array.take() {
        array.finish(&mut printer.out)?;
    }
    printer.out.flush()?;
    tally.finish()
}

async fn list(
    context: &Context,
    printer: &mut Printer<'_>,
    path: &FsPath,
    headings: bool,
    first: bool,
) -> Result<()> {
    let status = stat(context, path).await?;
    if !status.is_directory() || printer.args.directory {
        return printer.page(&[(path.clone(), path.to_string(), status)]);
    }
    if headings && !printer.args.json {
        printer
            .out
            .line(&format!("{}{path}:", if first { "" } else { "\n" }))?;
    }
    if printer.args.recursive && printer.args.json {
        return list_flat(context, printer, path).await;
    }
    let mut pages = context.fs.list(path);
    let mut directories = Vec::new();
    while let Some(page) = pages
        .next_page()
        .await
        .map_err(|error| Failure::from_client(path, &error))?
    {
        let mut entries = Vec::with_capacity(page.len());
        for status in page {
            let below = crate::remote::join(path, &status.name)?;
            if printer.args.recursive && status.is_directory() {
                directories.push(below.clone());
            }
            entries.push((below, status.name.clone(), status));
        }
        printer.page(&entries)?;
    }
    let mut tally = Tally::default();
    for directory in directories {
        printer.out.flush()?;
        tally.take(Box::pin(list(context, printer, &directory, true, false)).await)?;
    }
    tally.finish()
}

/// Everything below `path` in one array.
async fn list_flat(context: &Context, printer: &mut Printer<'_>, path: &FsPath) -> Result<()> {
    let mut walk = Walk::below(&context.fs, path);
    let mut tally = Tally::default();
    while let Some(found) = walk.next().await {
        match found {
            Ok((path, status)) => printer.page(&[(path, status.name.clone(), status)])?,
            Err(failure) => tally.add(failure)?,
        }
    }
    tally.finish()
}

struct Printer<'a> {
    out: Out,
    args: &'a Args,
    array: Option<JsonArray>,
}

impl Printer<'_> {
    /// Prints entries: their paths, how they are to be called, what is known of them.
    fn page(&mut self, entries: &[(FsPath, String, FileStatus)]) -> Result<()> {
        if let Some(array) = &mut self.array {
            for (path, _, status) in entries {
                array.push(&mut self.out, &to_json(path, status))?;
            }
            return Ok(());
        }
        let coloured = self.out.coloured();
        let name = |name: &str, status: &FileStatus| {
            paint(
                coloured && status.is_directory(),
                Style::Directory,
                &printable(name),
            )
        };
        if !self.args.long {
            for (_, called, status) in entries {
                self.out.line(&name(called, status))?;
            }
            return Ok(());
        }
        let mut table = Columns::new(&[
            Align::Left,
            Align::Right,
            Align::Left,
            Align::Left,
            Align::Right,
            Align::Left,
            Align::Left,
        ]);
        for (_, called, status) in entries {
            table.row([
                mode_text(status.is_directory(), status.mode.into()),
                match status.replication {
                    0 => "-".to_owned(),
                    replicas => replicas.to_string(),
                },
                status.owner.clone(),
                status.group.clone(),
                size(self.args.human, status.len),
                short_time(status.mtime.as_u64()),
                name(called, status),
            ]);
        }
        self.out.print(&table.render())
    }
}

/// A name may hold any character but a slash; on a terminal and in lines, control characters would forge output.
fn printable(name: &str) -> String {
    name.chars()
        .flat_map(|c| {
            let (plain, escaped) = if c.is_control() {
                (None, Some(c.escape_default()))
            } else {
                (Some(c), None)
            };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

/// What is known of a file or directory, for programs.
pub(crate) fn to_json(path: &FsPath, status: &FileStatus) -> serde_json::Value {
    json!({
        "path": path.as_str(),
        "name": path.name().unwrap_or_default(),
        "type": if status.is_directory() { "directory" } else { "file" },
        "length": status.len,
        "mode": format!("{:04o}", status.mode),
        "owner": status.owner,
        "group": status.group,
        "modified": iso_time(status.mtime.as_u64()),
        "modified_ms": status.mtime.as_u64(),
        "accessed_ms": status.atime.as_u64(),
        "replication": status.replication,
        "chunk_size": status.chunk_size.map(types::ChunkSize::bytes),
        "children": status.is_directory().then_some(status.children),
        "inode": status.inode.as_u64(),
        "being_written": status.being_written,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\nb\x1b[2J ü"), "a\\nb\\u{1b}[2J ü");
    }
}
