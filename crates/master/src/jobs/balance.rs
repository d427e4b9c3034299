//! The balancer: started and stopped by operators, done by the leader, and only while no chunk has fewer copies than it
//! should.
//!
//! That it is to run is a setting of the cluster (`balance.run`), so that a leader that takes over goes on: its plan begins from
//! what is there, and there is no other state to be kept. When nothing is left to be moved, the leader switches it off.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use namespace::Command;
use placement::{BalanceSettings, BalanceState, BalanceStatus};
use types::{ByteSize, JobState};

use super::{Job, Journal};
use crate::core::Core;

/// How often it goes on.
const INTERVAL: Duration = Duration::from_millis(200);

/// Steps before it looks at the settings, and at who leads, again.
const STEPS_MAX: usize = 16;

/// Heartbeats after which what datanodes say of their space is true.
const SETTLE_HEARTBEATS: u32 = 3;

/// The setting that says whether it is to run.
pub(crate) const SWITCH: &str = "balance.run";

/// See the module's text.
pub(crate) struct Balance(Journal);

impl Balance {
    pub(crate) const fn new() -> Self {
        Self(Journal::new())
    }

    /// Goes on, and tells how it goes.
    pub(crate) async fn step(&self, core: &Core) {
        let wanted = core.machine.read().settings().balance_run;
        let leads = core.leads_now().is_some();
        {
            let mut cluster = core.cluster();
            let runs = matches!(
                cluster.balance_status().state,
                BalanceState::Moving | BalanceState::Settling
            );
            match wanted && leads {
                true if !runs => cluster.start_balancing(),
                false if runs => cluster.stop_balancing(),
                _ => {}
            }
        }
        let status = core.cluster().balance_status();
        if matches!(status.state, BalanceState::Moving | BalanceState::Settling) {
            if let Some(why) = core.jobs.repair.held_up(core) {
                return self.0.set(JobState::Waiting, None, why);
            }
            if core.cluster().is_anything_at_risk() {
                let why = "chunks have fewer copies than they should: repair comes first";
                return self.0.set(JobState::Waiting, None, why);
            }
        }
        let settings = settings(core);
        for _ in 0..STEPS_MAX {
            let more = {
                let mut cluster = core.cluster();
                let namespace = core.machine.read();
                cluster.balance(core.now(), &namespace, settings)
            };
            if !more {
                break;
            }
            tokio::task::yield_now().await;
        }
        let status = core.cluster().balance_status();
        self.tell(&status);
        let over = matches!(status.state, BalanceState::Balanced | BalanceState::Stuck);
        if wanted && leads && over {
            self.switch_off(core).await;
        }
    }

    /// It is over: until somebody wants it again. When this can not be logged, it begins anew, and is soon over again.
    async fn switch_off(&self, core: &Core) {
        let (key, value) = (SWITCH.to_owned(), String::new());
        if let Err(rejection) = core.propose_own(Command::SetSetting { key, value }).await {
            self.0.fail(core.env.clock.wall(), rejection.0.message);
        }
    }

    fn tell(&self, status: &BalanceStatus) {
        let done = format!(
            "{} moves of {} done, {} failed",
            status.moved,
            ByteSize(status.moved_bytes),
            status.failed
        );
        let (state, what) = match status.state {
            BalanceState::Idle => (JobState::Stopped, "not started"),
            BalanceState::Moving => (JobState::Running, "moving"),
            BalanceState::Settling => (JobState::Running, "waiting for moves to end, and for heartbeats"),
            BalanceState::Balanced => (JobState::Idle, "every datanode is near enough to the mean"),
            BalanceState::Stuck => (
                JobState::Waiting,
                "nothing can be moved without making it less safe, or no move succeeds",
            ),
        };
        let under_way = match (status.copying, status.untrimmed, status.left) {
            (0, 0, 0) => String::new(),
            (copying, untrimmed, left) => format!(
                "; {copying} copies under way, {untrimmed} replicas too many still there, {} left to begin",
                ByteSize(left)
            ),
        };
        self.0.set(state, None, format!("{what}; {done}{under_way}"));
    }
}

/// The cluster's settings as the balancer's limits.
fn settings(core: &Core) -> BalanceSettings {
    let settings = core.machine.read().settings();
    BalanceSettings {
        threshold: settings.balance_threshold,
        bandwidth_per_node: settings.balance_bandwidth_per_node,
        settle: core.config.heartbeat_interval * SETTLE_HEARTBEATS,
        ..BalanceSettings::default()
    }
}

impl Job for Balance {
    fn name(&self) -> &'static str {
        "rebalance"
    }

    fn limits(&self) -> &'static [&'static str] {
        &["balance.bandwidth_per_node", SWITCH, "balance.threshold"]
    }

    fn journal(&self) -> &Journal {
        &self.0
    }

    fn run<'a>(&'a self, core: &'a Core) -> BoxFuture<'a, ()> {
        async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                self.step(core).await;
            }
        }
        .boxed()
    }
}
