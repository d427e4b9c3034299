//! The answers to recent calls, so that a call that comes again (its answer was lost, the master changed) gets the first
//! answer and is not carried out twice.
//!
//! Bounded by count and by age; both are measured by the log alone, so that all masters forget alike. Dates in the log are
//! those of leaders' clocks: where one is far ahead of the one before (or nothing was logged for long), only a part of
//! the difference counts, else the calls that come again because the leader has changed would be forgotten by that
//! very change. A call is known by
//! client, number, user and kind of command: another user who guesses a client's numbers neither sees its answers nor
//! spoils its calls, and a client that uses a number twice is never answered with the outcome of another kind of
//! command. Refusals are kept as well: who wants another try must make another call.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use compact::{Fields, FieldsMut, PagedArray, Record};
use imbl::Vector;
use types::limits::{RETRY_CACHE_ENTRIES_MAX, RETRY_CACHE_MS_MAX, RETRY_CACHE_STEP_MS_MAX};
use types::{RequestId, UnixMillis};

use crate::{Command, Entry, NamespaceError, Outcome};

/// The op code of `Command::DeleteTree`.
const DELETE_TREE: u8 = 19;

type Answer = Result<Outcome, NamespaceError>;

/// What makes a call the same as an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct CallKey {
    request: RequestId,
    op: u8,
    user: Arc<str>,
}

impl CallKey {
    /// The key of a `DeleteTree`.
    pub(crate) fn of_delete_tree(request: RequestId, user: &str) -> Self {
        Self {
            request,
            op: DELETE_TREE,
            user: user.into(),
        }
    }

    /// The key of `entry`; none when its answer need not be kept.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        if matches!(entry.command, Command::RenewLease | Command::Format { .. }) {
            return None;
        }
        Some(Self {
            request: entry.request?,
            op: entry.command.op_code(),
            user: entry.caller.user.as_str().into(),
        })
    }
}

/// The most calls in one segment; at most 256.
const SEGMENT_MAX: usize = 64;

/// How many lists the calls are spread over: a call has about one other in its own.
const BUCKETS: u64 = RETRY_CACHE_ENTRIES_MAX as u64;

/// So many calls of a client are in buckets beside each other.
const NEIGHBOURS: u64 = 64;

/// The recent answers: a queue of segments, and through it lists of the calls that hash to the same bucket.
///
/// ```text
///   newest     bucket 0   bucket 1   bucket 2 …        one page of these is copied for a call
///                 |          |
///   segments   [a b c d] [e f] [g h i] + open [j k]    none is ever copied, nor changed once a clone has it
///               ^ gone    `-------'                    each call knows the one before it in its bucket
/// ```
///
/// The oldest are forgotten by what counts as oldest alone: no list is touched, they end where that begins.
///
/// # Invariants
/// - Segments are numbered one after the other from `first` on; `open` is the last, and the only one that may be empty.
/// - The first segment has `gone` calls that are forgotten, and one that is not, or nothing is kept at all.
/// - `newest` has the newest call of each bucket, or one that is forgotten. Calls before it in its bucket are older.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetryCache {
    segments: Vector<Arc<Vec<Kept>>>,
    open: Arc<Vec<Kept>>,
    first: u64,
    gone: usize,
    len: usize,
    newest: PagedArray<Place>,
    /// How much of the log's time did not count, up to now.
    uncounted: u64,
    /// Its keys differ from process to process, so that no client can choose numbers that meet in one bucket.
    hasher: RandomState,
}

/// A call that is known.
#[derive(Debug, Clone)]
struct Kept {
    key: CallKey,
    /// When, in time that counts.
    at: u64,
    /// The one before it in its bucket.
    before: Option<Place>,
    answer: Answer,
}

/// Where a call is kept: the number of its segment, below 2^48, and where it is in that. Later calls have greater places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: u64,
    index: u8,
}

impl Place {
    fn new(segment: u64, index: usize) -> Self {
        Self {
            segment,
            index: u8::try_from(index).unwrap_or(u8::MAX),
        }
    }
}

impl Record for Place {
    const BYTES: usize = 7;

    #[inline]
    fn write(&self, mut to: FieldsMut<'_>) {
        to.u48(self.segment);
        to.u8(self.index);
    }

    #[inline]
    fn read(mut from: Fields<'_>) -> Self {
        Self {
            segment: from.u48(),
            index: from.u8(),
        }
    }
}

