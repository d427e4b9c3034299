//! Which names belong together: those that a rename connects. Components do not touch each other.

use std::collections::HashMap;

use crate::operation::{Name, Operation};

/// The operations of each component that say anything, in the order of their calls; components in the order of their first
/// call.
pub(crate) fn components(operations: &[Operation]) -> Vec<Vec<Operation>> {
    let mut roots = Roots::default();
    let telling: Vec<&Operation> = operations.iter().filter(|operation| operation.tells()).collect();
    for operation in &telling {
        let (first, second) = operation.call.names();
        if let Some(second) = second {
            roots.join(first, second);
        }
    }
    let mut sorted = telling;
    sorted.sort_by_key(|operation| operation.called);
    let mut places: HashMap<Name, usize> = HashMap::new();
    let mut found: Vec<Vec<Operation>> = Vec::new();
    for operation in sorted {
        let root = roots.of(operation.call.names().0);
        let place = *places.entry(root).or_insert_with(|| {
            found.push(Vec::new());
            found.len() - 1
        });
        if let Some(component) = found.get_mut(place) {
            component.push(*operation);
        }
    }
    found
}

/// Disjoint sets of names: each points towards the root of its set.
#[derive(Default)]
struct Roots(HashMap<Name, Name>);

impl Roots {
    fn of(&mut self, name: Name) -> Name {
        let mut root = name;
        while let Some(parent) = self.0.get(&root).filter(|parent| **parent != root) {
            root = *parent;
        }
        // What was walked over points to the root from now on.
        let mut walked = name;
        while walked != root {
            walked = self.0.insert(walked, root).unwrap_or(root);
        }
        root
    }

    fn join(&mut self, one: Name, other: Name) {
        let (one, other) = (self.of(one), self.of(other));
        self.0.insert(one, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Call, Outcome};

    fn stat(name: u32, called: u64) -> Operation {
        let call = Call::Stat { name: Name(name) };
        Operation::answered(1, called, call, called + 1, Outcome::NotFound)
    }

    fn rename(from: u32, to: u32, called: u64) -> Operation {
        let call = Call::Rename {
            from: Name(from),
            to: Name(to),
            replace: false,
        };
        Operation::unanswered(1, called, call)
    }

    #[test]
    fn renames_connect_and_nothing_else_does() {
        let all = [
            stat(5, 9),
            stat(4, 2),
            stat(1, 1),
            rename(1, 2, 3),
            rename(3, 2, 4),
            stat(3, 0),
        ];
        let found = components(&all);
        let calls: Vec<Vec<u64>> = found
            .iter()
            .map(|component| component.iter().map(|operation| operation.called).collect())
            .collect();
        assert_eq!(calls, [vec![0, 1, 3, 4], vec![2], vec![9]]);
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let silent = [
            Operation::unanswered(1, 0, Call::Stat { name: Name(1) }),
            Operation::answered(1, 0, Call::Delete { name: Name(1) }, 1, Outcome::Refused),
        ];
        assert!(components(&silent).is_empty());
    }
}
