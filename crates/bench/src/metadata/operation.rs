//! What is measured, and what each caller does for it.

use anyhow::{Context as _, bail, ensure};
use proto::v1;
use proto::v1::operation::Kind;
use proto::v1::operation_result::Result as Answer;
use serde::Serialize;
use tonic::transport::Channel;

use crate::bare;
use crate::wire::Wire;

/// One kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// Nothing, of the gRPC library alone: see [`bare`].
    Bare,
    /// Nothing: what a call costs at least.
    Ping,
    Stat,
    /// Where the chunks of a file are.
    Open,
    /// A directory with a hundred entries.
    List,
    Mkdir,
    /// A file appears, open for writing.
    Create,
    /// The same file is closed, empty.
    Close,
    Rename,
    Delete,
}

impl Operation {
    /// All, in the order in which they are measured: each finds what the one before has left.
    pub(crate) const ALL: [Self; 10] = [
        Self::Bare,
        Self::Ping,
        Self::Stat,
        Self::Open,
        Self::List,
        Self::Mkdir,
        Self::Create,
        Self::Close,
        Self::Rename,
        Self::Delete,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare call",
            Self::Ping => "empty call",
            Self::Stat => "stat",
            Self::Open => "open (locate)",
            Self::List => "list (100)",
            Self::Mkdir => "mkdir",
            Self::Create => "create",
            Self::Close => "close",
            Self::Rename => "rename",
            Self::Delete => "delete",
        }
    }

    /// Whether a batch can have it.
    pub(crate) const fn batched(self) -> bool {
        !matches!(self, Self::Bare | Self::Ping | Self::List)
    }

    /// Whether it is done to what [`Operation::Create`] has made, to each once.
    pub(crate) const fn consumes(self) -> bool {
        matches!(self, Self::Close | Self::Rename | Self::Delete)
    }
}

/// What a caller works on.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    /// Where files are that have a chunk, `0` to `files - 1`.
    pub read: String,
    pub files: u64,
    /// A directory with a hundred entries.
    pub list: String,
    /// Where this caller makes things.
    pub own: String,
}

/// One caller: its connection, what it works on, and what it has made.
pub(crate) struct Caller {
    wire: Wire,
    namespace: v1::namespace_client::NamespaceClient<Channel>,
    admin: v1::admin_client::AdminClient<Channel>,
    bare: Option<Channel>,
    ground: Ground,
    /// Files that were created, by their number: their inodes.
    inodes: Vec<u64>,
    random: fastrand::Rng,
}

impl Caller {
    pub(crate) fn new(wire: &Wire, number: usize, ground: Ground) -> anyhow::Result<Self> {
        Ok(Self {
            wire: wire.clone(),
            namespace: wire.namespace(number)?,
            admin: wire.admin(number)?,
            bare: None,
            ground,
            inodes: Vec::new(),
            random: fastrand::Rng::with_seed(u64::try_from(number)?),
        })
    }

    /// Where it makes bare calls.
    pub(crate) fn with_bare(self, bare: Channel) -> Self {
        Self {
            bare: Some(bare),
            ..self
        }
    }

    /// How many files this caller has created.
    pub(crate) const fn created(&self) -> usize {
        self.inodes.len()
    }

    /// Does `operation` once, as the call of this number.
    pub(crate) async fn call(&mut self, operation: Operation, number: u64) -> anyhow::Result<()> {
        let caller = self.wire.caller();
        match self.kind(operation, number)? {
            None if operation == Operation::Bare => {
                bare::call(self.bare.clone().context("nobody answers bare calls")?).await?;
            }
            None if operation == Operation::Ping => {
                self.admin.ping(v1::PingRequest {}).await?;
            }
            None => {
                let path = self.ground.list.clone();
                let list = v1::ListRequest {
                    caller,
                    path,
                    start_after: String::new(),
                    limit: 0,
                };
                let entries = self.namespace.list(list).await?.into_inner().entries;
                ensure!(entries.len() == 100, "{} of 100 entries came", entries.len());
            }
            Some(kind) => self.unary(caller, kind).await?,
        }
        Ok(())
    }

