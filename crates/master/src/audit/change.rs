//! Which requests change the namespace or the cluster, and what they are about.

use std::borrow::Cow;

use proto::v1;
use proto::v1::operation::Kind;

/// What a change is about.
pub(crate) struct Change<'a> {
    pub(crate) caller: Option<&'a v1::Caller>,
    /// What kind of thing it changes: `path`, `node`, `master`, `setting`, `cluster`.
    pub(crate) kind: &'static str,
    /// Which one.
    pub(crate) subject: Cow<'a, str>,
    /// What else is worth knowing: where to, to whom.
    pub(crate) detail: Option<(&'static str, String)>,
}

/// A request that can be told of.
pub(crate) trait Told {
    /// Who asks.
    fn caller(&self) -> Option<&v1::Caller>;
    /// About which path.
    fn path(&self) -> Option<&str>;
    /// What it changes; none when it changes no name and no attribute.
    fn told(&self) -> Option<Change<'_>>;
}

macro_rules! changes {
    ($($request:ident $path:ident $detail:expr;)*) => {$(
        impl Told for v1::$request {
            fn caller(&self) -> Option<&v1::Caller> {
                self.caller.as_ref()
            }

            fn path(&self) -> Option<&str> {
                Some(&self.$path)
            }

            fn told(&self) -> Option<Change<'_>> {
                let detail: fn(&Self) -> Option<(&'static str, String)> = $detail;
                Some(Change {
                    caller: self.caller.as_ref(),
                    kind: "path",
                    subject: Cow::Borrowed(self.$path.as_str()),
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

macro_rules! orders {
    ($($request:ident $kind:literal $subject:expr, $detail:expr;)*) => {$(
        impl Told for v1::$request {
            fn caller(&self) -> Option<&v1::Caller> {
                self.caller.as_ref()
            }

            fn path(&self) -> Option<&str> {
                None
            }

            fn told(&self) -> Option<Change<'_>> {
                let subject: fn(&Self) -> String = $subject;
                let detail: fn(&Self) -> Option<(&'static str, String)> = $detail;
                Some(Change {
                    caller: self.caller.as_ref(),
                    kind: $kind,
                    subject: Cow::Owned(subject(self)),
                    detail: detail(self),
                })
            }
        }
    )*};
}

// What operators order.
orders! {
    AddMasterRequest "master" |request| request.address.clone(), |_| None;
    RemoveMasterRequest "master" |request| types::MasterId(request.id).to_string(), |_| None;
    TransferLeadershipRequest "master" |request| types::MasterId(request.id).to_string(), |_| None;
    SetSafeModeRequest "cluster" |_| "safe mode".to_owned(), |request| Some(("on", request.on.to_string()));
    CheckpointRequest "cluster" |_| "checkpoint".to_owned(), |_| None;
    BackupRequest "cluster" |_| "backup".to_owned(), |_| None;
    SetNodeStateRequest "node" |request| request.node.clone(), |request| {
        Some(("state", request.state().as_str_name().trim_start_matches("ADMIN_STATE_").to_lowercase()))
    };
    RemoveNodeRequest "node" |request| request.node.clone(), |request| Some(("force", request.force.to_string()));
    SetSettingRequest "setting" |request| request.key.clone(), |request| Some(("value", request.value.clone()));
}

impl Told for v1::RebalanceRequest {
    fn caller(&self) -> Option<&v1::Caller> {
        self.caller.as_ref()
    }

    fn path(&self) -> Option<&str> {
        None
    }

    fn told(&self) -> Option<Change<'_>> {
        let action = match self.action() {
            v1::RebalanceAction::Start => "start",
            v1::RebalanceAction::Stop => "stop",
            _ => return None,
        };
        Some(Change {
            caller: self.caller.as_ref(),
            kind: "cluster",
            subject: Cow::Borrowed("balancer"),
            detail: Some(("action", action.to_owned())),
        })
    }
}

macro_rules! no_changes {
    ($($request:ident $(at $path:ident)?;)*) => {$(
        impl Told for v1::$request {
            fn caller(&self) -> Option<&v1::Caller> {
                self.caller.as_ref()
            }

            fn path(&self) -> Option<&str> {
                None$(.or(Some(self.$path.as_str())))?
            }

            fn told(&self) -> Option<Change<'_>> {
                None
            }
        }
    )*};
}

// Questions, and the steps of a write that was told when the file was created or opened.
no_changes! {
    StatRequest at path;
    ListRequest at path;
    LocateRequest at path;
    ContentSummaryRequest at path;
    ClusterSpaceRequest;
    AddChunkRequest;
    AppendChunkRequest;
    AbandonChunkRequest;
    AbandonFileRequest;
    CompleteRequest;
    SyncRequest;
    RenewLeaseRequest;
    BumpGenerationRequest;
    AdditionalDatanodesRequest;
    UpdatePipelineRequest;
    ReportCorruptRequest;
}

impl Told for v1::ServerInfoRequest {
    fn caller(&self) -> Option<&v1::Caller> {
        None
    }

    fn path(&self) -> Option<&str> {
        None
    }

    fn told(&self) -> Option<Change<'_>> {
        None
    }
}

/// Which path an operation of a batch is about.
pub(crate) fn path_of(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Stat(request) => request.path(),
        Kind::Locate(request) => request.path(),
        Kind::Mkdir(request) => request.path(),
        Kind::Rename(request) => request.path(),
        Kind::Delete(request) => request.path(),
        Kind::SetMode(request) => request.path(),
        Kind::SetOwner(request) => request.path(),
        Kind::SetTimes(request) => request.path(),
        Kind::Create(request) => request.path(),
        Kind::Complete(_) => None,
    }
}

/// What a message with these operations is called: as the only one of them, or as what it is.
pub(crate) fn name_of(operations: &[v1::Operation]) -> &'static str {
    match operations {
        [v1::Operation { kind: Some(kind), .. }] => name(kind),
        _ => "batch",
    }
}

const fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Stat(_) => "stat",
        Kind::Locate(_) => "locate",
        Kind::Mkdir(_) => "mkdir",
        Kind::Rename(_) => "rename",
        Kind::Delete(_) => "delete",
        Kind::SetMode(_) => "set_mode",
        Kind::SetOwner(_) => "set_owner",
        Kind::SetTimes(_) => "set_times",
        Kind::Create(_) => "create",
        Kind::Complete(_) => "complete",
    }
}

/// What an operation of a batch changes, with its name; its caller is the batch's.
pub(super) fn of_operation<'a>(
    kind: &'a Kind,
    caller: Option<&'a v1::Caller>,
) -> Option<(&'static str, Change<'a>)> {
    let change = match kind {
        Kind::Stat(_) | Kind::Locate(_) | Kind::Complete(_) => return None,
        Kind::Mkdir(request) => request.told()?,
        Kind::Rename(request) => request.told()?,
        Kind::Delete(request) => request.told()?,
        Kind::SetMode(request) => request.told()?,
        Kind::SetOwner(request) => request.told()?,
        Kind::SetTimes(request) => request.told()?,
        Kind::Create(request) => request.told()?,
    };
    Some((name(kind), Change { caller, ..change }))
}
