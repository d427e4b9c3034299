//! Who asks the most, and about which directories: what `distrifs top` shows.
//!
//! Calls are counted in a window of some seconds, by user and host, and by directory; what is told is of the last window that is
//! over. It is a look, not an account: a call that would have to wait for another one is not counted, nor is a client or a
//! directory beyond so many in one window.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use proto::v1;
use tonic::Request;

use crate::audit::{Told, path_of};
use crate::service::peer_address;

/// How long is counted before it is told.
const WINDOW: Duration = Duration::from_secs(5);

/// Clients, and directories, of one window.
const KEYS_MAX: usize = 1_024;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Activity(Mutex<Windows>);

#[derive(Debug, Default)]
struct Windows {
    begun: Duration,
    now: Counts,
    last: Counts,
    /// The one that is counted.
    key: String,
}

#[derive(Debug, Default)]
struct Counts {
    clients: HashMap<String, u64>,
    directories: HashMap<String, u64>,
}

/// Names with their calls a second, most first.
pub(crate) type Hot = Vec<(String, f64)>;

impl Activity {
    /// A call.
    pub(crate) fn saw<T: Told>(&self, now: Duration, request: &Request<T>) {
        let message = request.get_ref();
        let Some(caller) = message.caller() else { return };
        if let Ok(mut windows) = self.0.try_lock() {
            windows.turn(now);
            windows.client(caller, request, 1);
            if let Some(path) = message.path() {
                add(&mut windows.now.directories, directory(path), 1);
            }
        }
    }

    /// So many calls at once.
    pub(crate) fn saw_batch(&self, now: Duration, request: &Request<v1::BatchRequest>) {
        let batch = request.get_ref();
        let Some(caller) = &batch.caller else { return };
        if let Ok(mut windows) = self.0.try_lock() {
            windows.turn(now);
            let count = batch.operations.len() as u64;
            windows.client(caller, request, count);
            let paths = batch
                .operations
                .iter()
                .filter_map(|operation| path_of(operation.kind.as_ref()?));
            for path in paths {
                add(&mut windows.now.directories, directory(path), 1);
            }
        }
    }

    /// The clients and the directories with the most calls, so many of each.
    pub(crate) fn hottest(&self, now: Duration, count: usize) -> (Hot, Hot) {
        let Ok(mut windows) = self.0.lock() else {
            return Default::default();
        };
        windows.turn(now);
        (
            most(&windows.last.clients, count),
            most(&windows.last.directories, count),
        )
    }
}

impl Windows {
    /// Begins another window when the last one is over.
    fn turn(&mut self, now: Duration) {
        let over = now.saturating_sub(self.begun);
        if over < WINDOW {
            return;
        }
        self.last = std::mem::take(&mut self.now);
        // Nobody has asked for longer than a window: what was counted is of long ago.
        if over >= 2 * WINDOW {
            self.last = Counts::default();
        }
        self.begun = now;
    }

    /// A client has made so many calls.
    fn client<T>(&mut self, caller: &v1::Caller, request: &Request<T>, calls: u64) {
        self.key.clear();
        // A string takes all that is written to it.
        let _ = match (caller.from.as_str(), peer_address(request)) {
            ("", Some(address)) => write!(self.key, "{}@{address}", caller.user),
            (from, _) => write!(self.key, "{}@{from}", caller.user),
        };
        add(&mut self.now.clients, &self.key, calls);
    }
}

/// The directory that something is in.
fn directory(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((directory, _)) => directory,
    }
}

fn add(counts: &mut HashMap<String, u64>, key: &str, more: u64) {
    if let Some(count) = counts.get_mut(key) {
        *count += more;
    } else if counts.len() < KEYS_MAX {
        counts.insert(key.to_owned(), more);
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates, to be looked at")]
fn most(counts: &HashMap<String, u64>, count: usize) -> Hot {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_unstable_by(|one, other| other.1.cmp(one.1).then_with(|| one.0.cmp(other.0)));
    let rate = |calls: u64| calls as f64 / WINDOW.as_secs_f64();
    all.into_iter()
        .take(count)
        .map(|(key, calls)| (key.clone(), rate(*calls)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(user: &str, path: &str) -> Request<v1::StatRequest> {
        let caller = v1::Caller {
            user: user.to_owned(),
            from: "h".to_owned(),
            ..Default::default()
        };
        Request::new(v1::StatRequest {
            caller: Some(caller),
            path: path.to_owned(),
        })
    }

    #[test]
    fn the_last_window_is_told_most_first() {
        let activity = Activity::default();
        let at = Duration::from_secs;
        for (user, path) in [
            ("ann", "/a/f"),
            ("ann", "/a/g"),
            ("bob", "/f"),
            ("ann", "/a/b/c"),
            ("ann", "/"),
        ] {
            activity.saw(at(1), &stat(user, path));
        }
        assert_eq!(
            activity.hottest(at(4), 9),
            (Vec::new(), Vec::new()),
            "it is not over"
        );
        let (clients, directories) = activity.hottest(at(5), 2);
        assert_eq!(clients, [("ann@h".to_owned(), 0.8), ("bob@h".to_owned(), 0.2)]);
        assert_eq!(directories, [("/".to_owned(), 0.4), ("/a".to_owned(), 0.4)]);
        assert_eq!(activity.hottest(at(60), 9).0, Vec::new(), "that was long ago");
    }

    #[test]
    fn memory_is_bounded() {
        let mut counts = HashMap::new();
        for key in 0..2 * KEYS_MAX {
            add(&mut counts, &key.to_string(), 1);
        }
        assert_eq!(counts.len(), KEYS_MAX);
    }
}
