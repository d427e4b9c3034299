//! `admin checkpoint dump`: everything that a checkpoint holds, a line each.

use std::path::PathBuf;

use env::Env;
use namespace::ChunkInfo;
use serde_json::json;

use crate::failure::{Exit, Failure, Result};
use crate::offline::{Node, Source, load, walk};
use crate::output::{Out, iso_time, mode_text};

/// Print every file and directory with its attributes and chunks
///
/// One line each, parents first: mode, replication, owner, group, length, time of the last change, path, chunks as
/// ID.GENERATION:LENGTH. With --json, one document each.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The directory of a master (its newest whole checkpoint), or one checkpoint
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// Print JSON, one document a line
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin checkpoint dump /var/lib/distrifs/master | less
  distrifs admin checkpoint dump --json /var/lib/distrifs/master | jq -r 'select(.length > 1e9) | .path'
  distrifs admin checkpoint dump backup-of-monday | grep ' 4711\\.'   # whose is chunk 4711?";

/// Prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let env = Env::real();
    let source = Source::find(&env, &args.path)?;
    let Some(state) = load(&env, &source)? else {
        return Err(
            Failure::new(Exit::NotFound, args.path.display(), "there is no checkpoint yet")
                .next("all changes are still in the log: `distrifs admin log dump DIR`"),
        );
    };
    let mut out = Out::stdout()?;
    walk(&state.namespace, |node| {
        let line = if args.json { to_json(&node) } else { text(&node) };
        out.line(&line)
    })?;
    out.flush()
}

fn text(node: &Node<'_>) -> String {
    let status = node.status;
    let chunks: Vec<String> = node.chunks.iter().map(chunk).collect();
    let line = format!(
        "{} {} {} {} {} {} {} {}",
        mode_text(status.chunk_size.is_none(), status.mode.into()),
        status.replication,
        status.owner,
        status.group,
        status.len,
        iso_time(status.mtime.as_u64()),
        node.path.as_str().escape_debug(),
        chunks.join(","),
    );
    line.trim_end().to_owned()
}

/// `ID.GENERATION:LENGTH`; a chunk that is being written has no length yet.
fn chunk(chunk: &ChunkInfo) -> String {
    let (id, generation) = (chunk.chunk.as_u64(), chunk.generation.as_u64());
    match chunk.len {
        Some(len) => format!("{id}.{generation}:{len}"),
        None => format!("{id}.{generation}:writing"),
    }
}

fn to_json(node: &Node<'_>) -> String {
    let status = node.status;
    let mut line = json!({
        "path": node.path.as_str(),
        "type": if status.chunk_size.is_none() { "directory" } else { "file" },
        "inode": status.inode.as_u64(),
        "mode": format!("{:04o}", status.mode),
        "owner": status.owner,
        "group": status.group,
        "modified_ms": status.mtime.as_u64(),
        "accessed_ms": status.atime.as_u64(),
    });
    if let (Some(chunk_size), Some(line)) = (status.chunk_size, line.as_object_mut()) {
        let chunks: Vec<_> = (node.chunks.iter())
            .map(|chunk| {
                json!({
                    "chunk": chunk.chunk.as_u64(),
                    "generation": chunk.generation.as_u64(),
                    "length": chunk.len,
                })
            })
            .collect();
        line.extend([
            ("length".to_owned(), status.len.into()),
            ("replication".to_owned(), status.replication.into()),
            ("chunk_size".to_owned(), chunk_size.bytes().into()),
            ("being_written".to_owned(), status.being_written.into()),
            ("chunks".to_owned(), chunks.into()),
        ]);
    }
    line.to_string()
}
