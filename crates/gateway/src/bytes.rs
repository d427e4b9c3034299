//! Bytes of files, in and out, in pieces.

use std::io;
use std::ops::Range;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_RANGE;
use client::{Error, FileReader, FileWriter, Origin};
use futures_util::{StreamExt as _, stream};

/// The bytes of `range`, read as they are sent.
pub(crate) fn out(file: &FileReader, range: Range<u64>) -> Body {
    // They are sent behind the answer, when who asked for them is not known any more.
    let origin = Origin::of_this_task();
    let pieces = stream::unfold(Some(file.stream(range)), move |pieces| {
        let origin = origin.clone();
        async move {
            let mut pieces = pieces?;
            match Origin::carry(origin, pieces.next()).await? {
                Ok(piece) => Some((Ok(piece), Some(pieces))),
                // Too late for an answer: the connection ends before the length that was promised.
                Err(error) => {
                    tracing::warn!(%error, "a download ends early");
                    Some((Err(io::Error::other(error)), None))
                }
            }
        }
    });
    Body::from_stream(pieces)
}

/// Why a part of a file is not taken.
pub(crate) const NO_PARTS: &str = "Content-Range says that the body is a part of the file, which would replace all of it: send the whole file";

/// Whether a body is said to be a part of what it is put as (RFC 9110, section 14.5).
pub(crate) fn is_part(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_RANGE)
}

/// Why bytes were not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// Who sends them has gone.
    Sender(String),
    /// The cluster refused them.
    Cluster(Error),
}

impl From<Error> for NotTaken {
    fn from(error: Error) -> Self {
        Self::Cluster(error)
    }
}

/// Writes all that is sent, and closes the file; gives it up when it does not come whole.
pub(crate) async fn take(file: FileWriter, body: Body) -> Result<client::FileStatus, NotTaken> {
    Ok(fill(file, body).await?.close().await?)
}

/// Writes all that is sent; gives the file up when it does not come whole.
pub(crate) async fn fill(mut file: FileWriter, body: Body) -> Result<FileWriter, NotTaken> {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => file.write(&piece).await?,
            Err(error) => {
                // What was to be replaced stays.
                let _ = file.abort().await;
                return Err(NotTaken::Sender(error.to_string()));
            }
        }
    }
    Ok(file)
}
