//! Block reports: everything that one storage has, or all of some buckets.
//!
//! A report is taken in slices, so that nobody holds a lock for long: what is listed piece by piece ([`Report::add`]), then
//! what is missing, by a look at a bounded number of chunks at a time ([`Report::finish`]). Sums tell whether anything is
//! missing at all; nearly always nothing is, and no chunk is looked at that is not listed.

use types::fingerprint::{BUCKETS, Fingerprint, bucket_of};
use types::{ChunkExtent, ChunkId, StorageId};

use super::ReplicaMap;
use super::table::Held;

/// Some of the buckets of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets(Box<[bool]>);

impl Buckets {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![true; BUCKETS].into_boxed_slice())
    }

    /// These; numbers that are none are left out.
    #[must_use]
    pub fn of(numbers: &[u32]) -> Self {
        let mut buckets = vec![false; BUCKETS].into_boxed_slice();
        for &number in numbers {
            let place = usize::try_from(number)
                .ok()
                .and_then(|number| buckets.get_mut(number));
            if let Some(place) = place {
                *place = true;
            }
        }
        Self(buckets)
    }

    fn is_all(&self) -> bool {
        self.0.iter().all(|is_one| *is_one)
    }

    fn has(&self, chunk: ChunkId) -> bool {
        self.0.get(bucket_of(chunk)).copied().unwrap_or_default()
    }

    fn holds(&self, number: u32) -> bool {
        let place = usize::try_from(number).ok().and_then(|number| self.0.get(number));
        place.copied().unwrap_or_default()
    }
}

/// What a report changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportSummary {
    /// Chunks of which a replica appeared, or appeared in another version.
    pub appeared: Vec<ChunkId>,
    /// Chunks of which a replica is gone.
    pub gone: Vec<ChunkId>,
    /// Replicas that are not in the report, but were received so lately that it may be older than they.
    pub unsure: usize,
}

impl ReportSummary {
    /// Takes in what another slice changed.
    pub fn append(&mut self, mut other: Self) {
        self.appeared.append(&mut other.appeared);
        self.gone.append(&mut other.gone);
        self.unsure += other.unsure;
    }
}

/// A report that is being taken. In this order: [`Report::add`] any number of times, [`Report::seal`],
/// [`Report::finish`] until it is done.
#[derive(Debug, Clone)]
pub struct Report {
    storage: StorageId,
    buckets: Buckets,
    /// What was listed; sorted once it is sealed.
    listed: Vec<ChunkId>,
    sealed: bool,
    /// The sums of what is known now of what was listed.
    sums: Fingerprint,
    /// Where to look on for what is missing, and in which buckets; none before the sums were compared.
    missing: Option<(u32, Buckets)>,
}

impl Report {
    /// Of `storage`: of everything, or all of some buckets.
    #[must_use]
    pub fn new(storage: StorageId, buckets: Buckets) -> Self {
        Self {
            storage,
            buckets,
            listed: Vec::new(),
            sealed: false,
            sums: Fingerprint::default(),
            missing: None,
        }
    }

    /// Takes a part of the list. What lies in other buckets than those of the report is left out.
    pub fn add(&mut self, map: &mut ReplicaMap, listed: &[ChunkExtent]) -> ReportSummary {
        let number = map.storages.intern(self.storage);
        let mut summary = ReportSummary::default();
        for extent in listed.iter().filter(|extent| self.buckets.has(extent.chunk)) {
            self.listed.push(extent.chunk);
            let same = map
                .table
                .confirm(extent.chunk, number, extent.generation, extent.len);
            let known = if same {
                Some(*extent)
            } else {
                let kept = map.differs(number, extent, &mut summary);
                (!kept.corrupt).then_some(ChunkExtent {
                    chunk: extent.chunk,
                    generation: kept.generation,
                    len: kept.len,
                })
            };
            if let Some(known) = known {
                self.sums.add(known);
            }
        }
        summary
    }

    /// All is listed. Sorts it: better done without a lock.
    pub fn seal(&mut self) {
        self.listed.sort_unstable();
        self.listed.dedup();
        self.sealed = true;
    }

