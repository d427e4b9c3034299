//! Looking for the leader, while a call waits for an answer that may never come.
//!
//! A master that is stopped, or cut off from the network, refuses nothing: it is silent. A call that has waited for
//! [`SILENCE`] asks all masters at the same time, again and again, who leads. One search at a time serves every call.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use proto::v1::{MastersRequest, MastersResponse};
use tokio::time::{sleep, timeout};

use crate::masters::{Connection, Masters};

/// How long an answer may take before anybody doubts that it comes.
const SILENCE: Duration = Duration::from_millis(200);

/// The pause between two questions to a master: short at first, as an election is short, and then longer, as a call may
/// have its reasons to take long.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(1);

/// After so long masters that were heard of meanwhile are asked too.
const ROUND: Duration = Duration::from_secs(2);

/// How often a client that lives long asks who the masters are, so that it knows those that came after it.
const REFRESH_FIRST: Duration = Duration::from_millis(300);
const REFRESH: Duration = Duration::from_secs(30);

/// Asks one master who the masters are.
pub(crate) async fn ask(connection: &Connection, limit: Duration) -> Option<MastersResponse> {
    let mut admin = connection.admin();
    let answer = timeout(limit, admin.masters(MastersRequest {})).await;
    answer.ok()?.ok().map(tonic::Response::into_inner)
}

impl Masters {
    /// Resolves when another master than the one at `address` is known to lead, of a later term: a call that waits for the
    /// latter waits in vain.
    pub(crate) async fn superseded(&self, address: &str) {
        let mut turned = self.turned();
        let found = async {
            while turned.changed().await.is_ok() {
                if self.leads_elsewhere(address) {
                    return;
                }
            }
            std::future::pending().await
        };
        let search = async {
            sleep(SILENCE).await;
            let _one_is_enough = self.searching.lock().await;
            loop {
                let _ = timeout(ROUND, join_all(self.all().iter().map(|one| self.question(one)))).await;
            }
        };
        tokio::select! {
            () = found => {}
            () = search => {}
        }
    }

    /// Asks one master, for ever.
    async fn question(&self, connection: &Connection) {
        let mut pause = PAUSE_MIN;
        loop {
            if let Some(said) = ask(connection, QUESTION).await {
                self.heard(&connection.address, &said);
            }
            sleep(pause).await;
            pause = (pause * 5 / 4).min(PAUSE_MAX);
        }
    }
}

/// Keeps the list of masters fresh for as long as somebody else keeps it.
pub(crate) async fn keep_fresh(masters: Weak<Masters>) {
    let mut pause = REFRESH_FIRST;
    loop {
        sleep(pause).await;
        pause = REFRESH;
        let Some(current) = masters.upgrade().map(|masters: Arc<Masters>| masters.current()) else {
            return;
        };
        if let Ok(connection) = current
            && let Some(said) = ask(&connection, QUESTION).await
            && let Some(masters) = masters.upgrade()
        {
            masters.heard(&connection.address, &said);
        }
    }
}