    async fn unary(&mut self, caller: Option<v1::Caller>, kind: Kind) -> anyhow::Result<()> {
        let client = &mut self.namespace;
        match kind {
            Kind::Stat(request) => drop(client.stat(v1::StatRequest { caller, ..request }).await?),
            Kind::Locate(request) => drop(client.locate(v1::LocateRequest { caller, ..request }).await?),
            Kind::Mkdir(request) => drop(client.mkdir(v1::MkdirRequest { caller, ..request }).await?),
            Kind::Rename(request) => drop(client.rename(v1::RenameRequest { caller, ..request }).await?),
            Kind::Delete(request) => drop(client.delete(v1::DeleteRequest { caller, ..request }).await?),
            Kind::Complete(request) => {
                drop(client.complete(v1::CompleteRequest { caller, ..request }).await?)
            }
            Kind::Create(request) => {
                let created = client.create(v1::CreateRequest { caller, ..request }).await?;
                self.inodes.push(created.into_inner().inode);
            }
            Kind::SetMode(_) | Kind::SetOwner(_) | Kind::SetTimes(_) => bail!("this is not measured"),
        }
        Ok(())
    }

    /// Does `operation` `count` times in one message, as the calls from this number on.
    pub(crate) async fn batch(&mut self, operation: Operation, first: u64, count: u64) -> anyhow::Result<()> {
        let mut operations = Vec::new();
        for number in first..first + count {
            operations.push(v1::Operation {
                call_id: self.wire.next_call(),
                kind: self.kind(operation, number)?,
            });
        }
        let request = v1::BatchRequest {
            caller: self.wire.caller(),
            operations,
        };
        let results = self.namespace.batch(request).await?.into_inner().results;
        ensure!(
            u64::try_from(results.len())? == count,
            "{} of {count} results came",
            results.len()
        );
        for result in results {
            match result.result.context("an operation has no result")? {
                Answer::Error(error) => bail!("{}: {}", operation.name(), error.message),
                Answer::Create(created) => self.inodes.push(created.inode),
                Answer::Done(_) | Answer::Stat(_) | Answer::Locate(_) | Answer::Complete(_) => {}
            }
        }
        Ok(())
    }

    /// The request, without its caller; none for what only comes alone.
    fn kind(&mut self, operation: Operation, number: u64) -> anyhow::Result<Option<Kind>> {
        let own = &self.ground.own;
        Ok(Some(match operation {
            Operation::Bare | Operation::Ping | Operation::List => return Ok(None),
            Operation::Stat => Kind::Stat(v1::StatRequest {
                path: self.readable(),
                ..Default::default()
            }),
            Operation::Open => Kind::Locate(v1::LocateRequest {
                path: self.readable(),
                ..Default::default()
            }),
            Operation::Mkdir => Kind::Mkdir(v1::MkdirRequest {
                path: format!("{own}/d{number}"),
                mode: 0o755,
                ..Default::default()
            }),
            Operation::Create => Kind::Create(v1::CreateRequest {
                path: format!("{own}/f{number}"),
                mode: 0o644,
                publish: v1::Publish::AtCreate.into(),
                ..Default::default()
            }),
            Operation::Close => Kind::Complete(v1::CompleteRequest {
                inode: usize::try_from(number)
                    .ok()
                    .and_then(|number| self.inodes.get(number).copied())
                    .context("there is no such file to close")?,
                ..Default::default()
            }),
            Operation::Rename => Kind::Rename(v1::RenameRequest {
                from: format!("{own}/f{number}"),
                to: format!("{own}/r{number}"),
                ..Default::default()
            }),
            Operation::Delete => Kind::Delete(v1::DeleteRequest {
                path: format!("{own}/r{number}"),
                ..Default::default()
            }),
        }))
    }

    fn readable(&mut self) -> String {
        format!("{}/{}", self.ground.read, self.random.u64(..self.ground.files))
    }
}
