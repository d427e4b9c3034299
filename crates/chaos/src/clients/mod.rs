//! Those who work on the cluster.

mod change;
mod files;
mod flush;
mod read;

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

pub(crate) use read::{Look, Part, look};

use crate::Result;
use crate::field::{CALL_MAX, Field};
use crate::options::Profile;
use crate::report::FindingKind;

/// Starts all clients. They end when the run says so, each after the call that it is at.
///
/// # Errors
/// When a client can not be made.
pub fn spawn(tasks: &mut JoinSet<()>, field: &Arc<Field>) -> Result<()> {
    let options = &field.options;
    let (writers, readers) = field.clients;
    for number in 0..writers {
        let field = Arc::clone(field);
        let fs = field.client()?;
        match options.profile {
            Profile::Files => drop(tasks.spawn(files::Writer::new(field, fs, number).run())),
            Profile::Flush => drop(tasks.spawn(flush::Writer::new(field, fs, number).run())),
        }
    }
    for number in 0..readers {
        let fs = field.client()?;
        tasks.spawn(read::Reader::new(Arc::clone(field), fs, number).run());
    }
    Ok(())
}

/// Does one thing, which must come to an end.
async fn bounded(field: &Field, who: &str, what: impl Future<Output = ()>) {
    let begun = Instant::now();
    if tokio::time::timeout(CALL_MAX, what).await.is_err() {
        let seconds = begun.elapsed().as_secs();
        field.found(
            FindingKind::Stuck,
            who,
            &format!("a call has no end after {seconds} s"),
        );
    }
}
