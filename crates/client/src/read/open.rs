//! A file that is being written, opened for reading: its length is what the datanodes show of its last chunks.
//!
//! # Guarantees
//! - Whatever its writer had flushed before the file was opened is seen: any datanode of the pipeline shows it. One that has
//!   started anew since is in no pipeline: its word counts when nobody else has one, and when others stay silent.
//! - Whatever a reader saw before is seen, too, as long as nobody of the pipeline stays silent: a datanode may show bytes whose acknowledgement has not reached the ones before it
//!   in the pipeline yet, but those have them. So the word of one that has more than it shows counts when nobody shows more. One
//!   that shows all that it has shows as much as anybody.
//! - Nothing is seen that is not received by all datanodes of the pipeline.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use transfer::{Node, Op, pb};
use types::FsPath;

use super::target::{Located, locate};
use crate::dataplane::{DataPlane, block};
use crate::fs::Inner;
use crate::status::{FileStatus, ServerInfo};
use crate::{Attempt, Error};

/// Pauses before the masters are asked again, because no datanode tells; there are as many tries as pauses.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(400),
    Duration::from_millis(1500),
    Duration::from_millis(3000),
];

/// What a datanode shows of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    visible: u64,
    /// Bytes that it has: others may show as many.
    received: u64,
    /// More may come.
    growing: bool,
    /// Its datanode has started anew meanwhile, and may have lost what was not on its disk.
    restarted: bool,
}

/// Why nothing can be said of a chunk now.
struct Unknown {
    chunk: types::ChunkId,
    offset: u64,
    tried: Vec<Attempt>,
}

/// The file, with its length by now and the chunks that hold it, as far as the masters told at once.
pub(super) async fn resolve(
    inner: &Arc<Inner>,
    info: &ServerInfo,
    path: &FsPath,
) -> Result<(FileStatus, Vec<Located>), Error> {
    let mut pauses = PAUSES.iter();
    loop {
        let (mut status, chunks) = locate(inner, path, 0).await?;
        let (open, mut chunks): (Vec<_>, Vec<_>) = chunks.into_iter().partition(|chunk| chunk.open);
        let Some(first) = open.first() else {
            return Ok((status, chunks));
        };
        status.len = first.start;
        match measure(
            inner,
            info,
            open,
            status.chunk_size.map_or(0, |size| size.bytes()),
            pauses.len() == 0,
        )
        .await
        {
            Ok(open) => {
                status.len += open.iter().map(|chunk| chunk.extent.len).sum::<u64>();
                chunks.extend(open);
                return Ok((status, chunks));
            }
            Err(unknown) => match pauses.next() {
                // Perhaps the pipeline has changed, or the file is closed by now.
                Some(pause) => tokio::time::sleep(*pause).await,
                None => {
                    return Err(Error::DataUnavailable {
                        path: path.to_string(),
                        offset: unknown.offset,
                        chunk: unknown.chunk,
                        tried: unknown.tried,
                    });
                }
            },
        }
    }
}

/// Gives the chunks that are open their places and visible lengths. What comes behind one that may still grow is not shown.
async fn measure(
    inner: &Inner,
    info: &ServerInfo,
    open: Vec<Located>,
    chunk_size: u64,
    last_try: bool,
) -> Result<Vec<Located>, Unknown> {
    let mut measured = Vec::with_capacity(open.len());
    let mut start = open.first().map_or(0, |first| first.start);
    for mut chunk in open {
        let shown = ask_all(inner, info, &chunk, last_try)
            .await
            .map_err(|tried| Unknown {
                chunk: chunk.extent.chunk,
                offset: start,
                tried,
            })?;
        chunk.start = start;
        chunk.extent.len = shown.visible;
        start += shown.visible;
        if shown.visible > 0 {
            measured.push(chunk);
        }
        if shown.growing && shown.visible < chunk_size {
            break;
        }
    }
    Ok(measured)
}

