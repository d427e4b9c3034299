//! Carries out what is planned: begins faults, ends them, and looks whether servers live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::Result;
use crate::cluster::{Cluster, Means};
use crate::field::Field;
use crate::options::Profile;
use crate::plan::{Fault, Kind, Order, Planner, Rules, Target};
use crate::report::FindingKind;
use crate::watch::Watch;

/// Before the first fault.
const WARM_UP: Duration = Duration::from_secs(2);
/// Between two questions to the plan.
const TICK: Duration = Duration::from_millis(50);
/// How long to wait for a whole cluster while clients rest, before two disks are lost.
const QUIET_MAX: Duration = Duration::from_secs(90);

/// Who torments.
pub(crate) struct Tormentor {
    pub cluster: Cluster,
    field: Arc<Field>,
    watch: Arc<Watch>,
    planner: Planner,
    random: Rng,
    pub begun: u64,
}

impl Tormentor {
    pub(crate) fn new(cluster: Cluster, field: Arc<Field>, watch: Arc<Watch>, means: &Means) -> Self {
        let options = &field.options;
        let rules = Rules {
            datanodes: options.datanodes,
            masters: options.masters,
            replication: options.replication(),
            min_replicas: options.min_replicas(),
            cuts: means.cuts,
            fills: means.fills,
            memory_counts: options.profile == Profile::Flush,
            detection: options.detection(),
            pace: field.pace,
        };
        let seed = options.seed;
        Self {
            cluster,
            planner: Planner::new(rules, seed, field.now() + WARM_UP),
            random: Rng::with_seed(seed ^ 0x0072_6f74),
            field,
            watch,
            begun: 0,
        }
    }

    /// Lets faults happen for `time`, or until the run stops. `tell` is called again and again.
    pub(crate) async fn torment(&mut self, time: Duration, mut tell: impl FnMut(&Self)) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time && !self.field.stopped() {
            let view = self.watch.view();
            while let Some(order) = self.planner.poll(self.field.now(), &view) {
                self.carry_out(order).await?;
                tell(self);
            }
            self.look_for_dead();
            tell(self);
            self.field.rest(TICK).await;
        }
        Ok(())
    }

    /// Ends all that is going on.
    pub(crate) fn stop(&mut self) -> Result<()> {
        for fault in self.planner.finish() {
            self.end(&fault)?;
        }
        Ok(())
    }

    /// What is going on, in words.
    pub(crate) fn active(&self) -> Vec<String> {
        self.planner.active().map(ToString::to_string).collect()
    }

    async fn carry_out(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Begin(fault) if fault.kind == Kind::WipeTwo => {
                // Whatever is acknowledged now must be on three disks first.
                let gate = Arc::clone(&self.field);
                let _rest = gate.gate.write().await;
                self.field.tally().pause();
                let begun = Instant::now();
                while !self.watch.ask().await && begun.elapsed() < QUIET_MAX {
                    tokio::time::sleep(TICK * 10).await;
                }
                if self.watch.view().whole.is_some_and(|(_, whole)| whole) {
                    self.begin(&fault)?;
                    // Both are there again, empty, before anybody writes.
                    tokio::time::sleep(fault.lasts).await;
                    for number in fault.target.datanodes() {
                        self.cluster.datanode(number)?.spawn()?;
                    }
                } else {
                    self.field
                        .event(&format!("{fault} does not happen: {}", self.watch.why()));
                }
                Ok(())
            }
            Order::Begin(fault) => self.begin(&fault),
            Order::End(fault) => {
                self.end(&fault)?;
                self.planner.ended(&fault, self.field.now());
                Ok(())
            }
        }
    }

    fn begin(&mut self, fault: &Fault) -> Result<()> {
        self.begun += 1;
        if fault.kind.destroys() {
            self.field.disk_lost();
        }
        self.field.event(&format!(
            "fault {} begins: {fault}, for {:?}",
            fault.number, fault.lasts
        ));
        *self.field.tally().faults.entry(fault.kind.name()).or_default() += 1;
        let cluster = &mut self.cluster;
        match (&fault.target, fault.kind) {
            (Target::All, _) => cluster.servers().for_each(testbed::server::Server::kill),
            (Target::Datanodes(one, two), _) => {
                for number in [*one, *two] {
                    cluster.datanode(number)?.kill();
                }
                for number in [*one, *two] {
                    Cluster::wipe(cluster.datanode(number)?)?;
                }
            }
            (Target::Datanode(number), Kind::Fill) => cluster.disk(*number)?.fill()?,
            (Target::Datanode(number), Kind::Rot) => {
                for what in cluster.rot(*number, &mut self.random)? {
                    self.field.event(&format!("  {what}"));
                }
            }
            (Target::Datanode(number) | Target::Master(number), kind) => {
                let server = match fault.target {
                    Target::Master(_) => cluster.master(*number)?,
                    _ => cluster.datanode(*number)?,
                };
                match kind {
                    Kind::Kill => server.kill(),
                    Kind::Stop => server.pause()?,
                    Kind::Cut => server.cut()?,
                    Kind::Wipe => Cluster::wipe(server)?,
                    _ => {
                        if let Err(error) = Cluster::terminate(server) {
                            self.field.found(
                                FindingKind::Stuck,
                                &fault.target.to_string(),
                                &error.to_string(),
                            );
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, fault: &Fault) -> Result<()> {
        self.field.event(&format!("fault {} ends: {fault}", fault.number));
        let cluster = &mut self.cluster;
        match (&fault.target, fault.kind) {
            // What rots stays so; two that were lost are there again already.
            (_, Kind::Rot | Kind::WipeTwo) | (Target::Datanodes(..), _) => {}
            (Target::All, _) => {
                for server in cluster.servers() {
                    server.spawn()?;
                }
            }
            (Target::Datanode(number), Kind::Fill) => cluster.disk(*number)?.free()?,
            (Target::Datanode(number) | Target::Master(number), kind) => {
                let server = match fault.target {
                    Target::Master(_) => cluster.master(*number)?,
                    _ => cluster.datanode(*number)?,
                };
                match kind {
                    Kind::Stop => server.resume()?,
                    Kind::Cut => server.mend()?,
                    _ => server.spawn()?,
                }
            }
        }
        Ok(())
    }

    /// Whoever should live and does not is found, and started again.
    pub(crate) fn look_for_dead(&mut self) {
        for server in self.cluster.servers() {
            if let Err(error) = server.check_alive() {
                let name = server.name().to_owned();
                server.kill();
                self.field.found(FindingKind::Died, &name, &error.to_string());
                if let Err(error) = server.spawn() {
                    self.field.found(FindingKind::Died, &name, &error.to_string());
                }
            }
        }
    }
}
