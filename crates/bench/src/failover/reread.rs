//! Every name is read again at the end.

use std::sync::Arc;

use anyhow::Context as _;
use oracle::Call;
use tokio::task::JoinSet;

use super::client::{Paths, connect, perform};
use super::record::Record;

/// How many names are read at once.
const AT_ONCE: usize = 32;
/// The readers in the record.
const PROCESS: u32 = 30_000;

/// Looks at every name that was ever more than looked at.
pub(super) async fn all(masters: &[String], record: &Arc<Record>) -> anyhow::Result<()> {
    let names = Arc::new(record.changed());
    let fs = connect(masters)?;
    let mut tasks = JoinSet::new();
    for (process, first) in (PROCESS..).zip(0..AT_ONCE) {
        let (names, fs, record) = (Arc::clone(&names), fs.clone(), Arc::clone(record));
        tasks.spawn(async move {
            for (name, path) in names.iter().skip(first).step_by(AT_ONCE) {
                let paths = Paths {
                    first: path.parse()?,
                    second: None,
                };
                let call = Call::Stat { name: *name };
                let called = record.now();
                let outcome = perform(&fs, &call, &paths).await;
                record.push(process, called, call, outcome);
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.context("a reader panicked")??;
    }
    Ok(())
}