impl RetryCache {
    /// How many answers are kept.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The log's time goes on: forgets what is too old at `now`.
    pub(crate) fn pass(&mut self, before: UnixMillis, now: UnixMillis) {
        self.uncounted += now.since_ms(before).saturating_sub(RETRY_CACHE_STEP_MS_MAX);
        while let Some(oldest) = self.oldest() {
            if now.since_ms(self.time_of(oldest)) <= RETRY_CACHE_MS_MAX {
                break;
            }
            self.forget_oldest();
        }
    }

    pub(crate) fn find(&self, key: &CallKey) -> Option<&Answer> {
        let oldest = Place::new(self.first, self.gone);
        let mut next = self.newest.get(self.bucket(key));
        while let Some(place) = next.filter(|place| *place >= oldest) {
            let kept = self.at(place)?;
            if kept.key == *key {
                return Some(&kept.answer);
            }
            next = kept.before;
        }
        None
    }

    /// Keeps the answer to a call that is not known yet.
    pub(crate) fn keep(&mut self, key: CallKey, at: UnixMillis, answer: Answer) {
        if self.len >= RETRY_CACHE_ENTRIES_MAX {
            self.forget_oldest();
        }
        let bucket = self.bucket(&key);
        let kept = Kept {
            key,
            at: at.0.saturating_sub(self.uncounted),
            before: self.newest.get(bucket),
            answer,
        };
        match Arc::get_mut(&mut self.open) {
            Some(open) if open.len() < SEGMENT_MAX => open.push(kept),
            _ => {
                let full = std::mem::replace(&mut self.open, Arc::new(vec![kept]));
                if !full.is_empty() {
                    self.segments.push_back(full);
                }
            }
        }
        self.len += 1;
        let segment = self.first + self.segments.len() as u64;
        self.newest.set(bucket, Place::new(segment, self.open.len() - 1));
    }

    /// What is to be saved, oldest first.
    pub(crate) fn saved(&self) -> Vec<(UnixMillis, &CallKey, &Answer)> {
        let segments = self.segments.iter().chain([&self.open]);
        let kept = segments.flat_map(|segment| segment.iter()).skip(self.gone);
        kept.map(|kept| (self.time_of(kept), &kept.key, &kept.answer))
            .collect()
    }

    /// What was saved. None when a call comes twice.
    pub(crate) fn loaded(saved: Vec<(UnixMillis, CallKey, Answer)>) -> Option<Self> {
        let mut cache = Self::default();
        for (at, key, answer) in saved {
            if cache.find(&key).is_some() {
                return None;
            }
            cache.keep(key, at, answer);
        }
        Some(cache)
    }

    fn forget_oldest(&mut self) {
        let front = self.front().len();
        if self.gone + 1 < front {
            self.gone += 1;
        } else if front > 0 {
            if self.segments.pop_front().is_none() {
                self.open = Arc::default();
            }
            self.first += 1;
            self.gone = 0;
        } else {
            return;
        }
        self.len -= 1;
    }

    fn front(&self) -> &Vec<Kept> {
        self.segments.front().unwrap_or(&self.open)
    }

    fn oldest(&self) -> Option<&Kept> {
        self.front().get(self.gone)
    }

    fn at(&self, place: Place) -> Option<&Kept> {
        let number = usize::try_from(place.segment.checked_sub(self.first)?).ok()?;
        let segment = match number == self.segments.len() {
            true => &self.open,
            false => self.segments.get(number)?,
        };
        segment.get(usize::from(place.index))
    }

    /// When a call came, as dates are now: later than the log said then, by what has not counted since.
    const fn time_of(&self, kept: &Kept) -> UnixMillis {
        UnixMillis(kept.at.saturating_add(self.uncounted))
    }

