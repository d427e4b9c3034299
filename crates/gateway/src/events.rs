//! What has happened, as far as two looks at the cluster tell: somebody came or went, something began or stopped to be wrong.

use std::collections::{BTreeMap, VecDeque};

use client::{HealthLevel, NodeDetail, NodeLiveness};
use serde_json::{Value, json};

use crate::look::Look;

/// Events that are remembered.
const EVENTS_MAX: usize = 500;

/// The newest events, oldest first, and what was seen last.
#[derive(Debug, Default)]
pub struct Events {
    next: u64,
    kept: VecDeque<Value>,
    seen: Seen,
}

/// How bad an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Plain,
    Warning,
    Bad,
}

impl Tone {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

impl Events {
    fn add(&mut self, at_ms: u64, tone: Tone, what: String, why: &str) {
        if self.kept.len() >= EVENTS_MAX {
            self.kept.pop_front();
        }
        self.next += 1;
        self.kept.push_back(json!({
            "id": self.next,
            "at_ms": at_ms,
            "tone": tone.as_str(),
            "what": what,
            "why": why,
        }));
    }

    /// Those that are remembered: id, at_ms, tone (good, plain, warning, bad), what, why.
    #[must_use]
    pub fn newest_first(&self) -> Vec<Value> {
        self.kept.iter().rev().cloned().collect()
    }

    /// Takes those that are remembered, oldest first.
    pub fn take(&mut self) -> Vec<Value> {
        self.kept.drain(..).collect()
    }

    /// Nobody answers.
    pub fn silence(&mut self, at_ms: u64, why: &str) {
        if !std::mem::replace(&mut self.seen.silent, true) {
            self.add(at_ms, Tone::Bad, "no master that leads answers".to_owned(), why);
        }
    }

    /// Adds what has changed since the last look; the first one changes nothing.
    pub fn see(&mut self, look: &Look) {
        let mut seen = std::mem::take(&mut self.seen);
        of_change(self, &mut seen, look);
        self.seen = seen;
    }
}

/// What the last look saw.
#[derive(Debug, Default)]
struct Seen {
    silent: bool,
    state: Option<State>,
}

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<String, NodeSeen>,
    /// What is wrong, by its kind.
    problems: BTreeMap<String, String>,
    leader: Option<String>,
    term: u64,
    safe_mode: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct NodeSeen {
    address: String,
    liveness: &'static str,
    admin: &'static str,
    failed: Vec<String>,
}

fn of_change(events: &mut Events, seen: &mut Seen, look: &Look) {
    let Look {
        at_ms,
        health,
        nodes,
        masters,
    } = look;
    let at_ms = *at_ms;
    if std::mem::take(&mut seen.silent) {
        events.add(at_ms, Tone::Good, "a master leads and answers".to_owned(), "");
    }
    let leader = masters.leader.and_then(|id| {
        let leader = masters.masters.iter().find(|master| master.id == id);
        leader.map(|leader| leader.address.clone())
    });
    let now = State {
        nodes: nodes
            .iter()
            .map(|node| (node.id.to_string(), node_seen(node)))
            .collect(),
        problems: health
            .problems
            .iter()
            .map(|problem| (problem.kind.clone(), problem.what.clone()))
            .collect(),
        leader,
        term: masters.term,
        safe_mode: health.safe_mode,
    };
    if let Some(before) = &seen.state {
        of_nodes(events, at_ms, before, &now);
        for problem in &health.problems {
            if !before.problems.contains_key(&problem.kind) {
                let tone = match problem.level {
                    HealthLevel::Healthy | HealthLevel::Degraded => Tone::Warning,
                    HealthLevel::AtRisk | HealthLevel::Lost => Tone::Bad,
                };
                events.add(at_ms, tone, problem.what.clone(), &problem.action);
            }
        }
        for (kind, what) in &before.problems {
            if !now.problems.contains_key(kind) {
                events.add(at_ms, Tone::Good, format!("over: {what}"), "");
            }
        }
        if before.leader != now.leader && now.leader.is_some() {
            let who = now.leader.clone().unwrap_or_default();
            let why = format!("term {} after {}", now.term, before.term);
            events.add(at_ms, Tone::Warning, format!("{who} leads the masters now"), &why);
        }
        match (before.safe_mode, now.safe_mode) {
            (false, true) => events.add(at_ms, Tone::Warning, "safe mode: no changes are taken".into(), ""),
            (true, false) => events.add(at_ms, Tone::Good, "safe mode is over".into(), ""),
            _ => {}
        }
    }
    seen.state = Some(now);
}

fn of_nodes(events: &mut Events, at_ms: u64, before: &State, now: &State) {
    for (id, node) in &now.nodes {
        let address = &node.address;
        let Some(was) = before.nodes.get(id) else {
            events.add(at_ms, Tone::Good, format!("datanode {address} has joined"), "");
            continue;
        };
        if was.liveness != node.liveness {
            let tone = match node.liveness {
                "live" => Tone::Good,
                "dead" => Tone::Bad,
                _ => Tone::Warning,
            };
            let what = format!("datanode {address} is {}", node.liveness);
            events.add(at_ms, tone, what, &format!("it was {}", was.liveness));
        }
        if was.admin != node.admin {
            let what = format!("datanode {address}: {}", node.admin);
            events.add(at_ms, Tone::Plain, what, &format!("it was {}", was.admin));
        }
        for failed in node.failed.iter().filter(|failed| !was.failed.contains(failed)) {
            events.add(
                at_ms,
                Tone::Bad,
                format!("a disk of {address} has failed"),
                failed,
            );
        }
        for mended in was.failed.iter().filter(|failed| !node.failed.contains(failed)) {
            events.add(
                at_ms,
                Tone::Good,
                format!("a disk of {address} works again"),
                mended,
            );
        }
    }
    for (id, was) in &before.nodes {
        if !now.nodes.contains_key(id) {
            let what = format!("datanode {} was removed", was.address);
            events.add(at_ms, Tone::Plain, what, "");
        }
    }
}

fn node_seen(node: &NodeDetail) -> NodeSeen {
    let failed = node.volumes.iter().filter(|volume| volume.failed.is_some());
    NodeSeen {
        address: node.address.clone(),
        // Late is a heartbeat or two: no news.
        liveness: match node.liveness {
            NodeLiveness::Late => NodeLiveness::Live.as_str(),
            other => other.as_str(),
        },
        admin: node.admin.as_str(),
        failed: failed.map(|volume| volume.directory.clone()).collect(),
    }
}
