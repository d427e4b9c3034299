//! Who decides what goes wrong: as in a torment of real processes, and small faults beside it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chaos::plan::{Kind, Order as Planned, Planner, Rules};
use chaos::{Field, Profile, Watch};
use tokio::time::{Instant, sleep};

use crate::faults::Order;
use crate::weather::Forecast;

/// Before the first fault.
const WARM_UP: Duration = Duration::from_secs(1);
/// Between two questions to the plan.
const TICK: Duration = Duration::from_millis(20);
/// And at most so many times as long.
const SLOWEST: u32 = 10;
/// How long to wait for a whole cluster while clients rest, before two disks are lost.
const QUIET_MAX: Duration = Duration::from_secs(90);

/// What is to be done to the hosts. Clones are the same list.
#[derive(Clone, Default)]
pub(crate) struct Orders(Rc<RefCell<VecDeque<Order>>>);

impl Orders {
    pub(crate) fn give(&self, order: Order) {
        self.0.borrow_mut().push_back(order);
    }

    pub(crate) fn take(&self) -> Option<Order> {
        self.0.borrow_mut().pop_front()
    }
}

/// Lets faults happen for `time`, or until something is found.
pub(crate) async fn torment(
    field: &Arc<Field>,
    watch: &Arc<Watch>,
    orders: &Orders,
    mut forecast: Forecast,
    time: Duration,
) {
    let options = &field.options;
    let rules = Rules {
        datanodes: options.datanodes,
        masters: options.masters,
        replication: options.replication(),
        min_replicas: options.min_replicas(),
        cuts: true,
        fills: true,
        memory_counts: options.profile == Profile::Flush,
        detection: options.detection(),
        pace: field.pace,
    };
    let mut planner = Planner::new(rules, options.seed, field.now() + WARM_UP);
    let begun = Instant::now();
    let mut weather_at = begun + WARM_UP;
    // Until the cluster is whole after that, disks do not fail beside it.
    let mut destroyed_at: Option<Duration> = None;
    while begun.elapsed() < time && !field.stopped() {
        let view = watch.view();
        if let (Some(at), Some((asked, true))) = (destroyed_at, view.whole)
            && asked > at + options.detection()
        {
            destroyed_at = None;
        }
        while let Some(order) = planner.poll(field.now(), &view) {
            match order {
                Planned::Begin(fault) => {
                    if fault.kind.destroys() {
                        destroyed_at = Some(field.now());
                    }
                    if fault.kind != Kind::WipeTwo {
                        if fault.kind.destroys() {
                            field.disk_lost();
                        }
                        orders.give(Order::Begin(fault));
                        continue;
                    }
                    // Whatever is acknowledged now must be on three disks first.
                    let _rest = field.gate.write().await;
                    let waited = Instant::now();
                    while !watch.ask().await && waited.elapsed() < QUIET_MAX {
                        sleep(TICK * 10).await;
                    }
                    if watch.view().whole.is_some_and(|(_, whole)| whole) {
                        field.disk_lost();
                        orders.give(Order::Begin(fault.clone()));
                        sleep(fault.lasts).await;
                        // Both are there again, empty, before anybody writes.
                        orders.give(Order::End(fault));
                        sleep(TICK).await;
                    } else {
                        field.event(&format!("{fault} does not happen: {}", watch.why()));
                    }
                }
                Planned::End(fault) => {
                    orders.give(Order::End(fault.clone()));
                    planner.ended(&fault, field.now());
                }
            }
        }
        if Instant::now() >= weather_at {
            // What is only in memory is lost with a disk that fails.
            let rough = destroyed_at.is_none() && options.profile == Profile::Files;
            orders.give(Order::Weather(forecast.next(rough)));
            weather_at = Instant::now() + forecast.pause().saturating_mul(field.pace);
        }
        sleep(TICK * field.pace.min(SLOWEST)).await;
    }
    for fault in planner.finish() {
        orders.give(Order::End(fault));
    }
    orders.give(Order::Calm);
    sleep(TICK).await;
}
