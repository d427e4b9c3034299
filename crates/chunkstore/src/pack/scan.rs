//! What the packs of a volume hold when the process starts.

use std::io;
use std::path::Path;

use env::disk::{File, Open, read_exact_at};

use crate::pack::active::Packs;
use crate::pack::layout::{ALIGN, BrokenEntry, Mark, Spot, check_pack, decode_entry, entry_len};
use crate::sidecar::{self, HEADER_BYTES, Header};
use crate::units::{SUM, first_mismatch, units};

/// The longest replica that is ever packed; a header that says more is not one of ours.
pub(crate) const PACKED_BYTES_MAX: u64 = 1 << 20;

/// What is found in a pack, in the order of offsets.
pub(crate) enum Found {
    /// A replica; of a pack that was not closed in order, its bytes were compared with their sums.
    Replica(Spot, Header),
    /// One that was deleted, and rests.
    Resting(Spot, Header),
    /// Something is wrong from this offset on, or with the pack as a whole.
    Damage {
        /// Where.
        at: u64,
        /// What.
        why: String,
    },
}

/// The serial number that a name says.
pub(crate) fn serial_of(path: &Path) -> Option<u32> {
    let digits = path.file_name()?.to_str()?.strip_prefix("pack-")?;
    let serial = u32::from_str_radix(digits, 16).ok()?;
    (format!("{serial:08x}") == digits).then_some(serial)
}

impl Packs {
    /// Walks through a pack. At a start (`first`), its load is counted, and the bytes of replicas are compared with their
    /// sums unless the pack was closed in order.
    ///
    /// # Errors
    /// When it can not be read.
    pub(crate) fn walk(&self, serial: u32, first: bool, mut each: impl FnMut(Found)) -> io::Result<()> {
        let file = self.disk.open(&self.path(serial), Open::Read)?;
        if first {
            self.usage.begun(serial);
        }
        let size = file.size()?;
        let mut head = [0; HEADER_BYTES];
        let n = file.read_at(&mut head, 0)?;
        if let Err(why) = check_pack(head.get(..n).unwrap_or_default(), self.storage, serial) {
            // Cut off while it was begun: it never held anything.
            if size > ALIGN {
                each(Found::Damage { at: 0, why });
            }
            return Ok(());
        }
        let trusted = !first || self.is_closed(&*file, serial, size)?;
        let wasted = |bytes| {
            if first {
                self.usage.wasted(serial, bytes);
            }
        };
        let mut at = ALIGN;
        // Entries without their bytes: what a crash tore if nothing whole follows them, and rot if something does.
        let mut torn = Vec::new();
        while at + ALIGN <= size {
            let Ok(offset) = u32::try_from(at) else { break };
            let spot = Spot {
                pack: serial,
                at: offset,
            };
            match self.entry(&*file, spot, size)? {
                Ok(Mark::Close) => return Ok(()),
                Ok(Mark::Gone(header)) => {
                    wasted(entry_len(header.len));
                    at += entry_len(header.len);
                }
                Ok(Mark::Resting(header)) => {
                    each(Found::Resting(spot, header));
                    at += entry_len(header.len);
                }
                Ok(Mark::Live(header)) => {
                    if trusted || whole(&*file, spot, &header)? {
                        for at in torn.drain(..) {
                            each(Found::Damage {
                                at,
                                why: "the bytes of a replica are not those that were written".into(),
                            });
                        }
                        each(Found::Replica(spot, header));
                    } else {
                        wasted(entry_len(header.len));
                        torn.push(at);
                    }
                    at += entry_len(header.len);
                }
                Err(why) => {
                    let next = self.next_entry(
                        &*file,
                        Spot {
                            pack: serial,
                            at: offset,
                        },
                        size,
                    )?;
                    wasted(next - at);
                    // In a pack that was not closed, what is behind the last whole entry is what a crash tore.
                    if trusted || next + ALIGN <= size {
                        each(Found::Damage {
                            at,
                            why: why.to_string(),
                        });
                    }
                    at = next;
                }
            }
        }
        Ok(())
    }

    /// The next entry behind something that is none; the end of the file when there is none.
    fn next_entry(&self, file: &dyn File, from: Spot, size: u64) -> io::Result<u64> {
        let mut at = u64::from(from.at) + ALIGN;
        while at + ALIGN <= size {
            let Ok(offset) = u32::try_from(at) else { break };
            if self.entry(file, Spot { at: offset, ..from }, size)?.is_ok() {
                break;
            }
            at += ALIGN;
        }
        Ok(at)
    }

    fn is_closed(&self, file: &dyn File, serial: u32, size: u64) -> io::Result<bool> {
        let Some(at) = size.checked_sub(ALIGN).filter(|at| at.is_multiple_of(ALIGN)) else {
            return Ok(false);
        };
        let Ok(at) = u32::try_from(at) else {
            return Ok(false);
        };
        Ok(matches!(
            self.entry(file, Spot { pack: serial, at }, size)?,
            Ok(Mark::Close)
        ))
    }

    /// The header at `spot`, of an entry that fits into the file.
    fn entry(&self, file: &dyn File, spot: Spot, size: u64) -> io::Result<Result<Mark, BrokenEntry>> {
        let mut bytes = [0; HEADER_BYTES];
        read_exact_at(file, &mut bytes, spot.at.into())?;
        let mark = decode_entry(&bytes, self.storage, spot);
        Ok(mark.and_then(|mark| match mark {
            Mark::Live(header) | Mark::Resting(header) | Mark::Gone(header)
                if header.len > PACKED_BYTES_MAX
                    || u64::from(spot.at) + sidecar::file_len(header.len) + header.len > size =>
            {
                Err(sidecar::BrokenHeader::Length(header.len).into())
            }
            _ => Ok(mark),
        }))
    }
}

/// Whether sums and data of an entry are those that were written.
pub(crate) fn whole(file: &dyn File, spot: Spot, header: &Header) -> io::Result<bool> {
    let body = read_body(file, spot, header)?;
    Ok(body.is_some_and(|(sums, data)| {
        crc_fast::crc32_iscsi(&sums) == header.sums_crc && first_mismatch(&data, &sums).is_none()
    }))
}

/// Sums and data of an entry; none when the file ends before.
pub(crate) fn read_body(
    file: &dyn File,
    spot: Spot,
    header: &Header,
) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let (Ok(sums), Ok(data)) = (
        usize::try_from(units(header.len) * SUM),
        usize::try_from(header.len),
    ) else {
        return Ok(None);
    };
    let (mut sums, mut data) = (vec![0; sums], vec![0; data]);
    let at = u64::from(spot.at);
    let read = read_exact_at(file, &mut sums, at + sidecar::sum_at(0))
        .and_then(|()| read_exact_at(file, &mut data, at + sidecar::file_len(header.len)));
    match read {
        Ok(()) => Ok(Some((sums, data))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
