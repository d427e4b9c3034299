//! `fsck`: the files below a path, and how each of them is.

use client::{ConditionCounts, DataClass, FileHealth, FileVerdict, FsckPart, FsckShow, Sum, Verified};
use serde_json::{Value, json};
use types::FsPath;

use super::words;
use crate::failure::{Exit, Failure, Result, is_read};
use crate::output::{Out, Style, paint};
use crate::remote::RemotePath;
use crate::run::Context;

/// Show how the files below a path are, counted anew from what every datanode has
///
/// Without an option it tells the files with which something is wrong, then sums up. With `--verify`, each datanode is asked
/// for the checksum of each replica, and those of a chunk are compared; the bytes on disk are compared with their checksums by
/// scrubbing and by every read. Ends with 0 when every file has its copies, 7 when one has too few or a checksum differs, 8 when
/// one is lost or can not be read now.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to look at
    #[arg(value_name = "PATH", default_value = "/")]
    path: RemotePath,
    /// Print the paths of files with too few copies, one a line, and nothing else
    #[arg(long, conflicts_with_all = ["list_lost", "verify"])]
    list_at_risk: bool,
    /// Print the paths of files that are lost or can not be read now, one a line, and nothing else
    #[arg(long, conflicts_with = "verify")]
    list_lost: bool,
    /// Ask for the checksum of every replica, and compare them
    #[arg(long)]
    verify: bool,
    /// Show the chunks and replicas of each file that is told
    #[arg(long)]
    replicas: bool,
    /// Tell of all files, not only of those with which something is wrong
    #[arg(long, conflicts_with_all = ["list_at_risk", "list_lost"])]
    all: bool,
    /// Print JSON: one document, with `files` and `summary`
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs fsck
  distrifs fsck /data --replicas
  distrifs fsck --list-lost > lost-files      # exactly these have to come from a backup
  distrifs fsck --list-at-risk | wc -l
  distrifs fsck /precious --verify --json | jq '.summary.verified'";

/// What was seen.
#[derive(Debug, Default)]
struct Summary {
    files: ConditionCounts,
    chunks: ConditionCounts,
    directories: u64,
    len: u64,
    verified: Verified,
}

/// Looks.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let path = &args.path.path;
    let operations = context.fs.operations();
    let failed = |error| Failure::from_client(path, &error);
    let mut walk = operations
        .fsck(path, Some(shown(args)), args.replicas || args.verify)
        .await
        .map_err(failed)?;
    let mut printer = Printer::begin(args)?;
    let mut summary = Summary::default();
    // The verdict is found also where nobody reads the files any more.
    let mut unread = false;
    while let Some(part) = walk.next().await.map_err(failed)? {
        summary.add(&part);
        for file in &part.files {
            let verdict = match args.verify {
                true => Some(operations.verify(file).await.map_err(failed)?),
                false => None,
            };
            if let Some(verdict) = &verdict {
                summary.verified.add(verdict);
            }
            if !unread {
                unread = !is_read(printer.file(file, verdict.as_ref()))?;
            }
        }
    }
    if !unread {
        is_read(printer.end(path, &summary))?;
    }
    match summary.exit() {
        Exit::Done => Ok(()),
        exit => Err(Failure::Told(exit)),
    }
}

const fn shown(args: &Args) -> FsckShow {
    if args.list_at_risk {
        FsckShow::AtRisk
    } else if args.list_lost {
        FsckShow::Lost
    } else if args.all || args.verify {
        FsckShow::All
    } else {
        FsckShow::Unhealthy
    }
}

impl Summary {
    fn add(&mut self, part: &FsckPart) {
        self.files.add(&part.file_counts);
        self.chunks.add(&part.chunk_counts);
        self.directories += part.directories;
        self.len = self.len.saturating_add(part.len);
    }

    /// By the worst file.
    fn exit(&self) -> Exit {
        let unreadable = self.files.count(|condition| !condition.class.is_readable());
        let at_risk = |condition: client::Condition| condition.class.is_at_risk();
        if unreadable > 0 {
            Exit::Lost
        } else if self.files.count(at_risk) > 0 || self.verified.files_wrong > 0 {
            Exit::AtRisk
        } else {
            Exit::Done
        }
    }

    fn json(&self, verify: bool) -> Value {
        let mut document = json!({
            "files": words::counts_json(&self.files),
            "chunks": words::counts_json(&self.chunks),
            "directories": self.directories,
            "bytes": self.len,
        });
        if verify {
            put(&mut document, "verified", gateway::json::verified(&self.verified));
        }
        document
    }

