//! A namespace from text.

use std::io::{self, BufRead};

use namespace::{ChunkLives, Imported, Importer, Member, MemberStorage, Registration};
use types::{AdminState, ChunkExtent, ChunkId, ChunkSize, FsPath, Generation, Term, UnixMillis};

use super::line::{Admin, Attributes, Datanode, Directory, File, Head, Line, Setting, Version};
use super::{Counts, VERSION};
use crate::failure::{Exit, Failure, Result};
use crate::offline::Current;

/// Reads all of it. Failures tell the line of `from`.
///
/// # Errors
/// When it is not an export, not a whole one, or says what can not be.
pub(crate) fn read(input: &mut dyn BufRead, from: &str) -> Result<(Current, Counts)> {
    let mut lines = Lines {
        input,
        from,
        text: String::new(),
        number: 0,
    };
    let head = lines.head()?;
    let root = lines.before_root()?;
    let mut importer = root.begin(&head).map_err(|why| lines.wrong(&why))?;
    let mut counts = Counts {
        directories: 1,
        ..Counts::default()
    };
    loop {
        if !lines.advance()? {
            return Err(lines.wrong("the last line is missing: the export was cut"));
        }
        let taken = match Line::parse(&lines.text) {
            Ok(Line::Directory(line)) => {
                counts.directories += 1;
                directory(&mut importer, &line)
            }
            Ok(Line::File(line)) => {
                counts.files += 1;
                counts.chunks += line.chunks.len() as u64;
                file(&mut importer, &line)
            }
            Ok(Line::End(end)) => {
                let said = Counts {
                    directories: end.directories,
                    files: end.files,
                    chunks: end.chunks,
                };
                if said == counts {
                    break;
                }
                Err(format!("the end counts {said:?}, and there are {counts:?}"))
            }
            Ok(Line::Lives(_) | Line::Datanode(_) | Line::Setting(_)) => {
                Err("datanodes, settings and ranges of chunk ids come before the root".to_owned())
            }
            Err(why) => Err(why),
        };
        taken.map_err(|why| lines.wrong(&why))?;
    }
    if lines.advance()? {
        return Err(lines.wrong("there are lines behind the end"));
    }
    let namespace = importer
        .finish()
        .map_err(|error| lines.wrong(&error.to_string()))?;
    let current = Current {
        namespace,
        index: head.index,
        term: Term(head.term),
        seen: Term(head.term),
    };
    Ok((current, counts))
}

/// What comes up to the root.
struct Root {
    root: Said,
    lives: Vec<ChunkLives>,
    members: Vec<Member>,
    settings: Vec<Setting>,
}

impl Root {
    fn begin(self, head: &Head) -> Result<Importer, String> {
        let now = UnixMillis(head.now_ms);
        let begun = Importer::new(head.cluster, head.slotted, now, &self.root.imported());
        let mut importer = begun.map_err(|error| error.to_string())?;
        importer.safe_mode(head.safe_mode);
        importer.first_generation(Generation(head.first_generation));
        self.lives
            .into_iter()
            .for_each(|lives| importer.chunk_lives(lives));
        self.members
            .into_iter()
            .for_each(|member| importer.member(member));
        for setting in &self.settings {
            let taken = importer.setting(&setting.setting, &setting.value);
            taken.map_err(|error| error.to_string())?;
        }
        Ok(importer)
    }
}

/// The attributes of a file or directory.
struct Said {
    mode: u16,
    owner: String,
    group: String,
    mtime: UnixMillis,
    atime: UnixMillis,
}

impl Said {
    fn of(line: &Attributes<'_>) -> Result<Self, String> {
        let mode = u16::from_str_radix(&line.mode, 8)
            .ok()
            .filter(|mode| *mode <= 0o1777);
        Ok(Self {
            mode: mode.ok_or_else(|| format!("{:?} is not a mode from 0000 to 1777", line.mode))?,
            owner: line.owner.clone().into_owned(),
            group: line.group.clone().into_owned(),
            mtime: UnixMillis(line.modified_ms),
            atime: UnixMillis(line.accessed_ms),
        })
    }

    fn imported(&self) -> Imported<'_> {
        Imported {
            mode: self.mode,
            owner: &self.owner,
            group: &self.group,
            mtime: self.mtime,
            atime: self.atime,
        }
    }
}

