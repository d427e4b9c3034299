//! A namespace to text.

use std::borrow::Cow;
use std::io;

use namespace::FileStatus;
use serde::Serialize;
use types::{AdminState, ChunkSize};

use super::line::{Admin, Attributes, Datanode, Directory, End, File, Head, Lives, Setting, Storage};
use super::{Counts, VERSION};
use crate::failure::{Exit, Failure, Result};
use crate::offline::{Current, walk};

/// Writes all of it.
///
/// # Errors
/// When there is no cluster in it, or `out` fails, which is told of `to`.
pub(crate) fn write(current: &Current, out: &mut dyn io::Write, to: &str) -> Result<Counts> {
    let namespace = &current.namespace;
    let Some(cluster) = namespace.cluster() else {
        return Err(Failure::new(
            Exit::Failed,
            "nothing to export",
            "this master belongs to no cluster yet",
        ));
    };
    let mut put = Put { out, to };
    put.line(&Head {
        distrifs_export: VERSION,
        cluster,
        index: current.index,
        term: current.seen.as_u64(),
        now_ms: namespace.now().as_u64(),
        slotted: namespace.is_slotted(),
        first_generation: namespace.first_generation().as_u64(),
        safe_mode: namespace.safe_mode(),
    })?;
    for range in namespace.chunk_lives() {
        put.line(&Lives {
            chunk_ids: (range.first, range.last),
            lives: range.lives,
        })?;
    }
    for member in namespace.members() {
        let storages = member.storages.iter();
        put.line(&Datanode {
            datanode: member.id,
            host: member.host.clone(),
            data_port: member.data_port,
            rack: member.rack.clone(),
            storages: storages
                .map(|storage| Storage {
                    id: storage.id,
                    capacity: storage.capacity,
                })
                .collect(),
            admin: match member.admin {
                AdminState::InService => None,
                AdminState::Decommissioning { since } => Some(Admin::Decommissioning(since.0)),
                AdminState::Decommissioned { since } => Some(Admin::Decommissioned(since.0)),
                AdminState::Maintenance { until } => Some(Admin::Maintenance(until.0)),
            },
        })?;
    }
    for setting in namespace.setting_texts() {
        if setting.value != setting.default {
            put.line(&Setting {
                setting: setting.key.to_owned(),
                value: setting.value,
            })?;
        }
    }
    let mut counts = Counts::default();
    walk(namespace, |node| {
        let Some(chunk_size) = node.status.chunk_size.map(ChunkSize::bytes) else {
            counts.directories += 1;
            return put.line(&Directory {
                directory: Cow::Borrowed(node.path.as_str()),
                attributes: attributes(node.status),
            });
        };
        let chunks: Vec<_> = (node.chunks.iter())
            .filter_map(|chunk| Some((chunk.chunk.as_u64(), chunk.generation.as_u64(), chunk.len?)))
            .collect();
        counts.files += 1;
        counts.chunks += chunks.len() as u64;
        put.line(&File {
            file: Cow::Borrowed(node.path.as_str()),
            attributes: attributes(node.status),
            replication: node.status.replication,
            chunk_size,
            chunks,
        })
    })?;
    put.line(&End {
        end: true,
        directories: counts.directories,
        files: counts.files,
        chunks: counts.chunks,
    })?;
    Ok(counts)
}

fn attributes(status: &FileStatus) -> Attributes<'_> {
    Attributes {
        mode: Cow::Owned(format!("{:04o}", status.mode)),
        owner: Cow::Borrowed(&status.owner),
        group: Cow::Borrowed(&status.group),
        modified_ms: status.mtime.as_u64(),
        accessed_ms: status.atime.as_u64(),
    }
}

struct Put<'a> {
    out: &'a mut dyn io::Write,
    to: &'a str,
}

impl Put<'_> {
    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        let written = serde_json::to_writer(&mut *self.out, line)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|error| Failure::local(self.to, &error))
    }
}
