//! How the cluster is, on one screen: what is wrong, since when, what is being done about it, and when it will be done.

mod data;
mod members;

use std::time::Duration;

use namespace::Namespace;
use placement::{Class, Counts, Liveness};
use types::{JobStatus, UnixMillis};

use crate::cluster::Cluster;
use crate::core::Core;
use crate::jobs::Rate;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    /// Nothing is wrong.
    Healthy,
    /// Something is wrong, and no data is in danger: a slow node, surplus replicas, a node in maintenance.
    Degraded,
    /// Data has fewer copies than it should.
    AtRisk,
    /// Data has no copy that can be reached.
    Lost,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) level: Level,
    /// One word by which programs know its kind, the same for ever: `chunks-lost`, `node-dead`, …
    pub(crate) kind: &'static str,
    /// What is wrong, with what.
    pub(crate) what: String,
    /// Since when, as far as this master knows.
    pub(crate) since: Option<UnixMillis>,
    /// What is being done about it, or has to be done by somebody.
    pub(crate) action: String,
    /// When it will be over, if that can be said.
    pub(crate) eta: Option<Duration>,
}

/// The counts are not exact yet: a node has come or gone, and the chunks are being looked at again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Recounting {
    /// The share that was looked at, 0 to 1.
    pub(crate) done: f64,
}

/// What repair is at.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Repairing {
    /// Chunks that wait or are being worked on.
    pub(crate) queued: u64,
    /// Copies under way.
    pub(crate) running: u64,
    /// Their bytes.
    pub(crate) running_bytes: u64,
    /// Bytes copied in each second, recently.
    pub(crate) bytes_per_s: u64,
    /// Chunks healed in each second, recently.
    pub(crate) chunks_per_s: f64,
    /// Until all is done at this rate; none when nothing is to be done, or nothing moves.
    pub(crate) eta: Option<Duration>,
    /// Why nothing is done though there is something to do; empty otherwise.
    pub(crate) held_up: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Health {
    pub(crate) level: Level,
    /// Worst first.
    pub(crate) problems: Vec<Problem>,
    pub(crate) chunks: Counts,
    pub(crate) files: Counts,
    /// None: the counts are exact.
    pub(crate) recounting: Option<Recounting>,
    pub(crate) repairing: Repairing,
    pub(crate) jobs: Vec<JobStatus>,
    pub(crate) nodes_live: u64,
    pub(crate) nodes: u64,
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    pub(crate) available: u64,
}

/// How the cluster is now.
pub(crate) fn health(core: &Core) -> Health {
    let jobs = core.jobs.statuses(core);
    let clock = Clock::of(core);
    let held_up = core.jobs.repair.held_up(core);
    let rate = core.jobs.repair.rate(clock.now);
    let starting = core.is_starting() || !core.settled();
    let manual = core.machine.read().safe_mode();

    let cluster = core.cluster();
    let namespace = core.machine.read();
    let (chunks, files) = (cluster.ledger.chunks().clone(), cluster.file_counts(&namespace));
    let repairing = repairing(&cluster, rate, held_up);
    let mut problems = data::problems(&chunks, &files, &repairing, &clock);
    problems.extend(members::problems(&cluster, &namespace, &clock));
    let recounting = recounting(&cluster, &namespace);
    let totals = space(&cluster);
    // Nothing is what there is to count before the first file.
    let counted = cluster.counts() || namespace.totals().chunks == 0;
    let unheard = if counted { Vec::new() } else { unheard(&cluster) };
    drop(cluster);
    problems.extend(modes(starting, manual));
    problems.extend((!counted).then(|| not_counted(namespace.totals().chunks, &unheard)));
    // The sort is stable: what was named first of a level stays first.
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
    let worst = problems.iter().map(|problem| problem.level).max();
    Health {
        level: worst.unwrap_or(Level::Healthy),
        problems,
        chunks,
        files,
        recounting,
        repairing,
        jobs,
        nodes_live: totals.live,
        nodes: totals.nodes,
        capacity: totals.capacity,
        used: totals.used,
        available: totals.available,
    }
}

/// How far the chunks are counted anew; none when the counts are exact. Before the first count they never are.
fn recounting(cluster: &Cluster, namespace: &Namespace) -> Option<Recounting> {
    if !cluster.counts() && namespace.totals().chunks > 0 {
        return Some(Recounting { done: 0.0 });
    }
    let (_, done) = cluster.recounting(namespace)?;
    Some(Recounting { done })
}

