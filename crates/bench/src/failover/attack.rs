//! One attack on the leader, and its end.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::probe::Probe;
use super::record::Record;
use crate::cluster::Cluster;
use crate::wire::{self, Leader};

/// How long the masters may take until all follow one leader again.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A log that is so few entries behind has caught up: the masters are asked one after the other.
const LAG_MAX: u64 = 500;
/// So long a leader stays stopped or cut off after another has taken over: it must not notice before it is too late.
const AWAY: Duration = Duration::from_millis(700);

/// What happens to a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Attack {
    Kill,
    Stop,
    Cut,
}

impl Attack {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::Stop => "stopped",
            Self::Cut => "cut off",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Failover {
    pub attack: Attack,
    /// From the attack to the first acknowledged write.
    pub took: Duration,
    /// From the attack to when all masters followed one leader again, on the clock of the record.
    pub window: (u64, u64),
    /// By how much the term rose meanwhile.
    pub terms: u64,
}

/// Attacks the leader, waits for a write, undoes the attack, and waits until all is as before.
pub(super) async fn failover(
    attack: Attack,
    cluster: &mut Cluster,
    probe: &Probe,
    record: &Record,
) -> anyhow::Result<Failover> {
    cluster.check_alive()?;
    let addresses = cluster.addresses().to_vec();
    let before = settled(&addresses).await?;
    let leader = cluster.master_at(&before.address)?;
    let moment = Instant::now();
    match attack {
        Attack::Kill => leader.kill(),
        Attack::Stop => leader.pause()?,
        Attack::Cut => leader.cut()?,
    }
    let took = probe.first_after(moment).await;
    // It is brought back in any case: else nothing that comes after would mean anything.
    if attack != Attack::Kill {
        tokio::time::sleep(AWAY).await;
    }
    match attack {
        Attack::Kill => {
            leader.spawn()?;
            tokio::task::block_in_place(|| leader.ready())?;
        }
        Attack::Stop => leader.resume()?,
        Attack::Cut => leader.mend()?,
    }
    let after = settled(&addresses).await?;
    Ok(Failover {
        attack,
        took: took.with_context(|| format!("after {} was {}", before.address, attack.name()))?,
        window: (record.at(moment), record.now()),
        terms: after.term.saturating_sub(before.term),
    })
}

/// Waits until every master says the same leader and term, and nobody is far behind.
async fn settled(addresses: &[String]) -> anyhow::Result<Leader> {
    let start = Instant::now();
    let mut last = String::new();
    while start.elapsed() < SETTLE_TIMEOUT {
        match agreed(addresses).await {
            Ok(leader) => return Ok(leader),
            Err(error) => last = format!("{error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!(
        "the masters did not agree for {} s: {last}",
        SETTLE_TIMEOUT.as_secs()
    )
}

async fn agreed(addresses: &[String]) -> anyhow::Result<Leader> {
    let mut leader: Option<Leader> = None;
    let mut seen = Vec::new();
    let mut indexes = Vec::new();
    for address in addresses {
        let said = wire::masters(address, Duration::from_millis(500))
            .await
            .with_context(|| address.clone())?;
        seen.push((said.term, said.leader));
        // What each knows of itself: nobody else knows it better.
        let own = said.masters.iter().find(|master| master.id == said.asked);
        indexes.push(own.and_then(|own| own.last_index).unwrap_or_default());
        if said.leader != 0 && said.leader == said.asked {
            leader = Some(Leader {
                address: address.clone(),
                term: said.term,
            });
        }
    }
    if seen.windows(2).any(|two| two.first() != two.last()) {
        bail!("they say different things: {seen:?}");
    }
    let most = indexes.iter().max().copied().unwrap_or_default();
    if indexes.iter().any(|index| index.saturating_add(LAG_MAX) < most) {
        bail!("one is behind: {indexes:?}");
    }
    leader.context("nobody leads")
}