/// Asks its datanodes one after the other how long a chunk is, until that is sure.
async fn ask_all(
    inner: &Inner,
    info: &ServerInfo,
    chunk: &Located,
    last_try: bool,
) -> Result<Shown, Vec<Attempt>> {
    let mut poll = Poll::new(chunk.extent.len);
    for node in &chunk.replicas {
        let answer = ask(&inner.plane, info, node, chunk).await;
        if let Some(shown) = poll.hear(&node.address(), answer) {
            return Ok(shown);
        }
    }
    poll.end(last_try)
}

/// What the datanodes of a chunk have said. Pure.
///
/// Of those who have been in the pipeline all the time, the first counts that shows all that it has; else the longest of them, and
/// else the longest of the others, once all have answered or it is the last try. When all say that there is nothing, there is nothing
/// yet. Where something is known to be there, nobody will say more of it: that is how long it is, and who reads it will hear why he
/// can not.
struct Poll {
    /// Bytes that are there for sure, as the masters say.
    known: u64,
    longest: Option<Shown>,
    /// Of those that have started anew.
    restarted: Option<Shown>,
    absent: usize,
    silent: usize,
    tried: Vec<Attempt>,
}

impl Poll {
    const fn new(known: u64) -> Self {
        Self {
            known,
            longest: None,
            restarted: None,
            absent: 0,
            silent: 0,
            tried: Vec::new(),
        }
    }

    /// The answer of a datanode; none: it has no replica. Gives what counts, if that is sure now.
    fn hear(&mut self, datanode: &str, answer: Result<Option<Shown>, String>) -> Option<Shown> {
        let longer = |than: Option<Shown>, shown: Shown| {
            let longest = than.filter(|than| than.visible >= shown.visible);
            Some(longest.unwrap_or(shown))
        };
        let why = match answer {
            Ok(Some(shown)) if shown.visible < self.known => {
                format!("it shows {} bytes, and {} are known", shown.visible, self.known)
            }
            Ok(Some(shown)) if shown.restarted => {
                self.restarted = longer(self.restarted, shown);
                "it has started anew, and may have lost what was not on its disk".to_owned()
            }
            Ok(Some(shown)) if shown.visible >= shown.received => return Some(shown),
            Ok(Some(shown)) => {
                self.longest = longer(self.longest, shown);
                format!(
                    "it shows {} bytes of the {} that it has, and others may show more",
                    shown.visible, shown.received
                )
            }
            Ok(None) => {
                self.absent += 1;
                "it has no replica".to_owned()
            }
            Err(why) => {
                self.silent += 1;
                why
            }
        };
        self.tried.push(Attempt {
            datanode: datanode.to_owned(),
            why,
        });
        None
    }

    /// All have been asked.
    fn end(self, last_try: bool) -> Result<Shown, Vec<Attempt>> {
        if let Some(longest) = self.longest.or(self.restarted)
            && (self.silent == 0 || last_try)
        {
            return Ok(longest);
        }
        let nobody_has_it = self.absent > 0 && self.absent == self.tried.len();
        if nobody_has_it && (self.known == 0 || last_try) {
            return Ok(Shown {
                visible: self.known,
                received: self.known,
                growing: true,
                restarted: false,
            });
        }
        Err(self.tried)
    }
}

