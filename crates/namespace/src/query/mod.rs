//! Questions to the state machine. None changes anything, and none needs the log.

mod answer;
mod chunk;
mod delete;
mod ids;
mod list;
mod locate;
mod paths;
mod stat;
mod summary;
mod writer;

pub use answer::{ChunkInfo, ContentSummary, Located, Page, Totals, WriterFile};
pub use ids::ChunkLives;
pub(crate) use stat::{acknowledged, status};
