//! A writer that never pauses for long: how long a failover takes, as a writer sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use oracle::{Call, Entry, Kind, Outcome};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::{Paths, connect, perform};
use super::record::Record;

/// Between two writes: as fine a failover is measured.
const PAUSE: Duration = Duration::from_millis(4);
/// After so long without an acknowledged write, it is over.
const GIVE_UP: Duration = Duration::from_secs(60);
/// The probe in the record.
const PROCESS: u32 = 10_000;

/// The last acknowledged write: when it was called and when it was acknowledged.
#[derive(Debug, Clone, Copy)]
struct Write {
    called: Instant,
    acknowledged: Instant,
}

/// A task that writes.
#[derive(Debug)]
pub(super) struct Probe {
    last: watch::Receiver<Write>,
}

impl Probe {
    pub(super) fn spawn(
        tasks: &mut JoinSet<anyhow::Result<()>>,
        masters: &[String],
        record: &Arc<Record>,
        ended: &watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let now = Instant::now();
        let (last, seen) = watch::channel(Write {
            called: now,
            acknowledged: now,
        });
        let fs = connect(masters)?;
        let (record, ended) = (Arc::clone(record), ended.clone());
        let number = AtomicU64::new(0);
        tasks.spawn(async move {
            while !*ended.borrow() {
                let path = format!("/probe/{}", number.fetch_add(1, Ordering::Relaxed));
                let call = Call::Create {
                    name: record.name(&path),
                    entry: Entry {
                        kind: Kind::Directory,
                        mode: 0o700,
                        mark: 0,
                    },
                };
                let paths = Paths {
                    first: path.parse()?,
                    second: None,
                };
                let called = Instant::now();
                let outcome = perform(&fs, &call, &paths).await;
                record.push(PROCESS, record.at(called), call, outcome);
                if outcome == Some(Outcome::Done) {
                    let acknowledged = Instant::now();
                    last.send_replace(Write { called, acknowledged });
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        });
        Ok(Self { last: seen })
    }

    /// Waits for the first acknowledged write that was called after `moment`; how long after it the acknowledgement came.
    pub(super) async fn first_after(&self, moment: Instant) -> anyhow::Result<Duration> {
        let mut last = self.last.clone();
        let write = tokio::time::timeout(GIVE_UP, last.wait_for(|write| write.called >= moment))
            .await
            .with_context(|| format!("no write was acknowledged for {} s", GIVE_UP.as_secs()))?
            .context("the probe has ended")?;
        Ok(write.acknowledged.saturating_duration_since(moment))
    }
}