    /// Calls of one client that follow each other are beside each other, and so on few pages.
    fn bucket(&self, key: &CallKey) -> u32 {
        let (client, call) = (key.request.client, key.request.call.0);
        let first = self.hasher.hash_one((client, call / NEIGHBOURS));
        u32::try_from(first.wrapping_add(call % NEIGHBOURS) % BUCKETS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;
    use types::{CallId, ClientId, UnixMillis};

    use super::*;
    use crate::testing::{Fs, caller, path};

    fn mkdir(fs: &mut Fs) -> Entry {
        let command = Command::Mkdir {
            path: path("/tmp/a"),
            mode: 0o755,
            parents: false,
        };
        fs.by("ann").entry(command)
    }

    fn create(fs: &mut Fs) -> Entry {
        let (path, options) = (path("/tmp/f"), crate::testing::options());
        fs.by("ann").entry(Command::Create { path, options })
    }

    #[test]
    fn a_call_that_comes_again_gets_the_first_answer() {
        let mut fs = Fs::new();
        let entry = create(&mut fs);
        let first = fs.ns.apply(&entry);
        assert!(matches!(first, Ok(Outcome::Opened(_))));
        assert_eq!(fs.ns.apply(&entry), first);
        assert_eq!(fs.names("/tmp"), ["f"]);
        let another = create(&mut fs);
        assert_eq!(fs.ns.apply(&another), Err(NamespaceError::Exists(path("/tmp/f"))));
    }

    #[test]
    fn nothing_is_done_twice() {
        let mut fs = Fs::new();
        let entry = mkdir(&mut fs);
        fs.ns.apply(&entry).unwrap();
        fs.by("ann").delete("/tmp/a").unwrap();
        fs.ns.apply(&entry).unwrap();
        assert!(!fs.exists("/tmp/a"));
    }

    #[test]
    fn refusals_are_kept_too() {
        let mut fs = Fs::new();
        fs.by("ann").mkdir("/tmp/a").unwrap();
        let entry = mkdir(&mut fs);
        let refused = fs.ns.apply(&entry);
        fs.by("ann").delete("/tmp/a").unwrap();
        assert_eq!(refused, Err(NamespaceError::Exists(path("/tmp/a"))));
        assert_eq!(fs.ns.apply(&entry), refused);
    }

    #[test]
    fn another_user_command_or_client_is_another_call() {
        let mut fs = Fs::new();
        let first = create(&mut fs);
        let opened = fs.ns.apply(&first);
        let mut by_bob = first.clone();
        by_bob.caller = caller("bob");
        assert!(matches!(fs.ns.apply(&by_bob), Err(NamespaceError::Exists(_))));
        let mut other_client = first.clone();
        other_client.request = first.request.map(|request| RequestId {
            client: ClientId(1),
            ..request
        });
        assert!(matches!(
            fs.ns.apply(&other_client),
            Err(NamespaceError::Exists(_))
        ));
        let mut other_command = mkdir(&mut fs);
        other_command.request = first.request;
        assert_eq!(fs.ns.apply(&other_command), Ok(Outcome::Done));
        assert_eq!(fs.ns.apply(&first), opened);
    }

    #[test]
    fn the_leaders_own_commands_and_renewals_are_not_kept() {
        let mut fs = Fs::new();
        let mut entry = fs.by("root").entry(Command::RenewLease);
        assert!(CallKey::of(&entry).is_none());
        entry.command = mkdir(&mut fs).command;
        assert!(CallKey::of(&entry).is_some());
        entry.request = None;
        assert!(CallKey::of(&entry).is_none());
    }

    #[test]
    fn old_answers_are_forgotten_by_the_logs_own_time() {
        let mut fs = Fs::new();
        let entry = create(&mut fs);
        fs.ns.apply(&entry).unwrap();
        fs.by("ann").delete("/tmp/f").unwrap();
        let mut minutes = 0;
        while fs.at + RETRY_CACHE_STEP_MS_MAX < entry.at.0 + RETRY_CACHE_MS_MAX {
            fs.at += RETRY_CACHE_STEP_MS_MAX - 1;
            minutes += 1;
            fs.by("bob").mkdir(&format!("/tmp/{minutes}")).unwrap();
        }
        fs.at = entry.at.0 + RETRY_CACHE_MS_MAX - 1;
        fs.by("bob").mkdir("/tmp/now").unwrap();
        fs.ns.apply(&entry).unwrap();
        assert!(!fs.exists("/tmp/f"), "still known");
        fs.by("bob").mkdir("/tmp/later").unwrap();
        fs.ns.apply(&entry).unwrap();
        assert!(fs.exists("/tmp/f"), "forgotten, and carried out");
    }

    #[test]
    fn a_leader_whose_date_is_far_ahead_makes_nobodys_call_be_carried_out_twice() {
        let mut fs = Fs::new();
        let entry = create(&mut fs);
        fs.ns.apply(&entry).unwrap();
        fs.by("ann").delete("/tmp/f").unwrap();
        for date in ["/tmp/hours", "/tmp/days"] {
            fs.at += 100 * RETRY_CACHE_MS_MAX;
            fs.by("bob").mkdir(date).unwrap();
            fs.ns.apply(&entry).unwrap();
            assert!(!fs.exists("/tmp/f"));
        }
    }

    fn key(call: usize) -> CallKey {
        CallKey {
            request: RequestId {
                client: ClientId(1),
                call: CallId(call as u64),
            },
            op: 2,
            user: "ann".into(),
        }
    }

    /// What is done to a cache.
    #[derive(Debug, Clone)]
    enum Step {
        Keep(usize),
        Pass(u64),
        Publish,
        Load,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0usize..400).prop_map(Step::Keep),
            2 => (0..2 * RETRY_CACHE_STEP_MS_MAX).prop_map(Step::Pass),
            2 => Just(Step::Publish),
            1 => Just(Step::Load),
        ];
        prop::collection::vec(step, 1..400)
    }

