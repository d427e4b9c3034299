//! Calls that many make at about the same time, in few messages: creates, completes, questions where chunks are.
//!
//! Each keeps its call id, also when it is asked by itself after all; so what was done is not done again.

use std::sync::Arc;

use proto::v1;
use proto::v1::operation::Kind;
use proto::v1::operation_result::Result as Answer;
use types::FsPath;

use crate::batch;
use crate::fs::Inner;
use crate::gather::Gather;
use crate::rpc::{Limits, call};
use crate::write::FileWriter;
use crate::{Error, FileSystem, Origin};

/// Operations in one message: enough that what a message costs does not count.
const OPERATIONS_MAX: usize = 128;

/// A file that is to be made.
pub(crate) struct Creating {
    pub(crate) fs: FileSystem,
    pub(crate) path: FsPath,
    pub(crate) request: v1::CreateRequest,
}

struct Asked<Q> {
    path: FsPath,
    request: Q,
}

/// Calls `Q`, answered by `A`. Those in one message are in the name of the same origin, which is the message's.
type Calls<Q, A> = Arc<Gather<Option<Origin>, Q, Result<A, Error>>>;

/// What waits for its message.
pub(crate) struct Together {
    /// The answer is a writer, so that a file whose creator has given up meanwhile is given up, too.
    creates: Calls<Creating, FileWriter>,
    completes: Calls<Asked<v1::CompleteRequest>, v1::CompleteResponse>,
    locates: Calls<Asked<v1::LocateRequest>, v1::LocateResponse>,
}

impl Together {
    pub(crate) fn new() -> Self {
        let weight_max = OPERATIONS_MAX as u64;
        Self {
            creates: Gather::new(OPERATIONS_MAX, weight_max),
            completes: Gather::new(OPERATIONS_MAX, weight_max),
            locates: Gather::new(OPERATIONS_MAX, weight_max),
        }
    }
}

/// Has `item` carried with others of this task's origin; `carry` runs in its name, too.
async fn join<Q, A, F>(
    calls: &Calls<Q, A>,
    item: Q,
    carry: impl Fn(Vec<Q>) -> F + Send + Sync + 'static,
) -> Option<Result<A, Error>>
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Future<Output = Vec<Result<A, Error>>> + Send + 'static,
{
    let origin = Origin::of_this_task();
    let of = origin.clone();
    let carry = move |items| Origin::carry(of.clone(), carry(items));
    by_itself(calls.join(origin, item, 1, carry).await)
}

/// Whether the master may know nothing of such messages, or their answer does not fit: then each is asked by itself.
fn by_itself<A>(answer: Option<Result<A, Error>>) -> Option<Result<A, Error>> {
    answer.filter(|answer| !matches!(answer, Err(Error::Protocol { .. } | Error::NotReplicated { .. })))
}

/// The call id goes with the operation; all else of the caller is the message's.
fn operation(caller: &mut Option<v1::Caller>, kind: impl FnOnce() -> Kind) -> v1::Operation {
    v1::Operation {
        call_id: caller.take().map_or(0, |caller| caller.call_id),
        kind: Some(kind()),
    }
}

/// Makes a file, and opens it for writing.
pub(crate) async fn create(creating: Creating) -> Result<FileWriter, Error> {
    let inner = Arc::clone(creating.fs.inner());
    let again = Creating {
        fs: creating.fs.clone(),
        path: creating.path.clone(),
        request: creating.request.clone(),
    };
    let calls = Arc::clone(&inner.together.creates);
    let answer = join(&calls, creating, move |items| {
        create_all(Arc::clone(&inner), items)
    });
    match answer.await {
        Some(answer) => answer,
        None => {
            let Creating { fs, path, request } = again;
            let rpc = &fs.inner().rpc;
            let publish = request.publish();
            let answer = call!(rpc, "create", path.as_str(), create, request).await?;
            FileWriter::begun(&fs, &path, publish, answer).await
        }
    }
}