/// The datanodes that have not told all that they have.
fn unheard(cluster: &Cluster) -> Vec<String> {
    let owes = |node: &&placement::Node| !cluster.has_reported(node);
    cluster
        .view
        .nodes()
        .filter(owes)
        .map(placement::Node::address)
        .collect()
}

/// Names in a message; of more, how many.
const NAMED_MAX: usize = 5;

fn not_counted(chunks: u64, unheard: &[String]) -> Problem {
    let mut waits_for = unheard
        .iter()
        .take(NAMED_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if unheard.len() > NAMED_MAX {
        waits_for.push_str(&format!(" and {} more", unheard.len() - NAMED_MAX));
    }
    let what = match unheard.len() {
        0 => "it begins within a second".to_owned(),
        _ => format!("it waits for datanodes that have not told what they have: {waits_for}"),
    };
    Problem {
        level: Level::Degraded,
        kind: "not-counted",
        what: format!(
            "the condition of the {} is not known yet: this master has just started; {what}",
            data::plural(chunks, "chunk")
        ),
        since: None,
        action: "wait; silent datanodes are waited for as long as until they are held to be dead".to_owned(),
        eta: None,
    }
}

/// The two clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Clock {
    now: Duration,
    wall: UnixMillis,
}

impl Clock {
    fn of(core: &Core) -> Self {
        Self {
            now: core.now(),
            wall: core.env.clock.wall(),
        }
    }

    /// When that was, on the wall.
    fn at(&self, then: Duration) -> UnixMillis {
        let ago = self.now.saturating_sub(then).as_millis();
        UnixMillis(self.wall.0.saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX)))
    }
}

fn repairing(cluster: &Cluster, rate: Rate, held_up: Option<&str>) -> Repairing {
    let status = cluster.repair.status();
    let queued: u64 = status.queued.iter().map(|(_, count)| *count as u64).sum();
    let counts = cluster.ledger.chunks();
    // The queue is bounded, the ledger knows all.
    let to_do = counts.count(|condition| {
        condition.class.is_at_risk()
            || matches!(
                condition.class,
                Class::Misplaced | Class::Draining | Class::Corrupt
            )
    });
    let eta = (to_do > 0 && rate.chunks_per_s > 0.0)
        .then(|| Duration::try_from_secs_f64(share(to_do) / rate.chunks_per_s).ok())
        .flatten();
    Repairing {
        queued: queued.max(to_do),
        running: status.copying as u64,
        running_bytes: status.copying_bytes,
        bytes_per_s: rate.bytes_per_s,
        chunks_per_s: rate.chunks_per_s,
        eta,
        held_up: match (to_do, held_up) {
            (0, _) => String::new(),
            (_, Some(why)) => why.to_owned(),
            (_, None) if status.stuck > 0 && status.copying + status.verifying == 0 => format!(
                "no datanode can send or take a copy of {} (distrifs explain FILE says why)",
                data::plural(status.stuck as u64, "chunk")
            ),
            _ => String::new(),
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a time that is estimated")]
fn share(count: u64) -> f64 {
    count as f64
}

/// Sums over the datanodes.
#[derive(Debug, Default)]
struct Space {
    live: u64,
    nodes: u64,
    capacity: u64,
    used: u64,
    available: u64,
}

fn space(cluster: &Cluster) -> Space {
    let mut space = Space::default();
    for node in cluster.view.nodes() {
        space.nodes += 1;
        // A silent one that is not held for dead may be: it is not called live.
        space.live += u64::from(matches!(node.liveness, Liveness::Live | Liveness::Late));
        if node.liveness.is_usable() {
            for storage in node.working() {
                space.capacity += storage.reported.capacity;
                space.used += storage.reported.used;
                space.available += storage.reported.available;
            }
        }
    }
    space
}

fn modes(starting: bool, manual: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    if manual {
        problems.push(Problem {
            level: Level::Degraded,
            kind: "safe-mode",
            what: "an operator has switched the safe mode on: nothing is changed, repaired or deleted"
                .to_owned(),
            since: None,
            action: "leave it: distrifs admin safemode leave".to_owned(),
            eta: None,
        });
    }
    if starting {
        problems.push(Problem {
            level: Level::Degraded,
            kind: "starting",
            what: "the cluster starts: datanodes have not told all that they have yet".to_owned(),
            since: None,
            action: "wait; it goes on by itself when enough is known".to_owned(),
            eta: None,
        });
    }
    problems
}
