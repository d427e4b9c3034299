//! `admin checkpoint stats`: which checkpoints there are, and what is in the newest.

use std::path::PathBuf;

use env::Env;
use namespace::Memory;
use serde_json::json;

use super::verify;
use crate::failure::Result;
use crate::offline::{Source, State, load, walk};
use crate::output::{Align, Columns, Out, Style, paint, size};

/// Show which checkpoints there are, whether they are whole, and what is in the newest
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The directory of a master, or one checkpoint
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin checkpoint stats /var/lib/distrifs/master
  distrifs admin checkpoint stats --json /var/lib/distrifs/master | jq .contents.files";

/// Shows.
pub(crate) fn run(args: &Args) -> Result<()> {
    let env = Env::real();
    let source = Source::find(&env, &args.path)?;
    let found = verify::all(&env, &source)?;
    let state = load(&env, &source)?;
    let contents = state.as_ref().map(Contents::of).transpose()?;
    let mut out = Out::stdout()?;
    if args.json {
        let document = json!({
            "checkpoints": verify::to_json(&found),
            "contents": contents.as_ref().map(Contents::to_json),
        });
        out.line(&format!("{document:#}"))?;
        return out.flush();
    }
    match contents {
        Some(contents) => {
            let coloured = out.coloured();
            out.print(&verify::table(&found, coloured))?;
            out.print(&contents.text(coloured))?;
        }
        None => out.line(&format!(
            "{}: no checkpoint yet: all changes are in the log, see `distrifs admin log dump`",
            args.path.display()
        ))?,
    }
    out.flush()
}

/// The upper ends of the classes of file lengths, in bytes; the last class has none.
const CLASSES: [u64; 8] = [
    0,
    1 << 10,
    16 << 10,
    256 << 10,
    4 << 20,
    64 << 20,
    1 << 30,
    u64::MAX,
];

/// What is in a state.
#[derive(Debug)]
struct Contents {
    file: String,
    cluster: Option<String>,
    files: u64,
    directories: u64,
    chunks: u64,
    bytes: u64,
    bytes_replicated: u64,
    being_written: u64,
    leases: usize,
    datanodes: usize,
    dying: u64,
    /// Files of each of the [`CLASSES`].
    classes: [u64; CLASSES.len()],
    memory: Memory,
}

impl Contents {
    fn of(state: &State) -> Result<Self> {
        let namespace = &state.namespace;
        let totals = namespace.totals();
        let graveyard = namespace.graveyard();
        let mut contents = Self {
            file: state
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            cluster: namespace.cluster().map(|cluster| cluster.to_string()),
            files: totals.files,
            directories: totals.directories,
            chunks: totals.chunks,
            bytes: 0,
            bytes_replicated: 0,
            being_written: 0,
            leases: namespace.leases().count(),
            datanodes: namespace.members().count(),
            dying: graveyard.files + graveyard.directories,
            classes: [0; CLASSES.len()],
            memory: namespace.memory(),
        };
        walk(namespace, |node| {
            if node.status.chunk_size.is_some() {
                let len = node.status.len;
                contents.bytes += len;
                contents.bytes_replicated += len * u64::from(node.status.replication);
                contents.being_written += u64::from(node.status.being_written);
                let class = CLASSES
                    .iter()
                    .zip(&mut contents.classes)
                    .find(|(end, _)| len <= **end);
                if let Some((_, count)) = class {
                    *count += 1;
                }
            }
            Ok(())
        })?;
        Ok(contents)
    }

    fn parts(&self) -> [(&'static str, u64); 6] {
        let memory = &self.memory;
        [
            ("inodes", memory.inodes.total()),
            ("names", memory.names.total()),
            ("chunks", memory.chunks.total()),
            ("lists of chunks", memory.lists.total()),
            ("others", memory.others),
            ("all together", memory.total()),
        ]
    }

    fn text(&self, coloured: bool) -> String {
        let head = |text: &str| paint(coloured, Style::Bold, text);
        let mut table = Columns::new(&[Align::Left, Align::Right]);
        table.row([String::new(), String::new()]);
        table.row([head(&format!("IN {}", self.file)), String::new()]);
        table.row([
            "cluster".to_owned(),
            self.cluster.clone().unwrap_or_else(|| "none".to_owned()),
        ]);
        for (name, count) in [
            ("files", self.files),
            ("  being written", self.being_written),
            ("directories", self.directories),
            ("chunks", self.chunks),
            ("being removed", self.dying),
            ("writers", self.leases as u64),
            ("datanodes", self.datanodes as u64),
        ] {
            table.row([name.to_owned(), count.to_string()]);
        }
        table.row(["bytes in files".to_owned(), size(true, self.bytes)]);
        table.row(["  with replicas".to_owned(), size(true, self.bytes_replicated)]);
        table.row([String::new(), String::new()]);
        table.row([head("FILES OF"), head("COUNT")]);
        for (end, count) in CLASSES.into_iter().zip(self.classes) {
            table.row([class_name(end), count.to_string()]);
        }
        table.row([String::new(), String::new()]);
        table.row([head("IN MEMORY"), head("BYTES")]);
        for (name, bytes) in self.parts() {
            table.row([name.to_owned(), bytes.to_string()]);
        }
        table.render()
    }

    fn to_json(&self) -> serde_json::Value {
        let classes: Vec<_> = (CLASSES.into_iter().zip(self.classes))
            .map(|(end, count)| json!({ "up_to_bytes": (end != u64::MAX).then_some(end), "files": count }))
            .collect();
        let memory: serde_json::Map<_, _> = (self.parts().into_iter())
            .map(|(name, bytes)| (name.replace(' ', "_"), bytes.into()))
            .collect();
        json!({
            "file": self.file,
            "cluster": self.cluster,
            "files": self.files,
            "being_written": self.being_written,
            "directories": self.directories,
            "chunks": self.chunks,
            "being_removed": self.dying,
            "writers": self.leases,
            "datanodes": self.datanodes,
            "bytes": self.bytes,
            "bytes_with_replicas": self.bytes_replicated,
            "lengths": classes,
            "memory": memory,
        })
    }
}

fn class_name(end: u64) -> String {
    match end {
        0 => "no byte".to_owned(),
        u64::MAX => "more".to_owned(),
        end => format!("up to {}", size(true, end)),
    }
}