    /// What a cache of these calls says.
    fn check(cache: &RetryCache, model: &VecDeque<(u64, usize)>) {
        let answer = |call: usize| Ok(Outcome::Expired(call as u64));
        let saved = model
            .iter()
            .map(|(at, call)| (UnixMillis(*at), key(*call), answer(*call)));
        let says = cache.saved().into_iter();
        let says = says.map(|(at, key, answer)| (at, key.clone(), answer.clone()));
        assert_eq!(says.collect::<Vec<_>>(), saved.collect::<Vec<_>>());
        assert_eq!(cache.len(), model.len());
        for call in 0..400 {
            let known = model.iter().any(|(_, kept)| *kept == call);
            assert_eq!(cache.find(&key(call)).cloned(), known.then(|| answer(call)));
        }
    }

    proptest! {
        #[test]
        fn it_is_a_queue_that_is_looked_up_by_key_and_its_clones_stand_still(steps in steps()) {
            let mut cache = RetryCache::default();
            let mut model = VecDeque::new();
            let mut published = Vec::new();
            let mut now = 1_000_000;
            for step in steps {
                match step {
                    Step::Keep(call) if cache.find(&key(call)).is_none() => {
                        cache.keep(key(call), UnixMillis(now), Ok(Outcome::Expired(call as u64)));
                        model.push_back((now, call));
                    }
                    Step::Keep(_) => {}
                    Step::Pass(ms) => {
                        cache.pass(UnixMillis(now), UnixMillis(now + ms));
                        now += ms;
                        for (at, _) in &mut model {
                            *at += ms.saturating_sub(RETRY_CACHE_STEP_MS_MAX);
                        }
                        model.retain(|(at, _)| now - at <= RETRY_CACHE_MS_MAX);
                    }
                    Step::Publish => {
                        published.truncate(3);
                        published.push((cache.clone(), model.clone()));
                    }
                    Step::Load => {
                        let saved = cache.saved().into_iter();
                        let saved = saved.map(|(at, key, answer)| (at, key.clone(), answer.clone()));
                        cache = RetryCache::loaded(saved.collect()).unwrap();
                    }
                }
            }
            check(&cache, &model);
            for (clone, then) in &published {
                check(clone, then);
            }
        }
    }

    #[test]
    fn a_call_that_was_saved_twice_is_refused() {
        let saved = |call| (UnixMillis(1), key(call), Ok(Outcome::Done));
        assert!(RetryCache::loaded(vec![saved(1), saved(2)]).is_some());
        assert!(RetryCache::loaded(vec![saved(1), saved(2), saved(1)]).is_none());
    }

    #[test]
    fn the_oldest_answer_goes_when_there_are_too_many() {
        let mut cache = RetryCache::default();
        for call in 0..=RETRY_CACHE_ENTRIES_MAX {
            cache.keep(key(call), UnixMillis(1), Ok(Outcome::Done));
        }
        assert_eq!(cache.len(), RETRY_CACHE_ENTRIES_MAX);
        assert_eq!(cache.saved().len(), RETRY_CACHE_ENTRIES_MAX);
        assert!(cache.find(&key(0)).is_none());
        assert!(cache.find(&key(1)).is_some());
    }
}
