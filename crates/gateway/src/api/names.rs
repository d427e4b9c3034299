//! Names: what is there, and changes of it.

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::model;
use super::problem::Problem;
use super::request::Asked;
use crate::path;
use crate::query::octal_mode;

const PREFIX: &str = "/api/v1/names";

type Answer = Result<Json<Value>, Problem>;

/// A page of a directory; of a file, itself.
pub(super) async fn list(asked: Asked) -> Answer {
    let path = asked.path(PREFIX)?;
    let itself = asked.fs.stat(&path).await?;
    if itself.is_file() || asked.flag("itself")? {
        return Ok(Json(
            json!({ "path": path.as_str(), "itself": model::entry(&itself) }),
        ));
    }
    let mut pages = asked.fs.list(&path);
    if let Some(name) = asked.query.text("after") {
        pages = pages.behind(name);
    }
    let page = pages.next_page().await?.unwrap_or_default();
    let next = page.last().filter(|_| !pages.is_over()).map(|last| &last.name);
    Ok(Json(json!({
        "path": path.as_str(),
        "itself": model::entry(&itself),
        "entries": model::all(&page, model::entry),
        "next": next,
    })))
}

/// How much is below a path.
pub(super) async fn usage(asked: Asked) -> Answer {
    let path = asked.path_of("path")?;
    let summary = asked.fs.content_summary(&path).await?;
    Ok(Json(json!({
        "files": summary.files,
        "directories": summary.directories,
        "len": summary.len,
        "space": summary.space,
    })))
}

/// Makes a directory, renames, changes attributes, takes a file from its writer.
pub(super) async fn change(asked: Asked) -> Answer {
    let path = asked.path(PREFIX)?;
    let (asked, body) = asked.json().await?;
    let fs = &asked.fs;
    let text = |name: &str| body.text(name);
    let mut is_at = path.clone();
    match text("do").unwrap_or_default() {
        "mkdir" => fs.mkdir(&path, 0o755, true).await?,
        "rename" => {
            let to = text("to").ok_or_else(|| Problem::request("to is missing".to_owned()))?;
            is_at = path::parse(to).map_err(Problem::request)?;
            let replace = body.flag("replace").unwrap_or(false);
            fs.rename(&path, &is_at, replace).await?;
        }
        "attributes" => {
            if let Some(mode) = text("mode") {
                let mode =
                    octal_mode(mode).ok_or_else(|| Problem::request("mode is not octal".to_owned()))?;
                fs.set_mode(&path, mode).await?;
            }
            if text("owner").is_some() || text("group").is_some() {
                fs.set_owner(&path, text("owner"), text("group")).await?;
            }
            if let Some(replication) = body.number("replication") {
                let replication = u16::try_from(replication)
                    .map_err(|_| Problem::request(format!("replication {replication} is too large")))?;
                fs.set_replication(&path, replication).await?;
            }
        }
        "recover-lease" => {
            let waits_for = fs.recover_lease(&path).await?;
            let file = model::entry(&fs.stat(&path).await?);
            return Ok(Json(model::with(file, "waits_for", json!(waits_for))));
        }
        other => {
            return Err(Problem::request(format!(
                "do {other:?} is none of mkdir, rename, attributes, recover-lease"
            )));
        }
    }
    Ok(Json(model::entry(&fs.stat(&is_at).await?)))
}

pub(super) async fn delete(asked: Asked) -> Result<StatusCode, Problem> {
    let path = asked.path(PREFIX)?;
    let recursive = asked.flag("recursive")?;
    asked.fs.delete(&path, recursive).await?;
    Ok(StatusCode::NO_CONTENT)
}
