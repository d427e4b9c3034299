//! One round: every operation once, by so many callers at once.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::bare;
use crate::cluster::Cluster;
use crate::metadata::operation::{Caller, Ground, Operation};
use crate::took::Took;
use crate::wire::Wire;

/// How a round is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub callers: usize,
    /// Operations in a message; 1: each alone.
    pub batch: u64,
    /// How long an operation is repeated that has no end of its own.
    pub time: Duration,
}

/// One operation of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub operation: Operation,
    pub count: u64,
    pub took: Took,
}

/// Does a round in the directory `dir`, which is there and empty.
pub(crate) fn round(
    runtime: &Runtime,
    cluster: &Cluster,
    wire: &Wire,
    bare: &bare::Calls,
    plan: Plan,
    ground: &Ground,
) -> anyhow::Result<Vec<Measured>> {
    let mut callers = Vec::new();
    for number in 0..plan.callers {
        let own = format!("{}/{number}", ground.own);
        let ground = Ground {
            own,
            ..ground.clone()
        };
        callers.push(Caller::new(wire, number, ground)?.with_bare(bare.connection(number)?));
    }
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        let yardstick = matches!(operation, Operation::Bare | Operation::Ping);
        if plan.batch > 1 && !operation.batched() && !yardstick {
            continue;
        }
        let (took, (back, count)) = Took::of(
            || Ok(cluster.cpu_seconds()? + bare.cpu_seconds()?),
            || runtime.block_on(all(callers, operation, plan)),
        )?;
        callers = back;
        measured.push(Measured {
            operation,
            count,
            took,
        });
    }
    Ok(measured)
}

/// Lets all callers do `operation`; gives them back, and how often it was done.
async fn all(callers: Vec<Caller>, operation: Operation, plan: Plan) -> anyhow::Result<(Vec<Caller>, u64)> {
    let mut tasks = JoinSet::new();
    for caller in callers {
        tasks.spawn(one(caller, operation, plan));
    }
    let mut back = Vec::new();
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        let (caller, done) = done.context("a caller panicked")??;
        back.push(caller);
        count += done;
    }
    Ok((back, count))
}

async fn one(mut caller: Caller, operation: Operation, plan: Plan) -> anyhow::Result<(Caller, u64)> {
    let end = Instant::now() + plan.time;
    // What is there is done to each once; what is not is made until the time is over.
    let all = match operation.consumes() {
        true => u64::try_from(caller.created())?,
        false => u64::MAX,
    };
    let batch = if operation.batched() { plan.batch } else { 1 };
    let mut count = 0;
    while count < all && (operation.consumes() || Instant::now() < end) {
        if batch > 1 {
            let next = batch.min(all - count);
            caller.batch(operation, count, next).await?;
            count += next;
        } else {
            caller.call(operation, count).await?;
            count += 1;
        }
    }
    Ok((caller, count))
}