    /// Looks for what is not listed, at about `limit` chunks. True when nothing is left to be looked at.
    pub fn finish(&mut self, map: &mut ReplicaMap, limit: usize) -> (ReportSummary, bool) {
        if !self.sealed {
            self.seal();
        }
        let number = map.storages.intern(self.storage);
        let mut summary = ReportSummary::default();
        let (from, buckets) = match self.missing.take() {
            Some(missing) => missing,
            None => {
                let mut differing = map.differing(self.storage, &self.sums);
                differing.retain(|bucket| self.buckets.holds(*bucket));
                let first = map.storages.get(number).is_none_or(|record| !record.reported);
                if differing.is_empty() {
                    // Bad ones are in no sum, and are all among the odd ones.
                    if first {
                        self.miss_odd(map, number, &self.buckets, &mut summary);
                    }
                    return (summary, self.done(map, number));
                }
                let looked_at = match first {
                    true => self.buckets.clone(),
                    false => Buckets::of(&differing),
                };
                (0, looked_at)
            }
        };
        let (found, next) = map.table.packed_on(number, from, limit);
        let missing = self.unlisted(found.into_iter(), &buckets);
        map.miss(number, missing, &mut summary);
        match next {
            Some(next) => {
                self.missing = Some((next, buckets));
                (summary, false)
            }
            None => {
                // These come last: one that is kept may come to lie in the array.
                self.miss_odd(map, number, &buckets, &mut summary);
                (summary, self.done(map, number))
            }
        }
    }

    fn miss_odd(&self, map: &mut ReplicaMap, storage: usize, buckets: &Buckets, summary: &mut ReportSummary) {
        let missing = self.unlisted(map.table.odd_on(storage), buckets);
        map.miss(storage, missing, summary);
    }

    fn unlisted(&self, chunks: impl Iterator<Item = ChunkId>, buckets: &Buckets) -> Vec<ChunkId> {
        let listed = |chunk: &ChunkId| self.listed.binary_search(chunk).is_ok();
        chunks
            .filter(|chunk| buckets.has(*chunk) && !listed(chunk))
            .collect()
    }

    fn done(&self, map: &mut ReplicaMap, storage: usize) -> bool {
        if let Some(record) = map.storages.get_mut(storage)
            && self.buckets.is_all()
        {
            record.reported = true;
            record.fresh_only = None;
        }
        true
    }
}

impl ReplicaMap {
    /// Takes what `storage` says it has in `buckets` for what it has there, at once. Each entry of the report is looked up;
    /// only when the storage has had something that is not in the report, every chunk is looked at once.
    pub fn report(&mut self, storage: StorageId, buckets: &Buckets, listed: &[ChunkExtent]) -> ReportSummary {
        let mut report = Report::new(storage, buckets.clone());
        let mut summary = report.add(self, listed);
        loop {
            let (more, done) = report.finish(self, usize::MAX);
            summary.append(more);
            if done {
                break;
            }
        }
        summary.gone.sort_unstable();
        summary
    }

    /// Takes an entry of a report that is not just what was known. Answers with what is known now.
    fn differs(&mut self, storage: usize, extent: &ChunkExtent, summary: &mut ReportSummary) -> Held {
        let known = self.on(storage, extent.chunk);
        let new = Held {
            storage,
            generation: extent.generation,
            len: extent.len,
            corrupt: false,
            fresh: false,
        };
        let kept = match known {
            Some(known) if known.generation > extent.generation && self.is_fresh(extent.chunk, known) => {
                // The chunk moved to a new generation after the snapshot was taken.
                summary.unsure += 1;
                known
            }
            Some(known) if (known.generation, known.len) == (extent.generation, extent.len) => known,
            _ => {
                summary.appeared.push(extent.chunk);
                new
            }
        };
        let kept = Held { fresh: false, ..kept };
        self.put(extent.chunk, kept);
        kept
    }

    /// Replicas that were known are not in the report.
    fn miss(&mut self, storage: usize, chunks: Vec<ChunkId>, summary: &mut ReportSummary) {
        let lists_bad_ones_no_more = self.storages.get(storage).is_some_and(|record| record.reported);
        for chunk in chunks {
            match self.on(storage, chunk) {
                Some(known) if known.corrupt && lists_bad_ones_no_more => {}
                Some(known) if self.is_fresh(chunk, known) => {
                    summary.unsure += 1;
                    self.put(
                        chunk,
                        Held {
                            fresh: false,
                            ..known
                        },
                    );
                }
                _ => {
                    self.drop_replica(storage, chunk);
                    summary.gone.push(chunk);
                }
            }
        }
    }

    fn is_fresh(&self, chunk: ChunkId, held: Held) -> bool {
        self.storages
            .get(held.storage)
            .is_some_and(|record| record.is_fresh(chunk, held.fresh))
    }
}
