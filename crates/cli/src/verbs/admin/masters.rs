//! `admin masters`: who the masters are, and how they do.

use client::{MasterGroup, MasterRole, MasterStatus};
use serde_json::json;
use types::format_duration;

use crate::failure::{Exit, Failure, Result};
use crate::output::{Align, Columns, Out, Style, paint};
use crate::run::Context;

/// Show the masters: who leads, the term, how far each log is
///
/// Any master answers. Lag is how many entries a master's log is behind the leader's; silent, how long the leader has not
/// heard of it. Ends with 6 when no master leads or not enough of them answer to elect one.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  distrifs admin masters                # `distrifs admin master list` is the same
  distrifs admin masters --json | jq -r '.masters[] | select(.role == \"leader\") | .address'";

/// Shows.
pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let group = context.fs.admin().masters().await;
    let group = group.map_err(|error| Failure::from_client("admin masters", &error))?;
    let mut out = Out::stdout()?;
    if args.json {
        out.line(&format!("{:#}", to_json(&group)))?;
    } else {
        out.print(&table(&group, out.coloured()))?;
    }
    out.flush()?;
    match trouble(&group) {
        None => Ok(()),
        Some(why) => Err(Failure::new(Exit::Unavailable, "admin masters", why)),
    }
}

/// Why the cluster takes no changes; none when it does, as far as masters go.
fn trouble(group: &MasterGroup) -> Option<String> {
    let joining = |one: &&MasterStatus| one.role == MasterRole::Joining;
    if group.cluster_id.is_none() {
        return Some(
            "the masters have not begun a cluster yet: all that are to begin it must be there".to_owned(),
        );
    }
    let voters = |one: &&MasterStatus| !matches!(one.role, MasterRole::Learner | MasterRole::Joining);
    let all = group.masters.iter().filter(voters).count();
    let there = group
        .masters
        .iter()
        .filter(voters)
        .filter(|one| one.answers)
        .count();
    if there * 2 <= all {
        return Some(format!(
            "{there} of {all} masters answer, and {} must",
            all / 2 + 1
        ));
    }
    if group.leader.is_none() {
        let joining = group.masters.iter().filter(joining).count();
        return Some(match joining {
            0 => "no master leads at the moment".to_owned(),
            joining => format!("no master leads at the moment, and {joining} belong to no cluster"),
        });
    }
    None
}

fn role(role: MasterRole) -> &'static str {
    match role {
        MasterRole::Leader => "leader",
        MasterRole::Follower => "follower",
        MasterRole::Candidate => "candidate",
        MasterRole::Learner => "learner",
        MasterRole::Joining => "joining",
        MasterRole::Unknown => "unknown",
    }
}

fn table(group: &MasterGroup, coloured: bool) -> String {
    let mut table = Columns::new(&[
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ]);
    let heading = [
        "ID",
        "ADDRESS",
        "ROLE",
        "TERM",
        "LAST",
        "APPLIED",
        "LAG",
        "CHECKPOINT",
        "SILENT",
    ];
    table.row(heading.map(|text| paint(coloured, Style::Bold, text)));
    for master in &group.masters {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let silent = match (master.answers, master.silent) {
            (false, None) => paint(coloured, Style::Error, "no answer"),
            (false, Some(silent)) => {
                let text = format!("no answer, {}", format_duration(silent));
                paint(coloured, Style::Error, &text)
            }
            (true, Some(silent)) => format_duration(silent),
            (true, None) => "-".to_owned(),
        };
        let role_text = match master.role {
            MasterRole::Leader => paint(coloured, Style::Bold, role(master.role)),
            other => role(other).to_owned(),
        };
        table.row([
            master.id.to_string(),
            master.address.clone(),
            role_text,
            group.term.to_string(),
            number(master.last_index),
            number(master.applied_index),
            number(master.lag),
            number(master.checkpoint_index),
            silent,
        ]);
    }
    table.render()
}

fn to_json(group: &MasterGroup) -> serde_json::Value {
    let master = |one: &MasterStatus| {
        json!({
            "id": one.id.to_string(),
            "address": one.address,
            "role": role(one.role),
            "answers": one.answers,
            "last_index": one.last_index,
            "applied_index": one.applied_index,
            "lag": one.lag,
            "silent_ms": one.silent.map(|silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX)),
            "checkpoint_index": one.checkpoint_index,
        })
    };
    json!({
        "cluster": group.cluster_id,
        "leader": group.leader.map(|id| id.to_string()),
        "term": group.term,
        "masters": group.masters.iter().map(master).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use types::MasterId;

    use super::*;

    fn group() -> MasterGroup {
        let master = |id: u64, role, answers| MasterStatus {
            id: MasterId(id),
            address: format!("m{id}:9800"),
            role,
            answers,
            last_index: Some(1000 + id),
            applied_index: answers.then_some(990),
            lag: Some(id),
            silent: (!answers).then_some(Duration::from_millis(1500)),
            checkpoint_index: None,
        };
        MasterGroup {
            leader: Some(MasterId(1)),
            term: 7,
            cluster_id: Some("c".to_owned()),
            masters: vec![
                master(1, MasterRole::Leader, true),
                master(2, MasterRole::Follower, true),
                master(3, MasterRole::Follower, false),
            ],
        }
    }

    #[test]
    fn the_table_aligns_and_says_who_is_silent() {
        let text = table(&group(), false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            [
                "0000000000000001",
                "m1:9800",
                "leader",
                "7",
                "1001",
                "990",
                "1",
                "-",
                "-"
            ]
        );
        assert!(lines[3].contains("no answer, 1"), "{text}");
        let column = lines[0].find("LAG").unwrap() + 2;
        assert!(
            lines[1..]
                .iter()
                .all(|line| line.as_bytes()[column].is_ascii_digit()),
            "{text}"
        );
    }

    #[test]
    fn what_scripts_read_has_the_same() {
        let json = to_json(&group());
        assert_eq!(json["leader"], "0000000000000001");
        assert_eq!(json["masters"][2]["silent_ms"], 1500);
        assert_eq!(json["masters"][2]["answers"], false);
    }

    #[test]
    fn a_group_without_a_leader_or_a_majority_is_in_trouble() {
        assert_eq!(trouble(&group()), None);
        let mut none = group();
        none.leader = None;
        assert!(trouble(&none).unwrap().contains("no master leads"));
        let mut few = group();
        few.masters[1].answers = false;
        assert_eq!(trouble(&few).unwrap(), "1 of 3 masters answer, and 2 must");
        let mut blank = group();
        blank.cluster_id = None;
        assert!(trouble(&blank).is_some());
    }
}
