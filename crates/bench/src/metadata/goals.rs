//! What the figures are held against. Printed beside them; a benchmark never fails for it.

use crate::metadata::Peer;
use crate::metadata::figures::{Figures, Setting};
use crate::metadata::operation::Operation;
use crate::report::print_columns;

/// What a benchmark is to reach: of what, and how much.
struct Goal {
    what: String,
    reached: Option<String>,
    wanted: String,
    met: Option<bool>,
}

/// What is held against other systems.
const COMPARED: [Operation; 4] = [
    Operation::Create,
    Operation::Stat,
    Operation::Rename,
    Operation::Mkdir,
];

/// The goals, for the largest number of callers and the batches that were measured.
pub(crate) fn print(
    figures: &Figures,
    masters: &[usize],
    callers: usize,
    (batch, batch_callers): (u64, usize),
) {
    let mut goals = Vec::new();
    for &masters in masters {
        let setting = |system, batch| Setting {
            system,
            masters,
            callers,
            batch,
        };
        let own = setting(super::DISTRIFS, 1);
        let share = |operation| {
            let figure = figures.get(own, operation)?;
            Some(figure.share_of_empty.median())
        };
        let share_of_bare = |operation| {
            let figure = figures.get(own, operation)?;
            Some(figure.share_of_bare.median())
        };
        let rate = |setting, operation| {
            let figure = figures.get(setting, operation)?;
            Some(figure.per_second.median())
        };
        let needed = if masters == 1 { 0.5 } else { 0.3 };
        let of = format!("{masters} master(s), {callers} callers");
        goals.push(goal(
            format!("{of}: stat, of empty calls"),
            share(Operation::Stat),
            0.8,
            2,
        ));
        goals.push(goal(
            format!("{of}: create, of empty calls"),
            share(Operation::Create),
            needed,
            2,
        ));
        goals.push(no_goal(
            format!("{of}: create, of bare calls"),
            share_of_bare(Operation::Create),
            2,
        ));
        for operation in COMPARED {
            let what = format!("{of}: {}, times HDFS's", operation.name());
            let ratio = times(figures, own, Peer::Hdfs, operation);
            goals.push(match operation {
                Operation::Create => goal(what, ratio, 5.0, 1),
                _ => no_goal(what, ratio, 1),
            });
        }
        if masters > 1 {
            goals.extend(COMPARED.map(|operation| {
                no_goal(
                    format!(
                        "{of}: {}, times that of HDFS with 3 journal nodes",
                        operation.name()
                    ),
                    times(figures, own, Peer::HdfsJournals, operation),
                    1,
                )
            }));
        }
        let batched = Setting {
            callers: batch_callers,
            ..setting(super::DISTRIFS, batch)
        };
        goals.push(goal(
            format!("{of}: stat in batches, per second"),
            rate(batched, Operation::Stat),
            200_000.0,
            0,
        ));
        if masters > 1 {
            let create = rate(batched, Operation::Create);
            goals.push(goal(
                format!("{of}: create in batches, per second"),
                create,
                50_000.0,
                0,
            ));
        }
    }
    let mut rows = vec![["goal", "reached", "wanted", ""].map(str::to_owned).to_vec()];
    for goal in goals {
        let Some(reached) = goal.reached else {
            continue;
        };
        let met = match goal.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        rows.push(vec![goal.what, reached, goal.wanted, met.to_owned()]);
    }
    println!();
    print_columns(&rows);
}

fn goal(what: String, reached: Option<f64>, wanted: f64, decimals: usize) -> Goal {
    Goal {
        what,
        reached: reached.map(|reached| format!("{reached:.decimals$}")),
        wanted: format!("≥ {wanted:.decimals$}"),
        met: reached.map(|reached| reached >= wanted),
    }
}

/// What there is no goal for, but is good to know.
fn no_goal(what: String, reached: Option<f64>, decimals: usize) -> Goal {
    Goal {
        what,
        reached: reached.map(|reached| format!("{reached:.decimals$}")),
        wanted: String::new(),
        met: None,
    }
}

/// How many times the rate of `peer`, which has one NameNode, it is; none if either was not measured.
fn times(figures: &Figures, own: Setting, peer: Peer, operation: Operation) -> Option<f64> {
    let rate = |setting| Some(figures.get(setting, operation)?.per_second.median());
    let theirs = rate(Setting {
        system: peer.name(),
        masters: 1,
        ..own
    })?;
    (theirs > 0.0).then_some(rate(own)? / theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::DISTRIFS;
    use crate::metadata::round::Measured;
    use crate::took::Took;

    const OWN: Setting = Setting {
        system: DISTRIFS,
        masters: 3,
        callers: 64,
        batch: 1,
    };

    fn measure(figures: &mut Figures, setting: Setting, count: u64) {
        let took = Took {
            seconds: 1.0,
            client_cpu: 0.1,
            server_cpu: 0.2,
        };
        let operation = Operation::Create;
        figures.push(
            setting,
            &[Measured {
                operation,
                count,
                took,
            }],
        );
    }

    fn of(peer: Peer) -> Setting {
        Setting {
            system: peer.name(),
            masters: 1,
            ..OWN
        }
    }

    #[test]
    fn each_peer_is_held_against_its_own_figures() {
        let mut figures = Figures::default();
        let create = |figures: &Figures, peer| times(figures, OWN, peer, Operation::Create);
        measure(&mut figures, OWN, 1_200);
        measure(&mut figures, of(Peer::Hdfs), 300);
        assert_eq!(create(&figures, Peer::Hdfs), Some(4.0));
        assert_eq!(create(&figures, Peer::HdfsJournals), None);
        measure(&mut figures, of(Peer::HdfsJournals), 200);
        assert_eq!(create(&figures, Peer::Hdfs), Some(4.0));
        assert_eq!(create(&figures, Peer::HdfsJournals), Some(6.0));
    }

    #[test]
    fn a_peer_that_did_nothing_gives_no_ratio() {
        let mut figures = Figures::default();
        measure(&mut figures, OWN, 1_200);
        measure(&mut figures, of(Peer::Hdfs), 0);
        assert_eq!(times(&figures, OWN, Peer::Hdfs, Operation::Create), None);
    }
}
