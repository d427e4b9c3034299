//! Which requests change the namespace, and what they are about.

use proto::v1;
use proto::v1::operation::Kind;

/// What a change is about.
pub(crate) struct Change<'a> {
    pub(crate) caller: Option<&'a v1::Caller>,
    pub(crate) path: &'a str,
    /// What else is worth knowing: where to, to whom.
    pub(crate) detail: Option<(&'static str, String)>,
}

/// A request that can be told of.
pub(crate) trait Told {
    /// What it changes; none when it changes no name and no attribute.
    fn told(&self) -> Option<Change<'_>>;
}

macro_rules! changes {
    ($($request:ident $path:ident $detail:expr;)*) => {$(
        impl Told for v1::$request {
            fn told(&self) -> Option<Change<'_>> {
                let detail: fn(&Self) -> Option<(&'static str, String)> = $detail;
                Some(Change {
                    caller: self.caller.as_ref(),
                    path: &self.$path,
                    detail: detail(self),
                })
            }
        }
    )*};
}

changes! {
    MkdirRequest path |_| None;
    RenameRequest from |request| Some(("to", request.to.clone()));
    DeleteRequest path |request| Some(("recursive", request.recursive.to_string()));
    SetModeRequest path |request| Some(("mode", format!("{:o}", request.mode)));
    SetOwnerRequest path |request| {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        Some(("owner", format!("{}:{}", part(&request.owner), part(&request.group))))
    };
    SetReplicationRequest path |request| Some(("replication", request.replication.to_string()));
    SetTimesRequest path |_| None;
    CreateRequest path |request| Some(("overwrite", request.overwrite.to_string()));
    AppendRequest path |_| None;
    RecoverLeaseRequest path |_| None;
    TruncateRequest path |request| Some(("length", request.length.to_string()));
    ConcatRequest target |request| Some(("sources", request.sources.join(",")));
}

macro_rules! no_changes {
    ($($request:ident)*) => {$(
        impl Told for v1::$request {
            fn told(&self) -> Option<Change<'_>> {
                None
            }
        }
    )*};
}

// Questions, and the steps of a write that was told when the file was created or opened.
no_changes! {
    ServerInfoRequest StatRequest ListRequest LocateRequest ContentSummaryRequest ClusterSpaceRequest
    AddChunkRequest AppendChunkRequest AbandonChunkRequest AbandonFileRequest CompleteRequest SyncRequest RenewLeaseRequest
    BumpGenerationRequest AdditionalDatanodesRequest UpdatePipelineRequest ReportCorruptRequest
}

/// What an operation of a batch changes, with its name; its caller is the batch's.
pub(super) fn of_operation<'a>(
    kind: &'a Kind,
    caller: Option<&'a v1::Caller>,
) -> Option<(&'static str, Change<'a>)> {
    let (name, change) = match kind {
        Kind::Stat(_) | Kind::Locate(_) | Kind::Complete(_) => return None,
        Kind::Mkdir(request) => ("mkdir", request.told()?),
        Kind::Rename(request) => ("rename", request.told()?),
        Kind::Delete(request) => ("delete", request.told()?),
        Kind::SetMode(request) => ("set_mode", request.told()?),
        Kind::SetOwner(request) => ("set_owner", request.told()?),
        Kind::SetTimes(request) => ("set_times", request.told()?),
        Kind::Create(request) => ("create", request.told()?),
    };
    Some((name, Change { caller, ..change }))
}
