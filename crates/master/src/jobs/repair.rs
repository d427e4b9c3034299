//! Repair: what is wrong with the replicas is mended, the most urgent first.
//!
//! What is to be done is planned in `placement`, from the queue that the ledger feeds; here it is done when something has
//! happened, and otherwise every 200 ms, by the leader alone, outside of safe mode, and not before the picture is settled. The
//! orders wait for the datanodes' heartbeats (see `cluster`), and are judged once more when they leave.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use namespace::Settings;
use placement::RepairSettings;
use tokio::sync::Notify;
use types::{ByteSize, JobState};

use super::rate::Meter;
use super::{Job, Journal, Rate};
use crate::cluster::Searched;
use crate::core::Core;

/// How often it looks by itself.
const INTERVAL: Duration = Duration::from_millis(200);

/// Between two looks at least.
const PAUSE: Duration = Duration::from_millis(10);

/// Plans that are made before it looks at the settings, and at who leads, again.
const PLANS_MAX: usize = 16;

/// How often a chunk that nobody can read is looked for in quarantines.
const RESTORE_INTERVAL: Duration = Duration::from_secs(30);

/// Between two searches at least, when there are more such chunks than before.
const RESTORE_PAUSE: Duration = Duration::from_secs(1);

/// See the module's text.
pub(crate) struct RepairJob {
    journal: Journal,
    meter: Meter,
    /// Woken when something has happened that may let it go on.
    pub(crate) bell: Notify,
}

impl RepairJob {
    pub(crate) const fn new() -> Self {
        Self {
            journal: Journal::new(),
            meter: Meter::new(),
            bell: Notify::const_new(),
        }
    }

    /// How fast it goes.
    pub(crate) fn rate(&self, now: Duration) -> Rate {
        self.meter.rate(now)
    }

    /// Why nothing may be ordered now.
    pub(crate) fn held_up(&self, core: &Core) -> Option<&'static str> {
        if core.leads_now().is_none() {
            Some("another master leads")
        } else if core.is_starting() || !core.settled() {
            Some("the cluster starts: datanodes have not told all that they have yet")
        } else if !core.takes_changes() {
            Some("safe mode: nothing is ordered until it is left")
        } else {
            None
        }
    }

    async fn step(&self, core: &Core) {
        if let Some(why) = self.held_up(core) {
            return self.journal.set(JobState::Waiting, None, why);
        }
        let settings = settings(&core.machine.read().settings());
        core.cluster().set_repair_settings(settings);
        for _ in 0..PLANS_MAX {
            let more = {
                let mut cluster = core.cluster();
                let namespace = core.machine.read();
                let refilled = cluster.refill(core.now(), &namespace);
                let ordered = cluster.plan_repair(core.now(), &namespace) > 0;
                ordered || refilled || cluster.repair.has_due(core.now())
            };
            if !more {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.tell(core);
    }

    fn tell(&self, core: &Core) {
        let status = core.cluster().repair.status();
        self.meter.count(core.now(), status.copied, status.copied_bytes);
        let waiting: usize = status.queued.iter().map(|(_, count)| count).sum();
        if waiting == 0 && status.copying == 0 && status.verifying == 0 {
            let (copied, bytes) = (status.copied, ByteSize(status.copied_bytes));
            return self.journal.rest(format!(
                "nothing to do; {copied} copies of {bytes} since this master leads"
            ));
        }
        let mut detail = format!(
            "{waiting} chunks wait; {} copies of {} under way, {} verifications; {} copies of {} done",
            status.copying,
            ByteSize(status.copying_bytes),
            status.verifying,
            status.copied,
            ByteSize(status.copied_bytes),
        );
        if status.stuck > 0 {
            detail.push_str(&format!("; {} chunks find no source or no target", status.stuck));
        }
        if let Some(error) = status.last_error {
            self.journal.fail(core.env.clock.wall(), error);
        }
        self.journal.set(JobState::Running, None, detail);
    }
}

/// The cluster's settings as repair's limits.
fn settings(settings: &Settings) -> RepairSettings {
    RepairSettings {
        streams_per_node: settings.repair_streams_per_node,
        streams: settings.repair_streams,
        bandwidth: settings.repair_bandwidth,
        bandwidth_per_node: settings.repair_bandwidth_per_node,
        settle: Duration::from_millis(settings.repair_settle_ms),
        ..RepairSettings::default()
    }
}

impl Job for RepairJob {
    fn name(&self) -> &'static str {
        "repair"
    }

    fn limits(&self) -> &'static [&'static str] {
        &[
            "repair.streams_per_node",
            "repair.bandwidth_per_node",
            "repair.streams",
            "repair.bandwidth",
            "repair.settle_ms",
        ]
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }

    fn run<'a>(&'a self, core: &'a Core) -> BoxFuture<'a, ()> {
        async move {
            let mut search = Search::default();
            loop {
                let _ = tokio::time::timeout(INTERVAL, self.bell.notified()).await;
                // What happens together is looked at together.
                tokio::time::sleep(PAUSE).await;
                core.drain_freed();
                self.step(core).await;
                if self.held_up(core).is_none() && search.is_due(core) {
                    search.from = restore(core, search.from).await;
                }
            }
        }
        .boxed()
    }
}

/// When quarantines are searched: when more chunks can not be read than before, and otherwise from time to time.
#[derive(Debug, Default)]
struct Search {
    last: Option<Duration>,
    unreadable: u64,
    /// Where the next one begins: where the last one had to leave somebody out.
    from: u64,
}

impl Search {
    fn is_due(&mut self, core: &Core) -> bool {
        let now = core.now();
        let unreadable = {
            let cluster = core.cluster();
            cluster
                .ledger
                .chunks()
                .count(|condition| !condition.class.is_readable())
        };
        let passed = |time| self.last.is_none_or(|last| now.saturating_sub(last) >= time);
        let due = unreadable > 0
            && (passed(RESTORE_INTERVAL) || (unreadable > self.unreadable && passed(RESTORE_PAUSE)));
        if due {
            self.last = Some(now);
            self.unreadable = unreadable;
        }
        self.unreadable = self.unreadable.min(unreadable);
        due
    }
}

/// Has everybody look in his quarantine for the chunks that nobody can read: from `begin` on to the end, then those before it. Says
/// where to begin the next time, so that whoever is asked for as much as he takes is asked for the others then.
async fn restore(core: &Core, begin: u64) -> u64 {
    let mut missed = None;
    for (from, until) in [(begin, u64::MAX), (0, begin)] {
        let mut from = Some(from);
        while let Some(at) = from.filter(|at| *at < until) {
            let Searched { next, missed: here } = {
                let mut cluster = core.cluster();
                let namespace = core.machine.read();
                cluster.search_quarantines(&namespace, at)
            };
            missed = missed.or(here);
            from = next;
            tokio::task::yield_now().await;
        }
    }
    missed.unwrap_or(0)
}