/// Asks for no bytes, for the sake of what is told beside them; none when there is no replica.
async fn ask(
    plane: &DataPlane,
    info: &ServerInfo,
    node: &Node,
    chunk: &Located,
) -> Result<Option<Shown>, String> {
    let op = Op::ReadBlock(pb::OpReadBlockProto {
        header: plane.header(&block(&info.pool, chunk.extent)),
        offset: 0,
        len: 0,
        send_checksums: Some(true),
        caching_strategy: None,
    });
    let limit = plane.timeouts.read_stall;
    let answer = async {
        let mut connection = plane.connect(&node.address()).await?;
        let written = connection.writer.write_op(&op).await;
        written.map_err(|error| error.to_string())?;
        let response = connection.reader.read_response().await;
        response.map_err(|error| error.to_string())
    };
    let response = timeout(limit, answer)
        .await
        .map_err(|_| format!("no answer within {}", types::format_duration(limit)))??;
    let state = response.replica;
    if state.is_some_and(|state| state.absent()) {
        return Ok(None);
    }
    let response = response.accepted().map_err(|refusal| refusal.to_string())?;
    let state = response.replica.ok_or("it does not tell how much is visible")?;
    Ok(Some(Shown {
        visible: state.visible(),
        // Datanodes of before did not say.
        received: state.received.unwrap_or_else(|| state.visible()),
        growing: state.being_written(),
        restarted: state.restarted(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn shown(visible: u64, received: u64) -> Shown {
        Shown {
            visible,
            received,
            growing: true,
            restarted: false,
        }
    }

    const fn restarted(visible: u64) -> Shown {
        Shown {
            restarted: true,
            ..shown(visible, visible)
        }
    }

    type Answers = Vec<Result<Option<Shown>, String>>;

    /// The length that is found, after so many questions.
    fn poll(known: u64, answers: Answers, last_try: bool) -> (Option<u64>, usize) {
        let mut poll = Poll::new(known);
        let mut asked = 0;
        for answer in answers {
            asked += 1;
            if let Some(shown) = poll.hear("datanode:9866", answer) {
                return (Some(shown.visible), asked);
            }
        }
        (poll.end(last_try).ok().map(|shown| shown.visible), asked)
    }

    fn silence() -> Result<Option<Shown>, String> {
        Err("no answer".to_owned())
    }

    #[test]
    fn one_that_shows_all_that_it_has_is_enough() {
        assert_eq!(
            poll(0, vec![Ok(Some(shown(7, 7))), silence()], false),
            (Some(7), 1)
        );
    }

    #[test]
    fn while_an_acknowledgement_is_on_its_way_the_longest_word_counts() {
        let answers = |last| vec![Ok(Some(shown(7, 9))), Ok(Some(shown(8, 9))), last];
        assert_eq!(poll(0, answers(Ok(Some(shown(9, 9)))), false), (Some(9), 3));
        assert_eq!(poll(0, answers(Ok(Some(shown(7, 8)))), false), (Some(8), 3));
        // Who is silent may have shown more, until there is no more time.
        assert_eq!(poll(0, answers(silence()), false), (None, 3));
        assert_eq!(poll(0, answers(silence()), true), (Some(8), 3));
    }

    #[test]
    fn one_that_has_started_anew_counts_when_nobody_else_does() {
        let answers = |last| vec![Ok(Some(restarted(9))), Ok(Some(restarted(8))), last];
        assert_eq!(poll(0, answers(Ok(Some(shown(7, 7)))), false), (Some(7), 3));
        assert_eq!(poll(0, answers(Ok(Some(shown(6, 7)))), false), (Some(6), 3));
        assert_eq!(poll(0, answers(Ok(None)), false), (Some(9), 3));
        assert_eq!(poll(0, answers(silence()), false), (None, 3));
        assert_eq!(poll(0, answers(silence()), true), (Some(9), 3));
    }

    #[test]
    fn what_is_known_is_the_least_that_counts() {
        let answers = vec![Ok(Some(shown(7, 7))), Ok(Some(restarted(7)))];
        assert_eq!(poll(8, answers, true), (None, 2));
    }

    #[test]
    fn where_nobody_has_a_replica_there_is_what_is_known() {
        assert_eq!(poll(0, vec![Ok(None), Ok(None)], false), (Some(0), 2));
        // Perhaps the pipeline has changed.
        assert_eq!(poll(8, vec![Ok(None), Ok(None)], false), (None, 2));
        assert_eq!(poll(8, vec![Ok(None), Ok(None)], true), (Some(8), 2));
        assert_eq!(poll(0, vec![Ok(None), silence()], true), (None, 2));
        assert_eq!(poll(0, Vec::new(), true), (None, 0));
    }
}
