//! Readers that stay with one master each, whoever leads: a leader of the past must not answer them.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use oracle::{Call, Entry, Kind, Outcome};
use proto::v1;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::mark;
use super::record::Record;
use super::workload::Ground;
use crate::wire::Wire;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);
/// Who does not answer for so long says nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// Their numbers in the record begin here.
const PROCESS: u32 = 20_000;

/// Starts one for each master.
pub(super) fn spawn(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    masters: &[String],
    ground: &Ground,
    record: &Arc<Record>,
    ended: &watch::Receiver<bool>,
) {
    for (process, address) in (PROCESS..).zip(masters) {
        let (address, ground) = (address.clone(), ground.clone());
        let (record, ended) = (Arc::clone(record), ended.clone());
        tasks.spawn(async move {
            let mut random = Rng::with_seed(process.into());
            let wire = Wire::connect(&address, 1).await?;
            while !*ended.borrow() {
                let path = ground.shared_name(&mut random);
                let call = Call::Stat {
                    name: record.name(&path),
                };
                let called = record.now();
                let asked = tokio::time::timeout(PATIENCE, stat(&wire, path)).await;
                // Most are refused: only the leader answers. These say nothing.
                if let Ok(Ok(Some(outcome))) = asked {
                    record.push(process, called, call, Some(outcome));
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        });
    }
}

async fn stat(wire: &Wire, path: String) -> anyhow::Result<Option<Outcome>> {
    let request = v1::StatRequest {
        caller: wire.caller(),
        path,
    };
    match wire.namespace(0)?.stat(request).await {
        Ok(answer) => Ok(answer.into_inner().status.and_then(|status| found(&status))),
        Err(status) => {
            let code = proto::detail_of(&status).map(|detail| detail.code());
            Ok((code == Some(v1::ErrorCode::NotFound)).then_some(Outcome::NotFound))
        }
    }
}

fn found(status: &v1::FileStatus) -> Option<Outcome> {
    Some(Outcome::Found(Entry {
        kind: match status.kind() {
            v1::FileKind::File => Kind::File,
            v1::FileKind::Directory => Kind::Directory,
            v1::FileKind::Unspecified => return None,
        },
        mode: u16::try_from(status.mode).ok()?,
        mark: mark(status.mtime_ms),
    }))
}