    fn text(&self, path: &FsPath, verify: bool) -> String {
        let mut text = format!(
            "{path}: {} files, {} directories, {} chunks, {}\n  files   {}\n  chunks  {}\n",
            self.files.total(),
            self.directories,
            self.chunks.total(),
            types::ByteSize(self.len),
            words::counts_line(&self.files),
            words::counts_line(&self.chunks),
        );
        if verify {
            let Verified {
                replicas,
                differing,
                unanswered,
                chunks_unseen,
                files_wrong,
            } = self.verified;
            text.push_str(&format!(
                "  checked {replicas} replicas: {differing} differ, {unanswered} could not be asked; {files_wrong} files are \
                 not as they should be\n"
            ));
            if chunks_unseen > 0 {
                text.push_str(&format!(
                    "  {chunks_unseen} chunks were not checked: of one file the first 1,000 are\n"
                ));
            }
        }
        text
    }
}

/// How files are told.
enum Form {
    /// Only paths.
    Paths,
    /// A line for each, and what is below it.
    Lines,
    /// Elements of an array; whether there was one.
    Json(bool),
}

struct Printer<'a> {
    args: &'a Args,
    out: Out,
    form: Form,
}

impl<'a> Printer<'a> {
    fn begin(args: &'a Args) -> Result<Self> {
        let mut out = Out::stdout()?;
        let form = match (args.json, args.list_at_risk || args.list_lost) {
            (true, _) => Form::Json(false),
            (false, true) => Form::Paths,
            (false, false) => Form::Lines,
        };
        if args.json {
            out.print("{\"files\":[")?;
        }
        Ok(Self { args, out, form })
    }

    fn file(&mut self, file: &FileHealth, verdict: Option<&FileVerdict>) -> Result<()> {
        match &mut self.form {
            Form::Paths => self.out.line(&file.path),
            Form::Json(begun) => {
                self.out.print(if *begun { ",\n" } else { "\n" })?;
                *begun = true;
                let document = file_json(file, verdict, self.args.replicas);
                self.out.print(&document.to_string())
            }
            Form::Lines => {
                let good = verdict.is_none_or(FileVerdict::is_good);
                let well = good && file.condition.class == DataClass::Healthy && !file.condition.corrupt;
                if well && self.args.verify && !self.args.all {
                    return Ok(());
                }
                let coloured = self.out.coloured();
                let text = file_text(file, verdict, self.args.replicas, coloured);
                self.out.print(&text)
            }
        }
    }

    fn end(mut self, path: &FsPath, summary: &Summary) -> Result<()> {
        match self.form {
            Form::Paths => {}
            Form::Lines => self.out.print(&summary.text(path, self.args.verify))?,
            Form::Json(_) => {
                let summary = summary.json(self.args.verify);
                self.out.print(&format!("\n],\"summary\":{summary}}}\n"))?;
            }
        }
        self.out.flush()
    }
}

fn file_text(file: &FileHealth, verdict: Option<&FileVerdict>, replicas: bool, coloured: bool) -> String {
    let how = file.condition.to_string();
    let how = match file.condition.class {
        DataClass::Lost | DataClass::Unavailable | DataClass::AtRisk { .. } => {
            paint(coloured, Style::Error, &how)
        }
        _ => how,
    };
    let mut text = format!(
        "{}: {how}; {} chunks, replication {}\n",
        file.path, file.chunk_count, file.replication
    );
    for chunk in file.chunks.iter().filter(|_| replicas) {
        let extent = chunk.extent;
        text.push_str(&format!(
            "  chunk {} generation {}, {} bytes: {}\n",
            extent.chunk, extent.generation, extent.len, chunk.condition
        ));
        for replica in &chunk.replicas {
            let reach = if replica.usable {
                ""
            } else {
                ", can not be reached"
            };
            text.push_str(&format!(
                "    {} {}: {}{reach}\n",
                replica.node.address(),
                replica.rack,
                replica.standing.as_str()
            ));
        }
    }
    if let Some(unseen) = verdict.map(|verdict| verdict.unseen).filter(|unseen| *unseen > 0) {
        text.push_str(&format!("  {unseen} chunks were not checked\n"));
    }
    for chunk in verdict.iter().flat_map(|verdict| &verdict.chunks) {
        for replica in &chunk.replicas {
            let told = match &replica.sum {
                Sum::Agrees(_) => continue,
                Sum::Differs(crc) => format!("checksum {crc:08x}, unlike the others"),
                Sum::Unknown(why) => format!("could not be asked: {why}"),
            };
            text.push_str(&format!(
                "  chunk {} on {}: {told}\n",
                chunk.extent.chunk,
                replica.node.address()
            ));
        }
    }
    text
}

