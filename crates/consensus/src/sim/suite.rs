//! The library's own tests of what it is built on.

use std::sync::Arc;

use env::disk::SimDisk;
use metrics::Histogram;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tokio::sync::watch;

use super::world::{History, directory, env, settings, simulate};
use crate::open;
use crate::raft::TypeConfig;
use crate::store::{Adapter, Condition, LogStore, erase};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Adapter> for Builder {
    async fn build(&self) -> Result<((), LogStore, Adapter), StorageError<TypeConfig>> {
        let (env, settings) = (env(Arc::new(SimDisk::new()), 1), settings());
        let machine = erase(Arc::new(History::default()));
        let opened = open::open(&env, directory(), &*machine, &settings).unwrap();
        let condition = watch::Sender::new(Condition::Working);
        let machine = Adapter::new(&env, directory(), &settings, machine, None, condition.clone()).unwrap();
        let store = LogStore::start(
            opened.log,
            env.disk,
            directory().to_owned(),
            condition,
            Histogram::default(),
        );
        Ok(((), store, machine))
    }
}

type Tests = Suite<TypeConfig, LogStore, Adapter, Builder, ()>;

macro_rules! tests {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            simulate(async {
                let ((), store, machine) = Builder.build().await.unwrap();
                Tests::$name(store, machine).await.unwrap();
            });
        }
    )* };
}

// Without those that begin a log in the middle, which this log refuses, or cut one that no state machine has.
tests! {
    last_membership_in_log_initial
    get_membership_initial
    get_membership_from_empty_log_and_sm
    get_initial_state_without_init
    get_initial_state_membership_from_empty_log_and_sm
    get_initial_state_membership_from_log_insm_is_smaller
    get_initial_state_with_state
    get_initial_state_last_log_gt_sm
    save_vote
    get_log_entries
    limited_get_log_entries
    leader_bounded_stream
    entries_stream
    try_get_log_entry
    log_reader_reads_new_entries
    initial_logs
    get_log_state
    get_log_id
    last_id_in_log
    last_applied_state
    purge_logs_upto_0
    purge_logs_upto_5
    purge_logs_upto_20
    delete_logs_after_11
    delete_logs_after_5
    delete_logs_after_0
    delete_logs_after_none
    append_to_log
    snapshot_meta
    snapshot_meta_optional
    apply_single
    apply_multiple
}

#[test]
fn transfer_snapshot() {
    simulate(async {
        Tests::transfer_snapshot(&Builder).await.unwrap();
    });
}
