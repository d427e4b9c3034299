//! Times and lengths that do not fit into an inode's record: few files have such.

use std::collections::BTreeMap;

use imbl::OrdMap;
use types::UnixMillis;

use crate::table::record::{DIRECTORY, InodeRecord, ODD_LEN, ODD_TIMES, U24_END, U48_END};

/// All of them, by slot.
///
/// # Invariants
/// A slot is in a map exactly when its record has the flag for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Odd {
    times: OrdMap<u32, (UnixMillis, UnixMillis)>,
    lens: OrdMap<u32, u64>,
}

/// What is saved: times, then lengths.
pub(crate) type SavedOdd = (BTreeMap<u32, (UnixMillis, UnixMillis)>, BTreeMap<u32, u64>);

impl Odd {
    /// When an inode was changed and read the last time.
    pub(crate) fn times(&self, slot: u32, record: &InodeRecord) -> (UnixMillis, UnixMillis) {
        if record.has(ODD_TIMES)
            && let Some(times) = self.times.get(&slot)
        {
            return *times;
        }
        let atime = match record.has(DIRECTORY) {
            true => record.wide,
            false => record.mtime.saturating_sub(record.lag.into()),
        };
        (UnixMillis(record.mtime), UnixMillis(atime))
    }

    /// Sets these.
    pub(crate) fn set_times(
        &mut self,
        slot: u32,
        record: &mut InodeRecord,
        mtime: UnixMillis,
        atime: UnixMillis,
    ) {
        let lag = mtime.0.checked_sub(atime.0).filter(|lag| *lag < U24_END);
        let lag = lag.and_then(|lag| u32::try_from(lag).ok());
        let fit = mtime.0 < U48_END
            && match record.has(DIRECTORY) {
                true => atime.0 < U48_END,
                false => lag.is_some(),
            };
        if fit {
            if record.has(ODD_TIMES) {
                self.times.remove(&slot);
            }
            record.mtime = mtime.0;
            match record.has(DIRECTORY) {
                true => record.wide = atime.0,
                false => record.lag = lag.unwrap_or(0),
            }
        } else {
            self.times.insert(slot, (mtime, atime));
            record.mtime = 0;
            match record.has(DIRECTORY) {
                true => record.wide = 0,
                false => record.lag = 0,
            }
        }
        record.put(ODD_TIMES, !fit);
    }

    /// The committed bytes of a file.
    pub(crate) fn len(&self, slot: u32, record: &InodeRecord) -> u64 {
        if record.has(ODD_LEN)
            && let Some(len) = self.lens.get(&slot)
        {
            return *len;
        }
        record.wide
    }

    /// Sets these.
    pub(crate) fn set_len(&mut self, slot: u32, record: &mut InodeRecord, len: u64) {
        let fits = len < U48_END;
        if fits && record.has(ODD_LEN) {
            self.lens.remove(&slot);
        } else if !fits {
            self.lens.insert(slot, len);
        }
        record.wide = if fits { len } else { 0 };
        record.put(ODD_LEN, !fits);
    }

    /// The inode is gone.
    pub(crate) fn forget(&mut self, slot: u32, record: &InodeRecord) {
        if record.has(ODD_TIMES) {
            self.times.remove(&slot);
        }
        if record.has(ODD_LEN) {
            self.lens.remove(&slot);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.times.len() + self.lens.len()
    }

    /// What is to be saved.
    pub(crate) fn saved(&self) -> SavedOdd {
        let times = self.times.iter().map(|(slot, times)| (*slot, *times));
        let lens = self.lens.iter().map(|(slot, len)| (*slot, *len));
        (times.collect(), lens.collect())
    }

    /// What was saved.
    pub(crate) fn loaded((times, lens): SavedOdd) -> Self {
        Self {
            times: times.into_iter().collect(),
            lens: lens.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(directory: bool) -> InodeRecord {
        InodeRecord {
            parent: 1,
            attributes: 0,
            flags: u8::from(directory) * DIRECTORY,
            first: 0,
            mtime: 0,
            wide: 0,
            lag: 0,
        }
    }

    fn time() -> impl Strategy<Value = u64> {
        let edges = [
            0,
            1,
            U24_END - 1,
            U24_END,
            U24_END + 1,
            U48_END - 1,
            U48_END,
            U48_END + U24_END,
            u64::MAX,
        ];
        prop_oneof![
            prop::sample::select(edges.to_vec()),
            1u64 << 40..(1 << 40) + (1 << 25)
        ]
    }

    proptest! {
        #[test]
        fn all_times_and_lengths_are_kept(
            directory: bool,
            changes in prop::collection::vec((time(), time(), time(), any::<bool>()), 1..9),
        ) {
            let (mut odd, mut record) = (Odd::default(), record(directory));
            let mut len = 0;
            for (mtime, atime, new_len, grows) in changes {
                let (mtime, atime) = (UnixMillis(mtime), UnixMillis(atime));
                odd.set_times(7, &mut record, mtime, atime);
                if grows && !directory {
                    len = new_len;
                    odd.set_len(7, &mut record, len);
                }
                prop_assert_eq!(odd.times(7, &record), (mtime, atime));
                if !directory {
                    prop_assert_eq!(odd.len(7, &record), len);
                }
                let flags = usize::from(record.has(ODD_TIMES)) + usize::from(record.has(ODD_LEN));
                prop_assert_eq!(odd.count(), flags);
            }
            odd.forget(7, &record);
            prop_assert_eq!(odd.count(), 0);
        }
    }

    #[test]
    fn what_usually_happens_fits() {
        let (mut odd, mut file) = (Odd::default(), record(false));
        let created = UnixMillis(1_800_000_000_000);
        odd.set_times(7, &mut file, UnixMillis(created.0 + 4 * 3_600_000), created);
        odd.set_len(7, &mut file, 1 << 47);
        assert_eq!(odd.count(), 0);
    }
}
