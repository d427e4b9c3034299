//! `explain`: why something is as it is.

use client::{Explanation, Subject};
use serde_json::json;
use types::{ChunkId, FsPath};
use uuid::Uuid;

use super::words;
use crate::failure::{Failure, Result};
use crate::output::{Out, Style, paint};
use crate::run::Context;

/// Tell why a file, a datanode or a chunk is as it is
///
/// Of a file or a chunk: how it is, why its replicas are where they are, and what becomes of them. Of a datanode: in what
/// state it is, whether it would take a chunk and if not why, and when it is being drained, what it waits for.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A path that begins with `/`; a datanode's id, host or host:port; a chunk's number or the name of its file on disk
    #[arg(value_name = "FILE|NODE|CHUNK")]
    what: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs explain /data/report.pdf
  distrifs explain d3.example:9866           # why does it not drain?
  distrifs explain 4294967299                # a chunk, by the number that fsck tells
  distrifs explain chunk-8f1c2a6e-…          # a chunk, by its file on a datanode's disk";

/// Tells.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let subject = subject(context, &args.what).await?;
    let explained = context.fs.operations().explain(&subject).await;
    let explained = explained.map_err(|error| Failure::from_client(&args.what, &error))?;
    let mut out = Out::stdout()?;
    if args.json {
        let paragraphs = explained.paragraphs.iter();
        let document = json!({
            "subject": explained.subject,
            "condition": explained.condition.map(words::condition_json),
            "paragraphs": paragraphs
                .map(|(title, lines)| json!({ "title": title, "lines": lines }))
                .collect::<Vec<_>>(),
        });
        out.line(&format!("{document:#}"))?;
    } else {
        let coloured = out.coloured();
        out.print(&text(&explained, coloured))?;
    }
    out.flush()
}

async fn subject(context: &Context, what: &str) -> Result<Subject> {
    let wrong = |why: String| Failure::usage(what, why);
    if let Some(uuid) = chunk_uuid(what) {
        let info = context.fs.server_info().await;
        let info = info.map_err(|error| Failure::from_client("explain", &error))?;
        let chunk = info.pool.chunk_of(uuid);
        return chunk
            .map(Subject::Chunk)
            .ok_or_else(|| wrong("it is a chunk of another cluster".to_owned()));
    }
    named(what).map_err(wrong)
}

/// `chunk-UUID`, with or without a suffix: how a replica's files are called on disk.
fn chunk_uuid(what: &str) -> Option<Uuid> {
    let name = what.rsplit('/').next()?.strip_prefix("chunk-")?;
    Uuid::try_parse(name.get(..36)?).ok()
}

fn named(what: &str) -> Result<Subject, String> {
    if what.starts_with('/') {
        let path = FsPath::parse(what).map_err(|error| error.to_string())?;
        return Ok(Subject::File(path));
    }
    let number = what.strip_prefix("chunk:").unwrap_or(what);
    if let Ok(number) = number.parse::<u64>() {
        let chunk = ChunkId::new(number).map_err(|error| error.to_string())?;
        return Ok(Subject::Chunk(chunk));
    }
    Ok(Subject::Node(what.to_owned()))
}

fn text(explained: &Explanation, coloured: bool) -> String {
    let mut text = paint(coloured, Style::Bold, &explained.subject);
    if let Some(condition) = explained.condition {
        text.push_str(&format!(": {condition}"));
    }
    text.push('\n');
    for (title, lines) in &explained.paragraphs {
        text.push_str(&format!("\n{}\n", paint(coloured, Style::Bold, title)));
        for line in lines {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use client::{Condition, DataClass};

    use super::*;

    #[test]
    fn what_is_meant_is_seen_by_its_form() {
        let path = FsPath::parse("/a/b").unwrap();
        let chunk = Subject::Chunk(ChunkId::new(42).unwrap());
        assert_eq!(named("/a/b"), Ok(Subject::File(path)));
        assert_eq!(named("42"), Ok(chunk.clone()));
        assert_eq!(named("chunk:42"), Ok(chunk));
        assert_eq!(named("d1:9866"), Ok(Subject::Node("d1:9866".to_owned())));
        assert!(
            named(&u64::MAX.to_string()).is_err(),
            "no chunk has such a number"
        );
    }

    #[test]
    fn files_on_disk_name_their_chunk() {
        let uuid = "8f1c2a6e-0000-8000-8000-000000000007";
        let expected = Uuid::try_parse(uuid).ok();
        assert_eq!(chunk_uuid(&format!("chunk-{uuid}")), expected);
        assert_eq!(chunk_uuid(&format!("/data/x/chunk-{uuid}_1.sums")), expected);
        assert_eq!(chunk_uuid("chunk-7"), None);
    }

    #[test]
    fn titles_stand_above_their_lines() {
        let explained = Explanation {
            subject: "chunk 7".to_owned(),
            condition: Some(Condition {
                class: DataClass::AtRisk { copies: 1 },
                corrupt: false,
            }),
            paragraphs: vec![("Replicas".to_owned(), vec!["d1: valid".to_owned()])],
        };
        let expected = "chunk 7: at risk, 1 copy left\n\nReplicas\n  d1: valid\n";
        assert_eq!(text(&explained, false), expected);
    }
}
