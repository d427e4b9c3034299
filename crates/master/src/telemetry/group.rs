//! The group of masters, and the state that they agree on.

use consensus::Role;
use metrics::Scrape;

use super::float;
use crate::core::Core;

pub(super) fn tell(core: &Core, scrape: &mut Scrape<'_>) {
    let group = core.group();
    let status = group
        .as_ref()
        .map(|group| group.status().borrow().clone())
        .unwrap_or_default();
    let roles = [
        (Role::Unformatted, "joining"),
        (Role::Learner, "learner"),
        (Role::Follower, "follower"),
        (Role::Candidate, "candidate"),
        (Role::Leader, "leader"),
    ];
    scrape.gauges(
        "distrifs_master_raft_role",
        "1 for the role that this master has in its group, 0 for the others",
        roles.map(|(role, name)| ([("role", name)], flag(role == status.role))),
    );
    scrape.gauge(
        "distrifs_master_raft_term",
        "The term that this master is in",
        float(status.term.as_u64()),
    );
    scrape.gauge(
        "distrifs_master_raft_leader_known",
        "Whether this master knows of a leader",
        flag(status.leader.is_some()),
    );
    scrape.gauge(
        "distrifs_master_leads",
        "1 when this master leads and knows that no other one does",
        flag(core.leads_now().is_some()),
    );
    scrape.gauge(
        "distrifs_master_raft_members",
        "Masters of the group",
        super::number(status.members.len()),
    );
    for (name, help, index) in [
        (
            "distrifs_master_raft_last_index",
            "The last record of the log",
            status.last,
        ),
        (
            "distrifs_master_raft_commit_index",
            "The last record that a majority has",
            status.committed,
        ),
        (
            "distrifs_master_raft_applied_index",
            "The last record that the state has",
            status.applied,
        ),
        (
            "distrifs_master_raft_checkpoint_index",
            "The last record that the newest checkpoint has",
            status.checkpoint,
        ),
    ] {
        scrape.gauge(name, help, float(index));
    }
    let followers = group.map(|group| group.followers()).unwrap_or_default();
    let address = |id| {
        let member = status.member(id);
        member.map_or_else(|| id.to_string(), |member| member.address.clone())
    };
    scrape.gauges(
        "distrifs_master_raft_follower_lag_records",
        "Records that a follower is behind, as the leader knows",
        followers.iter().map(|follower| {
            let lag = status.last.saturating_sub(follower.matched);
            ([("follower", address(follower.id))], float(lag))
        }),
    );
    scrape.gauges(
        "distrifs_master_raft_follower_silence_seconds",
        "How long a follower has not answered the leader",
        followers.iter().filter_map(|follower| {
            let silent = follower.silent?.as_secs_f64();
            Some(([("follower", address(follower.id))], silent))
        }),
    );
    state(core, scrape);
}

/// The metadata.
fn state(core: &Core, scrape: &mut Scrape<'_>) {
    scrape.gauge(
        "distrifs_master_takes_changes",
        "1, and 0 in safe mode",
        flag(core.takes_changes()),
    );
    let namespace = core.machine.read();
    let totals = namespace.totals();
    scrape.gauges(
        "distrifs_master_inodes",
        "Files and directories",
        [("file", totals.files), ("directory", totals.directories)]
            .map(|(kind, count)| ([("kind", kind)], float(count))),
    );
    let memory = namespace.memory();
    scrape.gauges(
        "distrifs_master_memory_bytes",
        "Memory of the metadata, by part",
        [
            ("inodes", memory.inodes.total()),
            ("names", memory.names.total()),
            ("chunks", memory.chunks.total()),
            ("lists", memory.lists.total()),
            ("others", memory.others),
        ]
        .map(|(part, bytes)| ([("part", part)], float(bytes))),
    );
}

pub(super) const fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}
