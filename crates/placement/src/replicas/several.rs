//! The replicas of one chunk, as an answer.

use std::ops::Deref;

use super::Replica;
use super::table::FEW;

/// The replicas of one chunk, in the order in which they came. A slice in all but where it lies: up to three lie in it.
#[derive(Debug, Clone)]
pub struct Replicas(Inner);

#[derive(Debug, Clone)]
enum Inner {
    None,
    Few([Replica; FEW], usize),
    Many(Vec<Replica>),
}

impl Replicas {
    pub(super) fn of(replicas: impl Iterator<Item = Replica>) -> Self {
        let mut inner = Inner::None;
        for replica in replicas {
            inner = match inner {
                Inner::None => Inner::Few([replica; FEW], 1),
                Inner::Few(mut few, count) => match few.get_mut(count) {
                    Some(place) => {
                        *place = replica;
                        Inner::Few(few, count + 1)
                    }
                    None => Inner::Many(few.into_iter().chain([replica]).collect()),
                },
                Inner::Many(mut many) => {
                    many.push(replica);
                    Inner::Many(many)
                }
            };
        }
        Self(inner)
    }
}

impl Deref for Replicas {
    type Target = [Replica];
    fn deref(&self) -> &[Replica] {
        match &self.0 {
            Inner::None => &[],
            Inner::Few(few, count) => few.get(..*count).unwrap_or_default(),
            Inner::Many(many) => many,
        }
    }
}

impl IntoIterator for Replicas {
    type Item = Replica;
    type IntoIter = ReplicasIntoIter;
    fn into_iter(self) -> ReplicasIntoIter {
        ReplicasIntoIter {
            replicas: self,
            next: 0,
        }
    }
}

/// The replicas of one chunk, one after the other.
#[derive(Debug, Clone)]
pub struct ReplicasIntoIter {
    replicas: Replicas,
    next: usize,
}

impl Iterator for ReplicasIntoIter {
    type Item = Replica;
    fn next(&mut self) -> Option<Replica> {
        let replica = self.replicas.get(self.next).copied()?;
        self.next += 1;
        Some(replica)
    }
}
