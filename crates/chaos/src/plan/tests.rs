//! The planner against a cluster that is whole when it likes.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use proptest::prelude::*;

use super::*;

fn rules(datanodes: usize, masters: usize, memory_counts: bool) -> Rules {
    let replication = datanodes.min(3);
    Rules {
        datanodes,
        masters,
        replication,
        min_replicas: replication.min(2),
        cuts: true,
        fills: true,
        memory_counts,
        detection: Duration::from_secs(20),
        pace: 1,
    }
}

/// What happened in a run, and the promises that must hold in each.
struct Run {
    begun: BTreeMap<Kind, u32>,
    trace: String,
}

fn run(rules: &Rules, seed: u64, whole_seed: u64, seconds: u64) -> Run {
    let mut planner = Planner::new(rules.clone(), seed, Duration::from_secs(2));
    let mut world = Rng::with_seed(whole_seed);
    let mut active: Vec<Fault> = Vec::new();
    let mut destroyed: BTreeSet<usize> = BTreeSet::new();
    let mut last_damage = Duration::ZERO;
    let mut begun = BTreeMap::new();
    let mut trace = String::new();
    let mut view = View::default();
    let mut broken_until = Duration::ZERO;
    for tick in 0..seconds * 10 {
        let now = Duration::from_millis(tick * 100);
        let whole = active.is_empty() && now > broken_until;
        if tick % 10 == 0 {
            let ready = |number| !active.iter().any(|fault| fault.target == Target::Master(number));
            view = View {
                whole: Some((now, whole)),
                leader: Some(world.usize(..rules.masters)),
                masters: Some((now, (0..rules.masters).map(ready).collect())),
            };
            if whole && now >= last_damage + rules.detection {
                destroyed.clear();
            }
        }
        while let Some(order) = planner.poll(now, &view) {
            match order {
                Order::Begin(fault) => {
                    trace.push_str(&format!("{now:?} {fault}\n"));
                    *begun.entry(fault.kind).or_default() += 1;
                    let datanodes = fault.target.datanodes();
                    let destroys = fault.kind.destroys() && !datanodes.is_empty();
                    if destroys || (rules.memory_counts && !datanodes.is_empty()) {
                        let copies = if fault.kind == Kind::WipeTwo {
                            rules.replication
                        } else {
                            rules.min_replicas
                        };
                        assert!(whole || !destroys, "{fault} while the cluster was not whole");
                        destroyed.extend(datanodes);
                        assert!(
                            destroyed.len() < copies,
                            "{fault}: {destroyed:?} of {copies} copies\n{trace}"
                        );
                    }
                    active.push(fault);
                }
                Order::End(fault) => {
                    active.retain(|known| *known != fault);
                    planner.ended(&fault, now);
                    if (fault.kind.destroys() || rules.memory_counts) && !fault.target.datanodes().is_empty()
                    {
                        last_damage = now;
                    }
                    broken_until = now + Duration::from_millis(world.u64(0..20_000));
                }
            }
            let masters: BTreeSet<_> = active
                .iter()
                .filter(|fault| matches!(fault.target, Target::Master(_)))
                .map(|fault| fault.target.clone())
                .collect();
            assert!(
                masters.len() <= (rules.masters.saturating_sub(1) / 2).max(1),
                "{masters:?}"
            );
        }
        assert_eq!(planner.active().count(), active.len());
    }
    let left = planner.finish();
    assert_eq!(left.len(), active.len());
    Run { begun, trace }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_more_is_destroyed_than_may_be(
        datanodes in 1..7_usize,
        masters in prop::sample::select(vec![1_usize, 3, 5]),
        memory in any::<bool>(),
        seed in any::<u64>(),
        world in any::<u64>(),
    ) {
        let run = run(&rules(datanodes, masters, memory), seed, world, 600);
        prop_assert!(run.begun.values().sum::<u32>() > 5);
        if masters == 1 {
            prop_assert!(!run.trace.contains("master-1 disk lost"));
        }
        if memory {
            prop_assert!(!run.begun.contains_key(&Kind::WipeTwo) && !run.begun.contains_key(&Kind::Blackout));
        }
    }
}

#[test]
fn everything_happens_in_the_long_run() {
    let mut begun = BTreeMap::new();
    for seed in 0..10 {
        begun.extend(run(&rules(5, 3, false), seed, seed, 1200).begun);
    }
    for kind in Kind::ALL {
        assert!(begun.contains_key(&kind), "{kind:?} never happens: {begun:?}");
    }
}

#[test]
fn the_same_seed_plans_the_same() {
    let rules = rules(5, 3, false);
    assert_eq!(run(&rules, 7, 1, 300).trace, run(&rules, 7, 1, 300).trace);
    assert_ne!(run(&rules, 7, 1, 300).trace, run(&rules, 8, 1, 300).trace);
}

#[test]
fn what_can_not_be_done_here_is_not_planned() {
    let rules = Rules {
        cuts: false,
        fills: false,
        ..rules(5, 3, false)
    };
    for seed in 0..5 {
        let begun = run(&rules, seed, seed, 600).begun;
        assert!(!begun.contains_key(&Kind::Cut) && !begun.contains_key(&Kind::Fill));
    }
}
