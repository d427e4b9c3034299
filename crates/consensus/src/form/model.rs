//! Every order of starts, questions, crashes and lost disks of up to three masters, with the real decisions and a Raft
//! that is reduced to what matters here: who has which group in its log, and whether a quorum granted or has it.
//!
//! Shown for every state that can be reached:
//! - never two groups: no second one comes to be agreed on, and no log of one is overwritten by another;
//! - always one in the end: when the faults stop, all masters belong to one group after a few rounds.
//!
//! Fewer disks than a majority are lost: with a majority of them goes what was agreed on, and what is left can not tell.

use std::collections::HashSet;

use types::{MasterId, Term};

use super::decide::{Decision, Heard, Own, decide, others};
use crate::status::Member;
use crate::transport::Identity;

/// At which address.
type Place = usize;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    masters: Vec<Master>,
    groups: Vec<Group>,
    crashes: u8,
    losses: u8,
    ids: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Master {
    id: u8,
    running: bool,
    /// The group in its log: on disk.
    log: Option<usize>,
    /// What the others said so far: in memory.
    heard: Vec<Option<Said>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Said {
    Nothing,
    Blank(u8),
    /// Who it is; members by place, and the leader, as they were then.
    Belongs(u8, Vec<u8>, Option<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    /// Who has a vote, by place.
    members: Vec<u8>,
    leader: Option<u8>,
    /// A quorum had it in their logs at some time.
    committed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Start(Place),
    Ask(Place, Place),
    Decide(Place),
    Elect(Place),
    Replicate(usize, Place),
    Crash(Place),
    Lose(Place),
}

impl World {
    fn new(masters: usize, crashes: u8, losses: u8) -> Self {
        let master = |id| Master {
            id,
            running: false,
            log: None,
            heard: vec![None; masters],
        };
        let masters: Vec<_> = (1..=masters as u8).map(master).collect();
        Self {
            ids: masters.len() as u8,
            masters,
            groups: Vec::new(),
            crashes,
            losses,
        }
    }

    fn address(place: Place) -> String {
        format!("{}:1", char::from(b'a' + place as u8))
    }

    fn configured(&self) -> Vec<String> {
        (0..self.masters.len()).map(Self::address).collect()
    }

    fn members(ids: &[u8]) -> Vec<Member> {
        let members = ids.iter().enumerate().map(|(place, &id)| Member {
            id: MasterId(u64::from(id)),
            address: Self::address(place),
            voter: true,
        });
        members.collect()
    }

    fn is_quorum(&self, count: usize) -> bool {
        count > self.masters.len() / 2
    }

    /// All that can happen, faults included as long as there are some left.
    fn events(&self) -> Vec<Event> {
        let places = 0..self.masters.len();
        let mut events = Vec::new();
        for (place, master) in self.masters.iter().enumerate() {
            if self.losses > 0 {
                events.push(Event::Lose(place));
            }
            if !master.running {
                events.push(Event::Start(place));
                continue;
            }
            if self.crashes > 0 {
                events.push(Event::Crash(place));
            }
            match master.log {
                Some(group) => {
                    events.push(Event::Elect(place));
                    if self.groups[group].leader == Some(master.id) {
                        events.extend(places.clone().map(|to| Event::Replicate(group, to)));
                    }
                }
                None => {
                    let unasked = places
                        .clone()
                        .filter(|&other| other != place && master.heard[other].is_none());
                    let asks: Vec<_> = unasked.map(|other| Event::Ask(place, other)).collect();
                    if asks.is_empty() {
                        events.push(Event::Decide(place));
                    }
                    events.extend(asks);
                }
            }
        }
        events
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(place) => self.masters[place].running = true,
            Event::Ask(place, other) => self.masters[place].heard[other] = Some(self.says(other)),
            Event::Decide(place) => self.decide(place),
            Event::Elect(place) => self.elect(place),
            Event::Replicate(group, to) => self.replicate(group, to),
            Event::Crash(place) => {
                self.crashes -= 1;
                self.stop(place);
            }
            Event::Lose(place) => {
                self.losses -= 1;
                self.stop(place);
                self.ids += 1;
                self.masters[place].id = self.ids;
                self.masters[place].log = None;
            }
        }
    }

    fn stop(&mut self, place: Place) {
        let master = &mut self.masters[place];
        master.running = false;
        master.heard.fill(None);
        let id = master.id;
        for group in &mut self.groups {
            group.leader = group.leader.filter(|&leader| leader != id);
        }
    }

    fn says(&self, place: Place) -> Said {
        let master = &self.masters[place];
        match master.log.map(|group| &self.groups[group]) {
            _ if !master.running => Said::Nothing,
            None => Said::Blank(master.id),
            Some(group) => Said::Belongs(master.id, group.members.clone(), group.leader),
        }
    }

    fn decide(&mut self, place: Place) {
        let configured = self.configured();
        let id = self.masters[place].id;
        let address = Self::address(place);
        let own = Own {
            id: MasterId(u64::from(id)),
            address: &address,
            configured: &configured,
            members: &[],
            leader: None,
        };
        let heard: Vec<_> = (0..self.masters.len())
            .filter(|other| others(&own).contains(Self::address(*other).as_str()))
            .map(|other| {
                let (id, members, leader) = match self.masters[place].heard[other].clone() {
                    None | Some(Said::Nothing) => (0, Vec::new(), None),
                    Some(Said::Blank(id)) => (id, Vec::new(), None),
                    Some(Said::Belongs(id, members, leader)) => (id, members, leader),
                };
                let identity = Identity {
                    id: MasterId(u64::from(id)),
                    configured: configured.clone(),
                    members: Self::members(&members),
                    leader: leader.map(|leader| MasterId(u64::from(leader))),
                    term: Term(1),
                };
                Heard {
                    address: Self::address(other),
                    identity: (id != 0).then_some(identity),
                }
            })
            .collect();
        self.masters[place].heard.fill(None);
        match decide(&own, &heard) {
            Decision::Begin(members) => {
                let mut ids = vec![0; self.masters.len()];
                for member in members {
                    let at = configured.iter().position(|address| *address == member.address);
                    ids[at.unwrap()] = member.id.0 as u8;
                }
                self.masters[place].log = Some(self.groups.len());
                self.groups.push(Group {
                    members: ids,
                    leader: None,
                    committed: false,
                });
            }
            Decision::Rejoin { leader, lost } => {
                let at = configured.iter().position(|address| *address == leader).unwrap();
                self.swap(at, place, lost.0 as u8, id);
            }
            Decision::Wait(_) => {}
            Decision::Belongs => panic!("it is blank"),
        }
    }

    /// The leader at `at` swaps ids, if it leads and a quorum agrees.
    fn swap(&mut self, at: Place, place: Place, lost: u8, new: u8) {
        let leader = &self.masters[at];
        let Some(group) = leader.log.filter(|_| leader.running) else {
            return;
        };
        let have = self.have(group);
        if self.groups[group].leader == Some(leader.id)
            && self.groups[group].members[place] == lost
            && self.is_quorum(have)
        {
            self.groups[group].members[place] = new;
            self.masters[place].log = Some(group);
        }
    }

    /// How many members run and have the group in their logs.
    fn have(&self, group: usize) -> usize {
        let members = &self.groups[group].members;
        let have = self.masters.iter().enumerate().filter(|(place, master)| {
            master.running && master.log == Some(group) && members[*place] == master.id
        });
        have.count()
    }

    /// Votes of who is blank, or has the same log.
    fn elect(&mut self, place: Place) {
        let Some(group) = self.masters[place].log else {
            return;
        };
        let members = &self.groups[group].members;
        let granted = self.masters.iter().enumerate().filter(|(voter, master)| {
            master.running && members[*voter] == master.id && master.log.is_none_or(|log| log == group)
        });
        // Once entries are agreed on, who lacks them is not elected; here everybody with the group has all of it.
        if self.is_quorum(granted.count()) {
            self.groups[group].leader = Some(self.masters[place].id);
        }
    }

    fn replicate(&mut self, group: usize, to: Place) {
        let master = &mut self.masters[to];
        if master.running && self.groups[group].members[to] == master.id {
            assert!(
                master.log.is_none_or(|log| log == group),
                "a log is overwritten by another group"
            );
            master.log = Some(group);
        }
        if self.is_quorum(self.have(group)) {
            self.groups[group].committed = true;
        }
    }

    fn check(&self) {
        let committed = self.groups.iter().filter(|group| group.committed).count();
        assert!(committed <= 1, "two groups: {self:#?}");
    }

    /// Without more faults: all run, and ask anew.
    fn calm(mut self) -> Self {
        (self.crashes, self.losses) = (0, 0);
        for master in &mut self.masters {
            master.running = true;
            master.heard.fill(None);
        }
        self
    }

    /// All belong to one group in the end.
    fn heal(mut self) {
        for _ in 0..4 {
            for place in 0..self.masters.len() {
                if self.masters[place].log.is_none() {
                    for other in (0..self.masters.len()).filter(|&other| other != place) {
                        self.happen(Event::Ask(place, other));
                    }
                    self.decide(place);
                }
                self.elect(place);
                if let Some(group) = self.masters[place].log
                    && self.groups[group].leader == Some(self.masters[place].id)
                {
                    for to in 0..self.masters.len() {
                        self.replicate(group, to);
                    }
                }
            }
            self.check();
        }
        let group = self.masters[0].log;
        assert!(
            group.is_some() && self.masters.iter().all(|master| master.log == group),
            "not one group in the end: {self:#?}"
        );
        let ids: Vec<_> = self.masters.iter().map(|master| master.id).collect();
        assert_eq!(self.groups[group.unwrap()].members, ids);
    }
}

/// Goes through all states; `lives` says whether all must belong to one group in the end.
fn explore(world: World, lives: bool) -> usize {
    let mut seen = HashSet::from([world.clone()]);
    let mut healed = HashSet::new();
    let mut open = vec![world];
    while let Some(world) = open.pop() {
        world.check();
        if lives {
            let calm = world.clone().calm();
            if healed.insert(calm.clone()) {
                calm.heal();
            }
        }
        for event in world.events() {
            let mut next = world.clone();
            next.happen(event);
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    seen.len()
}

#[test]
fn one_master_always_forms() {
    assert!(explore(World::new(1, 3, 0), true) > 10);
}

#[test]
fn two_masters_form_in_any_order_and_through_crashes() {
    assert!(explore(World::new(2, 3, 0), true) > 100);
}

#[test]
fn two_masters_are_never_two_groups_though_a_disk_is_lost() {
    assert!(explore(World::new(2, 2, 1), false) > 100);
}

#[test]
fn three_masters_form_through_a_crash_and_a_lost_disk() {
    assert!(explore(World::new(3, 1, 1), true) > 10_000);
}
