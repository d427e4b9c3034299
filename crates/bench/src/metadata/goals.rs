//! What the figures are held against. Printed beside them; a benchmark never fails for it.

use crate::metadata::HDFS;
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
        goals.push(Goal {
            what: format!("{of}: create, of bare calls"),
            reached: share_of_bare(Operation::Create).map(|share| format!("{share:.2}")),
            wanted: String::new(),
            met: None,
        });
        let hdfs = Setting {
            masters: 1,
            ..setting(HDFS, 1)
        };
        for operation in [
            Operation::Create,
            Operation::Stat,
            Operation::Rename,
            Operation::Mkdir,
        ] {
            let ratio = rate(hdfs, operation)
                .filter(|hdfs| *hdfs > 0.0)
                .and_then(|hdfs| Some(rate(own, operation)? / hdfs));
            let what = format!("{of}: {}, times HDFS's", operation.name());
            match operation {
                Operation::Create => goals.push(goal(what, ratio, 5.0, 1)),
                _ => goals.push(Goal {
                    what,
                    reached: ratio.map(|ratio| format!("{ratio:.1}")),
                    wanted: String::new(),
                    met: None,
                }),
            }
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
