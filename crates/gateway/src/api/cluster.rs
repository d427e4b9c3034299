//! What operators ask and change.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use client::{DataClass, FsckShow, RebalanceAction, Subject};
use serde_json::{Value, json};
use types::ChunkId;

use super::model;
use super::problem::Problem;
use super::request::Asked;
use crate::path;

type Answer = Result<Json<Value>, Problem>;

/// Files that a check tells one by one at most.
const FILES_MAX: usize = 1_000;

/// Chunks of these, of all together: an answer is put together in memory, and a chunk with its replicas takes some kilobytes of it.
const CHUNKS_MAX: usize = 10_000;

pub(super) async fn me(asked: Asked) -> Answer {
    let info = asked.fs.server_info().await?;
    Ok(Json(json!({
        "user": asked.user,
        "superuser": asked.gateway.superuser().await?,
        "cluster": info.cluster.to_string(),
        "version": info.version,
        "replication": info.replication,
        "min_replicas": info.min_replicas,
        "chunk_size": info.chunk_size.bytes(),
    })))
}

pub(super) async fn health(asked: Asked) -> Answer {
    let health = asked.fs.operations().health().await?;
    Ok(Json(model::health(&health)))
}

pub(super) async fn status(asked: Asked) -> Answer {
    let (operations, admin) = (asked.fs.operations(), asked.fs.admin());
    let (health, space, masters) =
        tokio::join!(operations.health(), asked.fs.cluster_space(), admin.masters());
    let space = space?;
    Ok(Json(json!({
        "health": model::health(&health?),
        "masters": model::masters(&masters?),
        "files": space.files,
        "directories": space.directories,
        "chunks": space.chunks,
    })))
}

pub(super) async fn nodes(asked: Asked) -> Answer {
    let nodes = asked.fs.operations().nodes().await?;
    Ok(Json(json!({ "nodes": model::all(&nodes, model::node) })))
}

pub(super) async fn change_node(asked: Asked) -> Answer {
    let node = asked.last()?;
    let (asked, body) = asked.json().await?;
    let operations = asked.fs.operations();
    let changed = match body.text("state").unwrap_or_default() {
        "in-service" => operations.recommission(&node).await?,
        "decommission" => operations.decommission(&node).await?,
        "maintenance" => {
            let limit = body.number("for_ms").ok_or_else(|| {
                Problem::request("for_ms is missing: how long the maintenance may take".to_owned())
            })?;
            operations.maintain(&node, Duration::from_millis(limit)).await?
        }
        other => {
            return Err(Problem::request(format!(
                "state {other:?} is none of in-service, decommission, maintenance"
            )));
        }
    };
    Ok(Json(model::node(&changed)))
}