fn directory(importer: &mut Importer, line: &Directory<'_>) -> Result<(), String> {
    let path = FsPath::parse(&line.directory).map_err(|error| error.to_string())?;
    let said = Said::of(&line.attributes)?;
    importer
        .directory(&path, &said.imported())
        .map_err(|error| error.to_string())
}

fn file(importer: &mut Importer, line: &File<'_>) -> Result<(), String> {
    let path = FsPath::parse(&line.file).map_err(|error| error.to_string())?;
    let said = Said::of(&line.attributes)?;
    let chunk_size = ChunkSize::new(line.chunk_size).map_err(|error| error.to_string())?;
    let extent = |&(id, generation, len): &(u64, u64, u64)| {
        Ok(ChunkExtent {
            chunk: ChunkId::new(id).map_err(|error| error.to_string())?,
            generation: Generation(generation),
            len,
        })
    };
    let chunks: Vec<_> = line.chunks.iter().map(extent).collect::<Result<_, String>>()?;
    importer
        .file(&path, &said.imported(), line.replication, chunk_size, &chunks)
        .map_err(|error| error.to_string())
}

fn member(line: Datanode) -> Member {
    let storages = line.storages.into_iter();
    let said = Registration {
        id: line.datanode,
        host: line.host,
        data_port: line.data_port,
        rack: line.rack,
        storages: storages
            .map(|storage| MemberStorage {
                id: storage.id,
                capacity: storage.capacity,
            })
            .collect(),
    };
    let admin = line.admin.map_or(AdminState::InService, |admin| match admin {
        Admin::Decommissioning(since) => AdminState::Decommissioning {
            since: UnixMillis(since),
        },
        Admin::Decommissioned(since) => AdminState::Decommissioned {
            since: UnixMillis(since),
        },
        Admin::Maintenance(until) => AdminState::Maintenance {
            until: UnixMillis(until),
        },
    });
    Member::new(said, admin)
}

/// The lines of a text, one at a time.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    from: &'a str,
    text: String,
    number: u64,
}

impl Lines<'_> {
    /// Goes to the next line; false at the end.
    fn advance(&mut self) -> Result<bool> {
        self.text.clear();
        let read = self.input.read_line(&mut self.text);
        let read = read.map_err(|error: io::Error| Failure::local(self.from, &error))?;
        self.number += 1;
        Ok(read > 0)
    }

    fn wrong(&self, why: &str) -> Failure {
        Failure::new(
            Exit::Failed,
            format_args!("{}: line {}", self.from, self.number),
            why,
        )
    }

    fn head(&mut self) -> Result<Head> {
        self.advance()?;
        let no_export = "this is not an export of `distrifs admin export`";
        let version: Version = serde_json::from_str(&self.text).map_err(|_| self.wrong(no_export))?;
        match version.distrifs_export {
            VERSION => serde_json::from_str(&self.text).map_err(|error| self.wrong(&error.to_string())),
            0 => Err(self.wrong(no_export)),
            newer => Err(self.wrong(&format!(
                "the export was written by a newer version of this program (format {newer}, this one reads up to \
                 {VERSION}): use that version, or a later one"
            ))),
        }
    }

    /// All lines up to that of the root.
    fn before_root(&mut self) -> Result<Root> {
        let (mut lives, mut members, mut settings) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if !self.advance()? {
                return Err(self.wrong("the root is missing: the export was cut"));
            }
            match Line::parse(&self.text).map_err(|why| self.wrong(&why))? {
                Line::Lives(line) => lives.push(ChunkLives {
                    first: line.chunk_ids.0,
                    last: line.chunk_ids.1,
                    lives: line.lives,
                }),
                Line::Datanode(line) => members.push(member(line)),
                Line::Setting(line) => settings.push(line),
                Line::Directory(line) if line.directory == "/" => {
                    let said = Said::of(&line.attributes).map_err(|why| self.wrong(&why))?;
                    return Ok(Root {
                        root: said,
                        lives,
                        members,
                        settings,
                    });
                }
                Line::Directory(_) | Line::File(_) | Line::End(_) => {
                    return Err(self.wrong("the first directory must be the root: /"));
                }
            }
        }
    }
}
