//! What a program asks for on behalf of somebody else, and how that is told from the rest of what it asks.
//!
//! It goes with the task: whatever the SDK does for the task, tasks that it starts included, is done in its name.

use std::sync::Arc;

use types::TraceId;

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Where something that is asked for comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Which request it is a part of.
    pub trace: TraceId,
    /// The host that asked, where it is another one than this.
    pub host: Option<Arc<str>>,
}

impl Origin {
    /// That of the task that runs; none: the program asks for itself.
    #[must_use]
    pub fn of_this_task() -> Option<Self> {
        ORIGIN.try_with(Clone::clone).ok()
    }

    /// Does `work` in the name of `origin`; of none, as it is.
    pub async fn carry<F: Future>(origin: Option<Self>, work: F) -> F::Output {
        match origin {
            Some(origin) => ORIGIN.scope(origin, work).await,
            None => work.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_with_the_task_and_no_further() {
        let origin = Origin {
            trace: TraceId(7),
            host: Some("h".into()),
        };
        let seen = Origin::carry(Some(origin.clone()), async {
            let here = Origin::of_this_task();
            let there = tokio::spawn(async { Origin::of_this_task() }).await.unwrap();
            (here, there)
        });
        assert_eq!(seen.await, (Some(origin), None));
        assert_eq!(Origin::carry(None, async { Origin::of_this_task() }).await, None);
    }
}
