//! Questions to the state machine. None changes anything, and none needs the log.

mod answer;

pub use answer::{ChunkInfo, ContentSummary, Located, Page, Totals, WriterFile};