pub(super) async fn remove_node(asked: Asked) -> Result<StatusCode, Problem> {
    let node = asked.last()?;
    let force = asked.flag("force")?;
    asked.fs.operations().remove_node(&node, force).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn jobs(asked: Asked) -> Answer {
    let (jobs, settings) = asked.fs.operations().jobs().await?;
    Ok(Json(json!({
        "jobs": model::all(&jobs, model::job),
        "settings": model::all(&settings, model::setting),
    })))
}

pub(super) async fn set(asked: Asked) -> Answer {
    let key = asked.last()?;
    let (asked, body) = asked.json().await?;
    let value = body
        .text("value")
        .ok_or_else(|| Problem::request("value is missing, or is no text".to_owned()))?;
    let setting = asked.fs.operations().set_setting(&key, value).await?;
    Ok(Json(model::setting(&setting)))
}

pub(super) async fn rebalance(asked: Asked) -> Answer {
    let (asked, body) = asked.json().await?;
    let action = match body.text("action").unwrap_or_default() {
        "plan" => RebalanceAction::Plan,
        "start" => RebalanceAction::Start,
        "stop" => RebalanceAction::Stop,
        "status" => RebalanceAction::Status,
        other => {
            return Err(Problem::request(format!(
                "action {other:?} is none of plan, start, stop, status"
            )));
        }
    };
    let report = asked.fs.operations().rebalance(action).await?;
    Ok(Json(model::rebalance(&report)))
}

pub(super) async fn explain(asked: Asked) -> Answer {
    let subject = if let Some(text) = asked.query.text("path") {
        Subject::File(path::parse(text).map_err(Problem::request)?)
    } else if let Some(node) = asked.query.text("node") {
        Subject::Node(node.to_owned())
    } else if let Some(chunk) = asked.number::<u64>("chunk")? {
        let chunk = ChunkId::new(chunk).map_err(|error| Problem::request(error.to_string()))?;
        Subject::Chunk(chunk)
    } else {
        return Err(Problem::request("name a path, a node or a chunk".to_owned()));
    };
    let explanation = asked.fs.operations().explain(&subject).await?;
    Ok(Json(model::explanation(&explanation)))
}

/// Who asks the most at present, and about which directories.
pub(super) async fn activity(asked: Asked) -> Answer {
    Ok(Json(model::activity(&asked.fs.operations().activity().await?)))
}

/// The files that a check tells one by one.
#[derive(Default)]
struct Told {
    files: Vec<Value>,
    chunks: usize,
    /// Some are not told: they are too many, or have too many chunks.
    cut: bool,
}

impl Told {
    /// One more, with so many chunks, unless it is too much.
    fn tell(&mut self, chunks: usize, file: impl FnOnce() -> Value) {
        let all = self.chunks.saturating_add(chunks);
        if self.files.len() < FILES_MAX && all <= CHUNKS_MAX {
            self.files.push(file());
            self.chunks = all;
        } else {
            self.cut = true;
        }
    }
}

/// Goes to the end of what is below the path; the files that are told one by one are cut off.
pub(super) async fn fsck(asked: Asked) -> Answer {
    let below = asked.path_of("path")?;
    let show = match asked.query.text("show").unwrap_or("unhealthy") {
        "none" => None,
        "all" => Some(FsckShow::All),
        "unhealthy" => Some(FsckShow::Unhealthy),
        "at-risk" => Some(FsckShow::AtRisk),
        "lost" => Some(FsckShow::Lost),
        other => {
            return Err(Problem::request(format!(
                "show {other:?} is none of none, all, unhealthy, at-risk, lost"
            )));
        }
    };
    let (replicas, verify) = (asked.flag("replicas")?, asked.flag("verify")?);
    let show = if verify { Some(FsckShow::All) } else { show };
    let operations = asked.fs.operations();
    let mut walk = operations.fsck(&below, show, replicas || verify).await?;
    let mut total = client::FsckPart::default();
    let mut verified = client::Verified::default();
    let mut told = Told::default();
    while let Some(part) = walk.next().await? {
        total.file_counts.add(&part.file_counts);
        total.chunk_counts.add(&part.chunk_counts);
        total.directories += part.directories;
        total.len += part.len;
        for file in &part.files {
            if !verify {
                told.tell(file.chunks.len(), || model::file(file));
                continue;
            }
            let verdict = operations.verify(file).await?;
            verified.add(&verdict);
            let condition = file.condition;
            if verdict.is_good() && condition.class == DataClass::Healthy && !condition.corrupt {
                continue;
            }
            told.tell(file.chunks.len(), || {
                let wrong = model::wrong_replicas(&verdict);
                model::with(model::file(file), "wrong_replicas", wrong)
            });
        }
    }
    Ok(Json(json!({
        "files": told.files,
        "cut": told.cut,
        "file_counts": model::counts(&total.file_counts),
        "chunk_counts": model::counts(&total.chunk_counts),
        "directories": total.directories,
        "len": total.len,
        "verified": verify.then(|| model::verified(&verified)),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_large_files_is_cut_off() {
        let mut told = Told::default();
        for _ in 0..20 {
            told.tell(1_000, || json!({}));
        }
        assert_eq!((told.files.len(), told.chunks, told.cut), (10, CHUNKS_MAX, true));

        let mut small = Told::default();
        for _ in 0..FILES_MAX {
            small.tell(1, || json!({}));
        }
        assert_eq!((small.files.len(), small.cut), (FILES_MAX, false));
        small.tell(1, || json!({}));
        assert_eq!((small.files.len(), small.cut), (FILES_MAX, true));
    }
}
