//! The bytes of a simulated file: as the process sees them, and as the platters do.

use fastrand::Rng;

use super::CrashReport;

/// What a disk writes at once, or not at all.
const SECTOR_BYTES: usize = 512;

/// A change since the last sync.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

/// Invariant: as long as no sync has failed, `live` is `durable` with `unsynced` applied in order.
#[derive(Debug, Default)]
pub(super) struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    /// How far it was read, from its beginning on, since these bytes were written.
    read_to: usize,
}

impl Content {
    /// Bytes that it takes here.
    pub(super) fn memory(&self) -> usize {
        let of_change = |change: &Change| match change {
            Change::Write { bytes, .. } => bytes.capacity(),
            Change::SetLen(_) => 0,
        };
        let changes = self.unsynced.capacity() * size_of::<Change>();
        let unsynced: usize = self.unsynced.iter().map(of_change).sum();
        self.live.capacity() + self.durable.capacity() + changes + unsynced
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// How far it was read, from its beginning on, since these bytes were written.
    pub(super) const fn read_to(&self) -> usize {
        self.read_to
    }

    pub(super) fn read(&mut self, into: &mut [u8], offset: usize) -> usize {
        let rest = self.live.get(offset..).unwrap_or_default();
        let count = rest.len().min(into.len());
        if offset <= self.read_to {
            self.read_to = self.read_to.max(offset + count);
        }
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        put(&mut self.live, bytes, offset);
        self.read_to = self.read_to.min(offset);
        self.unsynced.push(Change::Write {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.live.resize(len, 0);
        self.read_to = self.read_to.min(len);
        self.unsynced.push(Change::SetLen(len));
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { offset, bytes } => put(&mut self.durable, &bytes, offset),
                Change::SetLen(len) => self.durable.resize(len, 0),
            }
        }
    }

    /// A sync that failed: the system takes the unsynced bytes for written, but they never will be. Reads still see them
    /// for as long as it is up.
    pub(super) fn fail_sync(&mut self) {
        self.unsynced.clear();
    }

    /// The power goes: of the changes since the last sync, any may have reached the disk, and of a write any sectors.
    pub(super) fn crash(&mut self, rng: &mut Rng, report: &mut CrashReport) {
        // Three kinds of disk: one that had not begun, one that had almost finished, one in the middle.
        let likely = *rng.choice(&[0, 128, 240]).unwrap_or(&0);
        for change in std::mem::take(&mut self.unsynced) {
            let fate = rng.u8(..);
            match change {
                Change::SetLen(len) if fate < likely => self.durable.resize(len, 0),
                Change::SetLen(_) => report.writes_lost += 1,
                Change::Write { offset, bytes } if fate < likely => {
                    put(&mut self.durable, &bytes, offset);
                    report.writes_kept += 1;
                }
                Change::Write { offset, bytes } if fate.is_multiple_of(2) => {
                    self.tear(rng, offset, &bytes);
                    report.writes_torn += 1;
                }
                Change::Write { .. } => report.writes_lost += 1,
            }
        }
        if self.live != self.durable {
            self.live.clone_from(&self.durable);
            self.read_to = 0;
        }
    }

    /// Writes some of the sectors; and sometimes the new length without the bytes.
    fn tear(&mut self, rng: &mut Rng, offset: usize, bytes: &[u8]) {
        let in_order = rng.bool();
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (sector, after) = rest.split_at(rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES));
            if rng.bool() {
                put(&mut self.durable, sector, at);
            } else if in_order {
                break;
            }
            at += sector.len();
            rest = after;
        }
        let end = offset + bytes.len();
        if rng.u8(..) < 64 && self.durable.len() < end {
            self.durable.resize(end, 0);
        }
    }

    /// Changes what is there already, on the disk and in memory: the bytes of another file have come here.
    pub(super) fn overwrite(&mut self, bytes: &[u8], offset: usize) {
        for image in [&mut self.live, &mut self.durable] {
            for (to, from) in image.iter_mut().skip(offset).zip(bytes) {
                *to = *from;
            }
        }
    }

    /// Changes a byte, on the disk and in memory. False when the file is shorter.
    pub(super) fn corrupt(&mut self, offset: usize, mask: u8) -> bool {
        for image in [&mut self.live, &mut self.durable] {
            if let Some(byte) = image.get_mut(offset) {
                *byte ^= mask;
            }
        }
        offset < self.live.len()
    }
}

fn put(image: &mut Vec<u8>, bytes: &[u8], offset: usize) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    if let Some(place) = image.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}
