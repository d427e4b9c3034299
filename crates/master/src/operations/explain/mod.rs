//! Why things are as they are: of a file, a datanode, a chunk.

mod chunk;
mod file;
mod node;

use placement::Condition;

pub(crate) use chunk::explain_chunk;
pub(crate) use file::explain_file;
pub(crate) use node::explain_node;

/// A part of an explanation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Paragraph {
    pub(crate) title: String,
    pub(crate) lines: Vec<String>,
}

impl Paragraph {
    fn new(title: &str, lines: Vec<String>) -> Self {
        Self {
            title: title.to_owned(),
            lines,
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// What was asked about.
    pub(crate) subject: String,
    /// How it is; none for nodes, and for chunks that no file holds.
    pub(crate) condition: Option<Condition>,
    pub(crate) paragraphs: Vec<Paragraph>,
}
