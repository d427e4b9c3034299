//! The lines of an export, as they are written and read. The picture is in the module above.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use types::{ClusterId, DatanodeId, StorageId};

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) distrifs_export: u32,
    pub(super) cluster: ClusterId,
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) now_ms: u64,
    pub(super) slotted: bool,
    pub(super) first_generation: u64,
    pub(super) safe_mode: bool,
}

/// Of the first line, what is the same in every version.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) distrifs_export: u32,
}

/// How often slots were given out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Lives {
    pub(super) chunk_ids: (u32, u32),
    pub(super) lives: u32,
}

/// A datanode.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Datanode {
    pub(super) datanode: DatanodeId,
    pub(super) host: String,
    pub(super) data_port: u16,
    pub(super) rack: String,
    pub(super) storages: Vec<Storage>,
    /// None: in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) admin: Option<Admin>,
}

/// What an operator has said of a datanode.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Admin {
    #[serde(rename = "decommissioning_since_ms")]
    Decommissioning(u64),
    #[serde(rename = "decommissioned_since_ms")]
    Decommissioned(u64),
    #[serde(rename = "maintenance_until_ms")]
    Maintenance(u64),
}

/// A setting of the cluster that was chosen.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) setting: String,
    pub(super) value: String,
}

/// One of its volumes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Storage {
    pub(super) id: StorageId,
    pub(super) capacity: u64,
}

/// A directory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Directory<'a> {
    #[serde(borrow)]
    pub(super) directory: Cow<'a, str>,
    #[serde(flatten, borrow)]
    pub(super) attributes: Attributes<'a>,
}

/// A file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct File<'a> {
    #[serde(borrow)]
    pub(super) file: Cow<'a, str>,
    #[serde(flatten, borrow)]
    pub(super) attributes: Attributes<'a>,
    pub(super) replication: u16,
    pub(super) chunk_size: u64,
    pub(super) chunks: Vec<(u64, u64, u64)>,
}

/// What both have.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Attributes<'a> {
    #[serde(borrow)]
    pub(super) mode: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) owner: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) group: Cow<'a, str>,
    pub(super) modified_ms: u64,
    pub(super) accessed_ms: u64,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) end: bool,
    pub(super) directories: u64,
    pub(super) files: u64,
    pub(super) chunks: u64,
}

/// What a line behind the first one can be, told by its first field's name.
#[derive(Debug)]
pub(super) enum Line<'a> {
    Lives(Lives),
    Datanode(Datanode),
    Setting(Setting),
    Directory(Directory<'a>),
    File(File<'a>),
    End(End),
}

impl<'a> Line<'a> {
    /// # Errors
    /// When it is none of them.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        /// Of each kind, the field that tells it.
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            file: Option<Cow<'a, str>>,
            #[serde(borrow)]
            directory: Option<Cow<'a, str>>,
            datanode: Option<serde::de::IgnoredAny>,
            chunk_ids: Option<serde::de::IgnoredAny>,
            setting: Option<serde::de::IgnoredAny>,
            end: Option<bool>,
        }
        let told = |error: serde_json::Error| error.to_string();
        let kind: Kind<'_> = serde_json::from_str(text).map_err(told)?;
        if kind.file.is_some() {
            serde_json::from_str(text).map(Self::File).map_err(told)
        } else if kind.directory.is_some() {
            serde_json::from_str(text).map(Self::Directory).map_err(told)
        } else if kind.datanode.is_some() {
            serde_json::from_str(text).map(Self::Datanode).map_err(told)
        } else if kind.chunk_ids.is_some() {
            serde_json::from_str(text).map(Self::Lives).map_err(told)
        } else if kind.setting.is_some() {
            serde_json::from_str(text).map(Self::Setting).map_err(told)
        } else if kind.end.is_some() {
            serde_json::from_str(text).map(Self::End).map_err(told)
        } else {
            Err(
                "it is neither a file, a directory, a datanode, a setting, a range of chunk ids nor the end"
                    .to_owned(),
            )
        }
    }
}