fn file_json(file: &FileHealth, verdict: Option<&FileVerdict>, replicas: bool) -> Value {
    let mut document = json!({
        "path": file.path,
        "bytes": file.len,
        "replication": file.replication,
        "condition": words::condition_json(file.condition),
        "chunk_count": file.chunk_count,
    });
    if replicas {
        let chunks: Vec<_> = file.chunks.iter().map(chunk_json).collect();
        put(&mut document, "chunks", json!(chunks));
    }
    if let Some(verdict) = verdict {
        put(&mut document, "verified", json!(verdict.is_good()));
        put(
            &mut document,
            "wrong_replicas",
            gateway::json::wrong_replicas(verdict),
        );
    }
    document
}

fn put(document: &mut Value, key: &str, value: Value) {
    if let Value::Object(fields) = document {
        fields.insert(key.to_owned(), value);
    }
}

fn chunk_json(chunk: &client::ChunkHealth) -> Value {
    let replica = |replica: &client::ReplicaHealth| {
        json!({
            "datanode": replica.node.address(),
            "datanode_id": replica.node.id.to_string(),
            "rack": replica.rack,
            "storage": replica.storage.to_string(),
            "generation": replica.generation.as_u64(),
            "bytes": replica.len,
            "standing": replica.standing.as_str(),
            "usable": replica.usable,
        })
    };
    json!({
        "chunk": chunk.extent.chunk.as_u64(),
        "generation": chunk.extent.generation.as_u64(),
        "bytes": chunk.extent.len,
        "condition": words::condition_json(chunk.condition),
        "replicas": chunk.replicas.iter().map(replica).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use client::Node;
    use client::{ChunkVerdict, Condition, ReplicaVerdict};
    use types::{ChunkExtent, ChunkId, DatanodeId, Generation};

    use super::*;

    fn file() -> FileHealth {
        FileHealth {
            path: "/a".to_owned(),
            len: 5,
            replication: 2,
            condition: Condition {
                class: DataClass::AtRisk { copies: 1 },
                corrupt: false,
            },
            chunk_count: 1,
            chunks: Vec::new(),
        }
    }

    fn verdict(sum: Sum) -> FileVerdict {
        let node = Node {
            id: DatanodeId::from_random_bytes([1; 16]),
            host: "d1".to_owned(),
            port: 9866,
        };
        FileVerdict {
            path: "/a".to_owned(),
            chunks: vec![ChunkVerdict {
                extent: ChunkExtent {
                    chunk: ChunkId::new(7).unwrap(),
                    generation: Generation(1),
                    len: 5,
                },
                replicas: vec![ReplicaVerdict { node, sum }],
            }],
            unseen: 0,
        }
    }

    #[test]
    fn what_was_not_looked_at_is_not_good() {
        let whole = FileVerdict {
            unseen: 0,
            ..verdict(Sum::Agrees(7))
        };
        let part = FileVerdict {
            unseen: 3,
            ..whole.clone()
        };
        let mut summary = Summary::default();
        summary.verified.add(&whole);
        assert_eq!(summary.exit(), Exit::Done);
        summary.verified.add(&part);
        assert_eq!(summary.exit(), Exit::AtRisk);
        assert!(file_text(&file(), Some(&part), false, false).contains("3 chunks were not checked"));
        let path: FsPath = "/".parse().unwrap();
        assert!(summary.text(&path, true).contains("3 chunks were not checked"));
    }

    #[test]
    fn a_line_says_how_a_file_is_and_what_differs() {
        let text = file_text(&file(), Some(&verdict(Sum::Differs(255))), false, false);
        let expected = "/a: at risk, 1 copy left; 1 chunks, replication 2\n  chunk 7 on d1:9866: checksum 000000ff, unlike the others\n";
        assert_eq!(text, expected);
        let json = file_json(&file(), Some(&verdict(Sum::Unknown("gone".to_owned()))), false);
        assert_eq!(json["verified"], false);
        assert_eq!(json["wrong_replicas"][0]["unanswered"], "gone");
        assert_eq!(json["condition"]["copies_left"], 1);
    }

    #[test]
    fn the_status_is_that_of_the_worst_file() {
        let mut summary = Summary::default();
        assert_eq!(summary.exit(), Exit::Done);
        summary.verified.add(&verdict(Sum::Agrees(1)));
        assert_eq!(summary.exit(), Exit::Done);
        summary.verified.add(&verdict(Sum::Differs(1)));
        assert_eq!((summary.exit(), summary.verified.replicas), (Exit::AtRisk, 2));
    }
}
