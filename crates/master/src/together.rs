//! Files that are created by one message, each with its first chunk: as many as can be get the same pipeline.
//!
//! So a client that writes many small files sends their chunks together. The first of them chooses datanodes that have room for
//! all; where there are none, each chooses for itself. What is chosen for other files later may be others, so the load is spread
//! message by message.

use std::sync::{Mutex, PoisonError};

use placement::{Request, Target};
use types::{DatanodeId, RequestId};

use crate::core::Core;
use crate::leadership::Lead;
use crate::rejection::Rejection;
use crate::reserve::{Reservation, Wanted};

/// The files of one message.
pub(crate) struct Together {
    /// How many there are.
    count: u64,
    chosen: Mutex<Chosen>,
}

#[derive(Default)]
enum Chosen {
    #[default]
    Nothing,
    /// For files that want this.
    Same(Wanted, Vec<DatanodeId>, Vec<Target>),
    /// There is no room for all of them in one place.
    Apart,
}

impl Together {
    /// A file for itself.
    pub(crate) fn alone() -> Self {
        Self::of(1)
    }

    /// So many files.
    pub(crate) fn of(count: usize) -> Self {
        Self {
            count: u64::try_from(count).unwrap_or(u64::MAX),
            chosen: Mutex::default(),
        }
    }

    /// Datanodes for the first chunk of one of the files; none when too few can take it.
    pub(crate) fn take<'a>(
        &self,
        core: &'a Core,
        lead: Lead,
        wanted: Wanted,
        id: RequestId,
        exclude: &[DatanodeId],
        host: &str,
    ) -> Option<Reservation<'a>> {
        // Differs from call to call, and from client to client.
        let client = id.client.0.to_le_bytes();
        let client = client.first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
        let choose = |bytes: u64| {
            let request = Request {
                now: core.now(),
                key: id.call.0.rotate_left(24) ^ client,
                count: wanted.replication.into(),
                bytes,
                existing: &[],
                exclude,
                client_host: host,
            };
            Reservation::take(core, lead, wanted, &request)
        };
        let told = |rejection: &Rejection| {
            tracing::debug!(
                why = rejection.0.message,
                "a file begins without datanodes for its first chunk"
            );
        };
        if self.count <= 1 {
            return choose(wanted.bytes).inspect_err(told).ok();
        }
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Chosen::Nothing = *chosen {
            // Room for all of them; what is reserved is for this one alone.
            *chosen = match choose(wanted.bytes.saturating_mul(self.count)) {
                Ok(all) => Chosen::Same(wanted, exclude.to_vec(), all.targets().to_vec()),
                Err(_) => Chosen::Apart,
            };
        }
        match &*chosen {
            Chosen::Same(same, without, targets) if *same == wanted && without == exclude => {
                Some(Reservation::of_same(core, lead, targets.clone(), wanted.bytes))
            }
            _ => {
                drop(chosen);
                choose(wanted.bytes).inspect_err(told).ok()
            }
        }
    }
}
