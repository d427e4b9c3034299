//! Why things are as they are.

use proto::v1;
use proto::v1::explain_request::Subject;
use types::{ChunkId, FsPath};

use super::super::question;
use super::{message, nodes};
use crate::core::Core;
use crate::operations;
use crate::rejection::Rejection;

pub(super) async fn explain(
    core: &Core,
    request: v1::ExplainRequest,
) -> Result<v1::ExplainResponse, Rejection> {
    let (caller, _) = question(core, request.caller.as_ref()).await?;
    let explained = match request.subject {
        None => return Err(proto::Malformed::Missing("subject").into()),
        Some(Subject::Path(path)) => operations::explain_file(core, &caller, &FsPath::parse(&path)?).await?,
        Some(Subject::Chunk(chunk)) => operations::explain_chunk(core, &caller, ChunkId::new(chunk)?)?,
        Some(Subject::Node(node)) => {
            let id = nodes::resolve(core, &node)?;
            operations::explain_node(core, id)?
        }
    };
    let paragraphs = explained.paragraphs.into_iter();
    Ok(v1::ExplainResponse {
        subject: explained.subject,
        condition: explained.condition.map(message::condition),
        paragraphs: paragraphs
            .map(|one| v1::Paragraph {
                title: one.title,
                lines: one.lines,
            })
            .collect(),
    })
}
