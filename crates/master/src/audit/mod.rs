//! The audit log: every change of the namespace that a client asked this master for, and every one that was denied: who, from
//! where, what, with what result. One line of JSON each.
//!
//! Guarantees, where it is wanted ([`Config::audit`](crate::Config::audit)):
//! - a line is in the queue of the writer before its answer leaves: when the disk is slow, callers wait, and nothing is left
//!   out. A crash can take the lines of the last moments with it: they are written behind the answers, and not synced;
//! - what a master does not answer itself, because another one leads or it is not ready, is not in it: the client asks again;
//! - its size is bounded: a full file is given the name of an older one, and the oldest goes.
//!
//! A file that can not be written is told in the log of the process, and tried again with the next lines.

mod change;
mod file;

use std::sync::Arc;

use env::clock::Clock;
use env::disk::Disk;
use proto::v1;
use proto::v1::ErrorCode;
use proto::v1::operation_result::Result as Answer;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tonic::Request;
use types::UnixMillis;

use crate::config::AuditLog;
use crate::rejection::Rejection;
use crate::service::peer_host;

pub(crate) use change::{Change, Told};

/// Lines that wait for the writer. Beyond it callers wait.
const QUEUE: usize = 4_096;

/// Where changes are told.
pub(crate) struct Audit {
    queue: Option<mpsc::Sender<Entry>>,
}

/// What goes to the writer.
enum Entry {
    Line(String),
    /// Tells when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// A change that is being made: the line that is written when its result is known.
pub(crate) struct Pending(Map<String, Value>);

impl Audit {
    /// Nobody wants it, or it goes to a file.
    pub(crate) fn start(disk: &Arc<dyn Disk>, wanted: Option<&AuditLog>) -> Self {
        let queue = wanted.map(|wanted| {
            let (queue, entries) = mpsc::channel(QUEUE);
            let writer = file::Writer::new(Arc::clone(disk), wanted.clone());
            tokio::spawn(file::run(writer, entries));
            queue
        });
        Self { queue }
    }

    /// Waits until everything that was told by now is written.
    pub(crate) async fn flush(&self) {
        if let Some(queue) = &self.queue {
            let (done, written) = oneshot::channel();
            let _ = queue.send(Entry::Flush(done)).await;
            let _ = written.await;
        }
    }

    /// What `request` asks for, when it is a change and somebody wants to know.
    pub(crate) fn of<T: Told>(&self, operation: &'static str, request: &Request<T>) -> Option<Pending> {
        self.queue.as_ref()?;
        let change = request.get_ref().told()?;
        Some(Pending::of(operation, change, peer_host(request).as_deref()))
    }

    /// The changes among the operations of a batch, in their order.
    pub(crate) fn of_batch(&self, request: &Request<v1::BatchRequest>) -> Vec<Option<Pending>> {
        if self.queue.is_none() {
            return Vec::new();
        }
        let from = peer_host(request);
        let batch = request.get_ref();
        let pending = |operation: &v1::Operation| {
            let (name, change) = change::of_operation(operation.kind.as_ref()?, batch.caller.as_ref())?;
            Some(Pending::of(name, change, from.as_deref()))
        };
        batch.operations.iter().map(pending).collect()
    }

    /// Tells of a change with its result.
    pub(crate) async fn tell(
        &self,
        clock: &dyn Clock,
        pending: Option<Pending>,
        refused: Option<&Rejection>,
    ) {
        if let Some(pending) = pending {
            self.write(clock, pending, refused.map(|rejection| &rejection.0))
                .await;
        }
    }

    /// Tells of the changes of a batch with their results.
    pub(crate) async fn tell_batch(
        &self,
        clock: &dyn Clock,
        pending: Vec<Option<Pending>>,
        result: &Result<v1::BatchResponse, Rejection>,
    ) {
        for (place, pending) in pending.into_iter().enumerate() {
            let Some(pending) = pending else { continue };
            let refused = match result {
                Err(rejection) => Some(&rejection.0),
                Ok(answer) => match answer.results.get(place).and_then(|one| one.result.as_ref()) {
                    Some(Answer::Error(detail)) => Some(detail),
                    _ => None,
                },
            };
            self.write(clock, pending, refused).await;
        }
    }

    async fn write(&self, clock: &dyn Clock, pending: Pending, refused: Option<&v1::ErrorDetail>) {
        let elsewhere =
            refused.is_some_and(|detail| matches!(detail.code(), ErrorCode::NotLeader | ErrorCode::NotReady));
        if let Some(queue) = &self.queue
            && !elsewhere
        {
            // It fails only when the master ends.
            let _ = queue.send(Entry::Line(pending.line(clock.wall(), refused))).await;
        }
    }
}

impl Pending {
    fn of(operation: &str, change: Change<'_>, from: Option<&str>) -> Self {
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
        put(
            "user",
            json!(
                change
                    .caller
                    .map(|caller| caller.user.as_str())
                    .unwrap_or_default()
            ),
        );
        put("from", json!(from));
        put("operation", json!(operation));
        put("path", json!(change.path));
        if let Some((name, value)) = change.detail {
            put(name, json!(value));
        }
        Self(line)
    }

    fn line(self, at: UnixMillis, refused: Option<&v1::ErrorDetail>) -> String {
        let mut line = self.0;
        line.insert("at_ms".to_owned(), json!(at.as_u64()));
        let result = match refused {
            None => "OK",
            Some(detail) => detail.code().as_str_name().trim_start_matches("ERROR_CODE_"),
        };
        line.insert("result".to_owned(), json!(result));
        if let Some(detail) = refused {
            line.insert("why".to_owned(), json!(detail.message));
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_what_and_with_what_result() {
        let caller = v1::Caller {
            user: "ann".to_owned(),
            ..Default::default()
        };
        let request = v1::RenameRequest {
            caller: Some(caller),
            from: "/a\n\"b".to_owned(),
            to: "/c".to_owned(),
            replace: false,
        };
        let pending =
            |request: &v1::RenameRequest| Pending::of("rename", request.told().unwrap(), Some("10.0.0.1"));
        let line = pending(&request).line(UnixMillis(7), None);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "at_ms": 7, "user": "ann", "from": "10.0.0.1", "operation": "rename", "path": "/a\n\"b", "to": "/c", "result": "OK"
        });
        assert_eq!(read, expected);
        let denied = Rejection::new(ErrorCode::PermissionDenied, "/c: no");
        let line = pending(&request).line(UnixMillis(7), Some(&denied.0));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&read["result"], &read["why"]),
            (&json!("PERMISSION_DENIED"), &json!("/c: no"))
        );
    }
}
