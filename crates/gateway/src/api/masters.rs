//! What operators ask and change of the masters: members, the lead, safe mode, checkpoints, copies of the metadata.

use axum::Json;
use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use types::MasterId;

use super::model;
use super::problem::Problem;
use super::request::Asked;

type Answer = Result<Json<Value>, Problem>;

pub(super) async fn list(asked: Asked) -> Answer {
    Ok(Json(model::masters(&asked.fs.admin().masters().await?)))
}

pub(super) async fn add(asked: Asked) -> Answer {
    let (asked, body) = asked.json().await?;
    let address = body
        .text("address")
        .ok_or_else(|| Problem::request("address is missing: host:port of the new master".to_owned()))?;
    let id = asked.fs.admin().add_master(address).await?;
    Ok(Json(json!({ "id": id.to_string(), "address": address })))
}

pub(super) async fn remove(asked: Asked) -> Result<StatusCode, Problem> {
    let id = find(&asked, &asked.last()?).await?;
    asked.fs.admin().remove_master(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn transfer(asked: Asked) -> Answer {
    let (asked, body) = asked.json().await?;
    let to = match body.text("to") {
        Some(named) => Some(find(&asked, named).await?),
        None => None,
    };
    asked.fs.admin().transfer_leadership(to).await?;
    list(asked).await
}

/// The master that is named by its address or its id.
async fn find(asked: &Asked, named: &str) -> Result<MasterId, Problem> {
    let group = asked.fs.admin().masters().await?;
    let found = group.named(named).map(|master| master.id);
    found.ok_or_else(|| {
        let known: Vec<_> = group.masters.iter().map(|one| one.address.as_str()).collect();
        let why = format!("there is no master {named}; there are {}", known.join(", "));
        Problem::new(StatusCode::NOT_FOUND, "not-found", why)
    })
}

pub(super) async fn safe_mode(asked: Asked) -> Answer {
    Ok(Json(model::safe_mode(&asked.fs.admin().safe_mode().await?)))
}

pub(super) async fn set_safe_mode(asked: Asked) -> Answer {
    let (asked, body) = asked.json().await?;
    let on = body
        .flag("on")
        .ok_or_else(|| Problem::request("on is missing, or is neither true nor false".to_owned()))?;
    asked.fs.admin().set_safe_mode(on).await?;
    safe_mode(asked).await
}

pub(super) async fn checkpoint(asked: Asked) -> Answer {
    let written = asked.fs.admin().checkpoint().await?;
    Ok(Json(json!({ "index": written.index, "bytes": written.bytes })))
}

/// The copy comes as the leader sends it; the length is known before, so that a copy that broke off is seen to be short.
pub(super) async fn backup(asked: Asked) -> Result<Response, Problem> {
    let parts = asked.fs.admin().backup().await?;
    let length = HeaderValue::from(parts.len());
    let parts = stream::try_unfold(parts, async |mut parts| {
        let part = parts.next().await;
        let part = part.inspect_err(|error| tracing::warn!(%error, "a copy of the metadata ends early"))?;
        Ok::<_, client::Error>(part.map(|part| (part, parts)))
    });
    let mut response = Response::new(Body::from_stream(parts));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}
