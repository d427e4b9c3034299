//! The audit log: every change of the namespace or the cluster that was asked of this master, and every one that was denied: who, from
//! where, what, with what result. One line of JSON each.
//!
//! Guarantees, where it is wanted ([`Config::audit`](crate::Config::audit)):
//! - a line is in the queue of the writer before its answer leaves: when the disk is slow, callers wait, and nothing is left
//!   out. A crash can take the lines of the last moments with it: they are written behind the answers, and not synced;
//! - a change whose caller hangs up before the answer has a line, too: whether it is made is not known then (`UNKNOWN`);
//! - what a master does not answer itself, because another one leads or it is not ready, is not in it: the client asks again;
//! - its size is bounded: a full file is given the name of an older one, and the oldest goes.
//!
//! A file that can not be written is told in the log of the process, and tried again with the next lines.

mod change;
mod file;

use std::sync::Arc;

use env::Env;
use env::clock::Clock;
use proto::v1;
use proto::v1::ErrorCode;
use proto::v1::operation_result::Result as Answer;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tonic::Request;
use types::{TraceId, UnixMillis};

use crate::config::AuditLog;
use crate::rejection::Rejection;
use crate::service::peer_host;

pub(crate) use change::{Change, Told, name_of, path_of};

/// Lines that wait for the writer. Beyond it callers wait.
const QUEUE: usize = 4_096;

/// Where changes are told.
pub(crate) struct Audit {
    out: Option<Out>,
}

/// The way to the writer.
#[derive(Clone)]
struct Out {
    queue: mpsc::Sender<Entry>,
    clock: Arc<dyn Clock>,
}

/// What goes to the writer.
enum Entry {
    Line(String),
    /// Tells when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// A change that is being made: the line that is written when its result is known, or when nobody waits for it any more.
pub(crate) struct Pending {
    line: Map<String, Value>,
    /// None: it is told.
    out: Option<Out>,
}

impl Audit {
    /// Nobody wants it, or it goes to a file.
    pub(crate) fn start(env: &Env, wanted: Option<&AuditLog>) -> Self {
        let out = wanted.map(|wanted| {
            let (queue, entries) = mpsc::channel(QUEUE);
            let writer = file::Writer::new(Arc::clone(&env.disk), wanted.clone());
            tokio::spawn(file::run(writer, entries));
            let clock = Arc::clone(&env.clock);
            Out { queue, clock }
        });
        Self { out }
    }

    /// Waits until everything that was told by now is written.
    pub(crate) async fn flush(&self) {
        if let Some(out) = &self.out {
            let (done, written) = oneshot::channel();
            let _ = out.queue.send(Entry::Flush(done)).await;
            let _ = written.await;
        }
    }

    /// What `request` asks for, when it is a change and somebody wants to know.
    pub(crate) fn of<T: Told>(&self, operation: &'static str, request: &Request<T>) -> Option<Pending> {
        let out = self.out.as_ref()?;
        let change = request.get_ref().told()?;
        Some(Pending {
            line: line_of(operation, change, peer_host(request).as_deref()),
            out: Some(out.clone()),
        })
    }

    /// The changes among the operations of a batch, in their order.
    pub(crate) fn of_batch(&self, request: &Request<v1::BatchRequest>) -> Vec<Option<Pending>> {
        let Some(out) = &self.out else {
            return Vec::new();
        };
        let from = peer_host(request);
        let batch = request.get_ref();
        let pending = |operation: &v1::Operation| {
            let (name, change) = change::of_operation(operation.kind.as_ref()?, batch.caller.as_ref())?;
            Some(Pending {
                line: line_of(name, change, from.as_deref()),
                out: Some(out.clone()),
            })
        };
        batch.operations.iter().map(pending).collect()
    }

    /// Tells of the changes of a batch with their results.
    pub(crate) async fn tell_batch(
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
            pending.tell(refused).await;
        }
    }
}

