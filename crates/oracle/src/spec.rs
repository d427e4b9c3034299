//! The sequential specification: what a namespace without any concurrency answers.

use crate::operation::{Call, Entry, Name, Outcome};

/// What is under each of a few names. Directories hold nothing that is not a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Namespace {
    /// Sorted by name; only what is there.
    entries: Vec<(Name, Entry)>,
}

impl Namespace {
    /// What is under `name`.
    #[must_use]
    pub fn entry(&self, name: Name) -> Option<Entry> {
        let at = self.find(name).ok()?;
        self.entries.get(at).map(|(_, entry)| *entry)
    }

    /// Everything that is there, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = (Name, Entry)> + '_ {
        self.entries.iter().copied()
    }

    /// Does it, and gives the answer.
    pub fn apply(&mut self, call: &Call) -> Outcome {
        match *call {
            Call::Stat { name } => self.entry(name).map_or(Outcome::NotFound, Outcome::Found),
            Call::Create { name, entry } => {
                if self.entry(name).is_some() {
                    return Outcome::Exists;
                }
                self.set(name, entry);
                Outcome::Done
            }
            Call::Delete { name } => match self.remove(name) {
                Some(_) => Outcome::Done,
                None => Outcome::NotFound,
            },
            Call::SetMode { name, mode } => self.change(name, |entry| entry.mode = mode),
            Call::SetMark { name, mark } => self.change(name, |entry| entry.mark = mark),
            Call::Rename { from, to, replace } => self.rename(from, to, replace),
        }
    }

    fn rename(&mut self, from: Name, to: Name, replace: bool) -> Outcome {
        let Some(source) = self.entry(from) else {
            return Outcome::NotFound;
        };
        if from == to {
            return Outcome::Done;
        }
        match self.entry(to) {
            Some(_) if !replace => return Outcome::Exists,
            Some(target) if target.kind != source.kind => return Outcome::Refused,
            Some(_) | None => {}
        }
        self.remove(from);
        self.set(to, source);
        Outcome::Done
    }

    fn change(&mut self, name: Name, how: impl FnOnce(&mut Entry)) -> Outcome {
        let Some(mut entry) = self.entry(name) else {
            return Outcome::NotFound;
        };
        how(&mut entry);
        self.set(name, entry);
        Outcome::Done
    }

    fn set(&mut self, name: Name, entry: Entry) {
        match self.find(name) {
            Ok(at) => {
                if let Some(slot) = self.entries.get_mut(at) {
                    slot.1 = entry;
                }
            }
            Err(at) => self.entries.insert(at, (name, entry)),
        }
    }

    fn remove(&mut self, name: Name) -> Option<Entry> {
        let at = self.find(name).ok()?;
        Some(self.entries.remove(at).1)
    }

    fn find(&self, name: Name) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&name, |(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Kind;

    const A: Name = Name(1);
    const B: Name = Name(2);

    fn entry(kind: Kind, mark: u64) -> Entry {
        Entry {
            kind,
            mode: 0o755,
            mark,
        }
    }

    fn create(name: Name, entry: Entry) -> Call {
        Call::Create { name, entry }
    }

    #[test]
    fn a_name_is_made_once_and_removed_once() {
        let mut namespace = Namespace::default();
        let made = entry(Kind::Directory, 0);
        assert_eq!(namespace.apply(&Call::Delete { name: A }), Outcome::NotFound);
        assert_eq!(namespace.apply(&create(A, made)), Outcome::Done);
        assert_eq!(namespace.apply(&create(A, made)), Outcome::Exists);
        assert_eq!(namespace.apply(&Call::Stat { name: A }), Outcome::Found(made));
        assert_eq!(namespace.apply(&Call::Delete { name: A }), Outcome::Done);
        assert_eq!(namespace.apply(&Call::Stat { name: A }), Outcome::NotFound);
        assert_eq!(namespace, Namespace::default());
    }

    #[test]
    fn attributes_are_set_on_what_is_there() {
        let mut namespace = Namespace::default();
        let mark = Call::SetMark { name: A, mark: 7 };
        assert_eq!(namespace.apply(&mark), Outcome::NotFound);
        namespace.apply(&create(A, entry(Kind::File, 0)));
        assert_eq!(namespace.apply(&mark), Outcome::Done);
        assert_eq!(
            namespace.apply(&Call::SetMode { name: A, mode: 1 }),
            Outcome::Done
        );
        let found = namespace.entry(A).unwrap();
        assert_eq!((found.mark, found.mode), (7, 1));
    }

    #[test]
    fn a_rename_moves_and_replaces_its_kind_only() {
        let mut namespace = Namespace::default();
        let rename = |replace| Call::Rename {
            from: A,
            to: B,
            replace,
        };
        assert_eq!(namespace.apply(&rename(true)), Outcome::NotFound);
        namespace.apply(&create(A, entry(Kind::File, 1)));
        namespace.apply(&create(B, entry(Kind::Directory, 2)));
        assert_eq!(namespace.apply(&rename(false)), Outcome::Exists);
        assert_eq!(namespace.apply(&rename(true)), Outcome::Refused);
        namespace.apply(&Call::Delete { name: B });
        namespace.apply(&create(B, entry(Kind::File, 3)));
        assert_eq!(namespace.apply(&rename(true)), Outcome::Done);
        assert_eq!(
            namespace.entries().collect::<Vec<_>>(),
            [(B, entry(Kind::File, 1))]
        );
    }
}
