//! Files that have a chunk that is not healthy, by their worst.

use std::collections::BTreeMap;
use std::time::Duration;

use types::InodeId;

use super::{Condition, Counts};

/// Chunks of one file that are not healthy. Nearly always all are in the same condition, or there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tally {
    /// So many, all of that condition.
    Same(u8, u32),
    /// See the map beside; the code is that of the whole file.
    Mixed(u8),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    tallies: BTreeMap<InodeId, Tally>,
    /// How many chunks are of which code, where they differ.
    mixed: BTreeMap<InodeId, Vec<(u8, u32)>>,
    counts: Counts,
}

impl Files {
    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn condition(&self, file: InodeId) -> Option<Condition> {
        let (Tally::Same(code, _) | Tally::Mixed(code)) = *self.tallies.get(&file)?;
        Some(Condition::of(code))
    }

    /// The files from `from` on, in the order of their ids.
    pub(super) fn from(&self, from: InodeId) -> impl Iterator<Item = (InodeId, Condition)> + '_ {
        let files = self.tallies.range(from..);
        files.map(|(id, Tally::Same(code, _) | Tally::Mixed(code))| (*id, Condition::of(*code)))
    }

    /// One chunk of a file, that was in one condition that is not healthy or in none, is in another.
    pub(super) fn change(
        &mut self,
        now: Duration,
        file: InodeId,
        from: Option<Condition>,
        to: Option<Condition>,
    ) {
        let (from, to) = (from.map(Condition::code), to.map(Condition::code));
        if from == to {
            return;
        }
        let before = self.tallies.get(&file).copied();
        let after = match (before, from, to) {
            (None, _, Some(to)) => Some(Tally::Same(to, 1)),
            (None, _, None) => return,
            (Some(Tally::Same(same, 1)), Some(from), to) if same == from => to.map(|to| Tally::Same(to, 1)),
            (Some(Tally::Same(same, count)), None, Some(to)) if same == to => {
                Some(Tally::Same(to, count.saturating_add(1)))
            }
            (Some(Tally::Same(same, count)), Some(from), None) if same == from => {
                Some(Tally::Same(same, count - 1))
            }
            (Some(Tally::Same(same, count)), ..) => self.mix(file, vec![(same, count)], from, to),
            (Some(Tally::Mixed(_)), ..) => {
                let codes = self.mixed.remove(&file).unwrap_or_default();
                self.mix(file, codes, from, to)
            }
        };
        match after {
            Some(after) => self.tallies.insert(file, after),
            None => self.tallies.remove(&file),
        };
        self.recount(now, before, after);
    }

    /// The tally of a file with chunks in different conditions, or that had some until now.
    fn mix(
        &mut self,
        file: InodeId,
        mut codes: Vec<(u8, u32)>,
        from: Option<u8>,
        to: Option<u8>,
    ) -> Option<Tally> {
        if let Some(to) = to {
            match codes.iter_mut().find(|(code, _)| *code == to) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => codes.push((to, 1)),
            }
        }
        if let Some(from) = from {
            if let Some((_, count)) = codes.iter_mut().find(|(code, _)| *code == from) {
                *count = count.saturating_sub(1);
            }
            codes.retain(|(_, count)| *count > 0);
        }
        match codes.as_slice() {
            [] => None,
            [(code, count)] => Some(Tally::Same(*code, *count)),
            [(first, _), rest @ ..] => {
                let conditions = rest.iter().map(|(code, _)| Condition::of(*code));
                let whole = conditions.fold(Condition::of(*first), Condition::worse);
                self.mixed.insert(file, codes);
                Some(Tally::Mixed(whole.code()))
            }
        }
    }

    fn recount(&mut self, now: Duration, before: Option<Tally>, after: Option<Tally>) {
        let code = |tally: Tally| match tally {
            Tally::Same(code, _) | Tally::Mixed(code) => code,
        };
        let (before, after) = (before.map(code), after.map(code));
        if before != after {
            // The new one first, so that what stays in a class has been so since then.
            if let Some(after) = after {
                self.counts.add(now, Condition::of(after));
            }
            if let Some(before) = before {
                self.counts.take(Condition::of(before));
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        let tallies = self.tallies.len() * size_of::<(InodeId, Tally)>() * 3 / 2;
        let codes: usize = self.mixed.values().map(Vec::capacity).sum();
        let mixed = self.mixed.len() * size_of::<(InodeId, Vec<(u8, u32)>)>() * 3 / 2;
        (tallies + mixed + codes * size_of::<(u8, u32)>()) as u64
    }
}