async fn create_all(inner: Arc<Inner>, items: Vec<Creating>) -> Vec<Result<FileWriter, Error>> {
    let (mut operations, mut files) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for Creating {
        fs,
        path,
        mut request,
    } in items
    {
        files.push((fs, path, request.publish()));
        operations.push(operation(&mut request.caller.take(), || Kind::Create(request)));
    }
    let subject = subject(files.iter().map(|(_, path, _)| path));
    let results = match batch::send(&inner, inner.rpc.limits(), "create", &subject, operations).await {
        Ok(results) => results,
        Err(error) => return files.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut writers = Vec::with_capacity(files.len());
    for ((fs, path, publish), result) in files.into_iter().zip(results) {
        writers.push(match result.result {
            Some(Answer::Create(answer)) => FileWriter::begun(&fs, &path, publish, answer).await,
            other => Err(unexpected("create", &path, other)),
        });
    }
    writers
}

/// Closes a file.
pub(crate) async fn complete(
    inner: &Arc<Inner>,
    path: &FsPath,
    request: v1::CompleteRequest,
) -> Result<v1::CompleteResponse, Error> {
    // The master answers when the datanodes have confirmed, so one attempt may take as long as all.
    let limit = inner.config.timeouts.close;
    let limits = Limits {
        attempt: limit,
        total: limit,
    };
    let asked = Asked {
        path: path.clone(),
        request: request.clone(),
    };
    let all = Arc::clone(inner);
    let answer = join(&inner.together.completes, asked, move |items| {
        complete_all(Arc::clone(&all), limits, items)
    });
    match answer.await {
        Some(answer) => answer,
        None => call!(within limits, inner.rpc, "close", path.as_str(), complete, request).await,
    }
}

async fn complete_all(
    inner: Arc<Inner>,
    limits: Limits,
    items: Vec<Asked<v1::CompleteRequest>>,
) -> Vec<Result<v1::CompleteResponse, Error>> {
    let (paths, operations): (Vec<_>, Vec<_>) = items
        .into_iter()
        .map(|Asked { path, mut request }| {
            (
                path,
                operation(&mut request.caller.take(), || Kind::Complete(request)),
            )
        })
        .unzip();
    let understand = |path: &FsPath, answer| match answer {
        Some(Answer::Complete(answer)) => Ok(answer),
        other => Err(unexpected("close", path, other)),
    };
    answers(&inner, limits, "close", &paths, operations, understand).await
}

/// Asks where the chunks of a file are.
pub(crate) async fn locate(
    inner: &Arc<Inner>,
    path: &FsPath,
    request: v1::LocateRequest,
) -> Result<v1::LocateResponse, Error> {
    let asked = Asked {
        path: path.clone(),
        request: request.clone(),
    };
    let all = Arc::clone(inner);
    let answer = join(&inner.together.locates, asked, move |items| {
        locate_all(Arc::clone(&all), items)
    });
    match answer.await {
        Some(answer) => answer,
        None => call!(inner.rpc, "open", path.as_str(), locate, request).await,
    }
}

async fn locate_all(
    inner: Arc<Inner>,
    items: Vec<Asked<v1::LocateRequest>>,
) -> Vec<Result<v1::LocateResponse, Error>> {
    let (paths, operations): (Vec<_>, Vec<_>) = items
        .into_iter()
        .map(|Asked { path, mut request }| {
            (
                path,
                operation(&mut request.caller.take(), || Kind::Locate(request)),
            )
        })
        .unzip();
    let understand = |path: &FsPath, answer| match answer {
        Some(Answer::Locate(answer)) => Ok(answer),
        other => Err(unexpected("open", path, other)),
    };
    answers(&inner, inner.rpc.limits(), "open", &paths, operations, understand).await
}

/// Sends the operations, each about one of `paths`, and understands the answer to each.
async fn answers<A>(
    inner: &Inner,
    limits: Limits,
    operation: &'static str,
    paths: &[FsPath],
    operations: Vec<v1::Operation>,
    understand: impl Fn(&FsPath, Option<Answer>) -> Result<A, Error>,
) -> Vec<Result<A, Error>> {
    match batch::send(inner, limits, operation, &subject(paths.iter()), operations).await {
        Ok(results) => {
            let answers = paths.iter().zip(results);
            answers
                .map(|(path, result)| understand(path, result.result))
                .collect()
        }
        Err(error) => paths.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// What a message is about, in words.
fn subject<'a>(mut paths: impl ExactSizeIterator<Item = &'a FsPath>) -> String {
    match (paths.len(), paths.next()) {
        (1, Some(path)) => path.to_string(),
        (count, _) => format!("{count} files"),
    }
}

/// An operation was refused, or answered as another.
fn unexpected(operation: &'static str, path: &FsPath, answer: Option<Answer>) -> Error {
    match answer {
        Some(Answer::Error(detail)) => Error::from_detail(operation, path.as_str(), detail),
        _ => Error::Protocol {
            operation,
            why: "the answer is that of another operation".to_owned(),
        },
    }
}
