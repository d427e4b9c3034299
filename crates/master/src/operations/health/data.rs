//! What is wrong with the data.

use placement::{Class, Condition, Counts};

use super::{Clock, Level, Problem, Repairing};

/// Of all chunks and files.
pub(super) fn problems(
    chunks: &Counts,
    files: &Counts,
    repairing: &Repairing,
    clock: &Clock,
) -> Vec<Problem> {
    let problem = |level, kind, is: fn(Condition) -> bool, what: &str, action: String| {
        let (chunks_so, files_so) = (chunks.count(is), files.count(is));
        (chunks_so > 0).then(|| Problem {
            level,
            kind,
            what: format!(
                "{} of {} {what}",
                plural(chunks_so, "chunk"),
                plural(files_so, "file")
            ),
            since: chunks.since(is).map(|since| clock.at(since)),
            action,
            eta: repairing.eta.filter(|_| level == Level::AtRisk),
        })
    };
    let lost = problem(
        Level::Lost,
        "chunks-lost",
        |condition| condition.class == Class::Lost,
        "are lost: no datanode has a valid replica",
        "quarantines are searched every 30 s; 'distrifs fsck --list-lost /' names the files".to_owned(),
    );
    let unavailable = problem(
        Level::Lost,
        "chunks-unavailable",
        |condition| condition.class == Class::Unavailable,
        "can not be read now: all their valid replicas are on datanodes or volumes that are away",
        "bring these datanodes back; 'distrifs fsck --list-lost /' names the files".to_owned(),
    );
    let last = problem(
        Level::AtRisk,
        "chunks-last-copy",
        |condition| condition.class == Class::AtRisk { left: 1 },
        "have one copy left",
        repair(repairing, "they are copied first"),
    );
    let few = problem(
        Level::AtRisk,
        "chunks-at-risk",
        |condition| condition.class.is_at_risk() && condition.class != Class::AtRisk { left: 1 },
        "have fewer copies than they should",
        repair(repairing, "they are copied"),
    );
    let corrupt = problem(
        Level::Degraded,
        "replicas-corrupt",
        |condition| condition.corrupt,
        "have a corrupt replica",
        repair(repairing, "it is replaced from a good one, and then removed"),
    );
    let misplaced = problem(
        Level::Degraded,
        "chunks-misplaced",
        |condition| condition.class == Class::Misplaced,
        "have all their copies in one rack",
        repair(repairing, "one is made in another rack"),
    );
    [lost, unavailable, last, few, corrupt, misplaced]
        .into_iter()
        .flatten()
        .collect()
}

fn repair(repairing: &Repairing, what: &str) -> String {
    if repairing.held_up.is_empty() {
        what.to_owned()
    } else {
        format!("repair waits: {}", repairing.held_up)
    }
}

pub(super) fn plural(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
