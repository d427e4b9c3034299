//! Between the datanode's values and messages.

use std::time::Duration;

use bytes::Bytes;
use chunkstore::VolumeStatus;
use proto::v1;
use types::{JobState, JobStatus, StorageId, UnixMillis};
use uuid::Uuid;

use crate::changes::{Change, Event};
use crate::orders::Failed;

pub(super) fn uuid_bytes(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}

pub(super) fn storage_bytes(storage: StorageId) -> Bytes {
    uuid_bytes(storage.0)
}

pub(super) fn storage_status(volume: VolumeStatus) -> v1::StorageStatus {
    v1::StorageStatus {
        id: storage_bytes(volume.storage),
        capacity: volume.capacity,
        used: volume.used,
        available: volume.available,
        chunks: volume.chunks,
        failed: volume.failed.unwrap_or_default(),
        directory: volume.dir.display().to_string(),
        quarantined: volume.quarantined,
        sync_us: micros(volume.sync_time),
        read_us: micros(volume.read_time),
        scrub_begun_ms: volume.scrub_begun.map_or(0, UnixMillis::as_u64),
        scrub_done: volume.scrub_done,
        taken_out: false,
    }
}

/// Less than one counts as one: 0 says that nothing is known.
fn micros(time: Duration) -> u32 {
    match time {
        Duration::ZERO => 0,
        time => u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1),
    }
}

pub(super) fn failure(failed: &Failed) -> v1::OrderFailure {
    v1::OrderFailure {
        chunk: failed.chunk.as_u64(),
        generation: failed.generation.as_u64(),
        reason: failed.reason.clone(),
    }
}

pub(super) fn change(change: &Change) -> v1::ReplicaChange {
    let event = match change.event {
        Event::Received => v1::ReplicaEvent::Received,
        Event::Deleted => v1::ReplicaEvent::Deleted,
        Event::Corrupt => v1::ReplicaEvent::Corrupt,
        Event::Verified => v1::ReplicaEvent::Verified,
    };
    v1::ReplicaChange {
        event: event.into(),
        storage_id: storage_bytes(change.storage),
        extent: Some(proto::wire_extent(change.extent)),
    }
}

/// What this datanode does by itself.
pub(super) fn job(job: JobStatus) -> v1::Job {
    let state = match job.state {
        JobState::Idle => v1::JobState::Idle,
        JobState::Running => v1::JobState::Running,
        JobState::Waiting => v1::JobState::Waiting,
        JobState::Stopped => v1::JobState::Stopped,
        JobState::Failing => v1::JobState::Failing,
    };
    v1::Job {
        name: job.name,
        state: state.into(),
        progress: job.progress,
        detail: job.detail,
        last_error_ms: job.last_error.as_ref().map_or(0, |error| error.at.0),
        last_error: job.last_error.map(|error| error.what).unwrap_or_default(),
        ..v1::Job::default()
    }
}
