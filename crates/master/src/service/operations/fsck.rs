//! A walk over files, sent part by part. The next part is looked at when the one before is taken: who is slow to read costs
//! memory for one part, and nobody's time.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{self, Stream};
use proto::v1;
use tonic::Status;
use types::FsPath;

use super::super::question;
use super::message;
use crate::core::Core;
use crate::operations::{FsckPage, FsckWalk, Show};
use crate::rejection::Rejection;

/// Files in one part: with the chunks of each, that keeps a message far below what is taken.
const FILES_MAX: usize = 100;

pub(super) type Parts = Pin<Box<dyn Stream<Item = Result<v1::FsckPart, Status>> + Send>>;

struct Walk {
    core: Arc<Core>,
    walk: FsckWalk,
    /// Whether files are told, or only counted.
    shows: bool,
    /// Of the last page, what is not sent yet, the next one last.
    left: Vec<v1::FileHealth>,
}

pub(super) async fn begin(core: Arc<Core>, request: v1::FsckRequest) -> Result<Parts, Rejection> {
    let (caller, _) = question(&core, request.caller.as_ref()).await?;
    let path = FsPath::parse(&request.path)?;
    let (show, shows) = match request.show() {
        v1::FsckShow::Unspecified => (Show::Lost, false),
        v1::FsckShow::All => (Show::All, true),
        v1::FsckShow::Unhealthy => (Show::Unhealthy, true),
        v1::FsckShow::AtRisk => (Show::AtRisk, true),
        v1::FsckShow::Lost => (Show::Lost, true),
    };
    let walk = FsckWalk::new(&core, caller, path, show, request.with_replicas)?;
    let walk = Walk {
        core,
        walk,
        shows,
        left: Vec::new(),
    };
    Ok(Box::pin(stream::try_unfold(walk, async |mut walk| {
        let part = walk.next().await.map_err(Status::from)?;
        Ok(part.map(|part| (part, walk)))
    })))
}

impl Walk {
    async fn next(&mut self) -> Result<Option<v1::FsckPart>, Rejection> {
        if !self.left.is_empty() {
            return Ok(Some(v1::FsckPart {
                files: self.some_files(),
                ..v1::FsckPart::default()
            }));
        }
        // Another master may know better by now.
        if self.core.leads_now().is_none() {
            return Err(self.core.not_leader());
        }
        let Some(page) = self.walk.next_page(&self.core).await? else {
            return Ok(None);
        };
        let FsckPage {
            files,
            file_counts,
            chunk_counts,
            directories,
            len,
        } = page;
        if self.shows {
            self.left = files.into_iter().rev().map(message::file_health).collect();
        }
        Ok(Some(v1::FsckPart {
            files: self.some_files(),
            file_counts: message::counted(file_counts),
            chunk_counts: message::counted(chunk_counts),
            directories,
            length: len,
        }))
    }

    fn some_files(&mut self) -> Vec<v1::FileHealth> {
        let keep = self.left.len().saturating_sub(FILES_MAX);
        let mut some = self.left.split_off(keep);
        some.reverse();
        some
    }
}