impl Pending {
    /// Tells of it with its result.
    pub(crate) async fn tell(mut self, refused: Option<&v1::ErrorDetail>) {
        let elsewhere =
            refused.is_some_and(|detail| matches!(detail.code(), ErrorCode::NotLeader | ErrorCode::NotReady));
        let result = match refused {
            None => "OK",
            Some(detail) => detail.code().as_str_name().trim_start_matches("ERROR_CODE_"),
        };
        let line = std::mem::take(&mut self.line);
        let out = self.out.take().filter(|_| !elsewhere);
        if let Some(Out { queue, clock }) = out {
            let why = refused.map(|detail| detail.message.as_str());
            // It fails only when the master ends.
            let _ = queue
                .send(Entry::Line(text(line, clock.wall(), result, why)))
                .await;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(Out { queue, clock }) = self.out.take() else {
            return;
        };
        let why = "the caller did not wait for the answer";
        let line = text(std::mem::take(&mut self.line), clock.wall(), "UNKNOWN", Some(why));
        // Nobody is there who could wait.
        if let Err(error) = queue.try_send(Entry::Line(line)) {
            tracing::error!(%error, "a line of the audit log is lost");
        }
    }
}

/// What is known of a change when it begins.
fn line_of(operation: &str, change: Change<'_>, from: Option<&str>) -> Map<String, Value> {
    let mut line = Map::new();
    let user = change.caller.map(|caller| caller.user.as_str());
    let mut put = |name: &str, value: Value| {
        line.insert(name.to_owned(), value);
    };
    put("user", json!(user.unwrap_or_default()));
    match change
        .caller
        .map(|caller| caller.from.as_str())
        .filter(|named| !named.is_empty())
    {
        // A gateway asks for somebody.
        Some(named) => {
            put("from", json!(named));
            put("via", json!(from));
        }
        None => put("from", json!(from)),
    }
    if let Some(trace) = change
        .caller
        .map(|caller| TraceId(caller.trace))
        .filter(|trace| trace.is_some())
    {
        put("request", json!(trace.to_string()));
    }
    put("operation", json!(operation));
    put(change.kind, json!(change.subject));
    if let Some((name, value)) = change.detail {
        put(name, json!(value));
    }
    line
}

/// The whole line.
fn text(mut line: Map<String, Value>, at: UnixMillis, result: &str, why: Option<&str>) -> String {
    line.insert("at_ms".to_owned(), json!(at.as_u64()));
    line.insert("result".to_owned(), json!(result));
    if let Some(why) = why {
        line.insert("why".to_owned(), json!(why));
    }
    let mut text = Value::Object(line).to_string();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> v1::RenameRequest {
        let caller = v1::Caller {
            user: "ann".to_owned(),
            ..Default::default()
        };
        v1::RenameRequest {
            caller: Some(caller),
            from: "/a\n\"b".to_owned(),
            to: "/c".to_owned(),
            replace: false,
        }
    }

    async fn lines(make: impl AsyncFnOnce(&Audit)) -> Vec<Value> {
        let dir = tempfile::tempdir().unwrap();
        let wanted = AuditLog::new(dir.path().join("audit.log"));
        let audit = Audit::start(&Env::real(), Some(&wanted));
        make(&audit).await;
        audit.flush().await;
        let text = std::fs::read_to_string(&wanted.path).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn a_line_says_who_what_and_with_what_result() {
        let denied = Rejection::new(ErrorCode::PermissionDenied, "/c: no");
        let elsewhere = Rejection::not_leader(None);
        let lines = lines(async |audit| {
            for refused in [None, Some(&denied.0), Some(&elsewhere.0)] {
                let pending = audit.of("rename", &Request::new(request()));
                pending.unwrap().tell(refused).await;
            }
        });
        let mut lines = lines.await;
        assert_eq!(lines.len(), 2, "what another master answers is not in it");
        assert!(lines[0].as_object_mut().unwrap().remove("at_ms").is_some());
        let expected = json!({
            "user": "ann", "from": null, "operation": "rename", "path": "/a\n\"b", "to": "/c", "result": "OK"
        });
        assert_eq!(lines[0], expected);
        assert_eq!(
            (&lines[1]["result"], &lines[1]["why"]),
            (&json!("PERMISSION_DENIED"), &json!("/c: no"))
        );
    }

    #[tokio::test]
    async fn a_change_that_nobody_waits_for_has_a_line_too() {
        let lines = lines(async |audit| drop(audit.of("rename", &Request::new(request()))));
        let lines = lines.await;
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (&lines[0]["path"], &lines[0]["result"]),
            (&json!("/a\n\"b"), &json!("UNKNOWN"))
        );
    }
}
