//! Entries as bytes: what a record of the write-ahead log carries.
//!
//! The op code is the one byte that the log's record form gives to a command; the payload is the whole [`Entry`] in
//! postcard. Both are on disk, so neither the numbers below nor the order of the variants of
//! [`Command`](crate::Command) may ever change: new kinds go to the end, and a retired number is not used again. Bytes
//! that are not an entry are an error, never a panic.

use crate::{Command, Entry};

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The payload is not an entry.
    #[error("the payload of a record with op code {op} is not a command: {reason}")]
    Malformed {
        /// The record's op code.
        op: u8,
        /// What the format's reader says.
        reason: postcard::Error,
    },
    /// The payload goes on behind the entry.
    #[error("the payload of a record with op code {op} has {bytes} bytes too many")]
    TooLong {
        /// The record's op code.
        op: u8,
        /// How many bytes are left over.
        bytes: usize,
    },
    /// The payload is an entry of another kind than the record says.
    #[error("a record has op code {op}, but its payload is a command with op code {found}")]
    OpCode {
        /// The record's op code.
        op: u8,
        /// The op code of the command inside.
        found: u8,
    },
}

impl Command {
    /// The number that stands for this kind of command in the log. It never changes.
    #[must_use]
    pub const fn op_code(&self) -> u8 {
        match self {
            Self::Format { .. } => 1,
            Self::Mkdir { .. } => 2,
            Self::Create { .. } => 3,
            Self::Append { .. } => 4,
            Self::AddChunk { .. } => 5,
            Self::AbandonChunk { .. } => 6,
            Self::AbandonFile { .. } => 7,
            Self::BumpGeneration { .. } => 8,
            Self::UpdatePipeline { .. } => 9,
            Self::Complete { .. } => 10,
            Self::RenewLease => 11,
            Self::ExpireLeases { .. } => 12,
            Self::Rename { .. } => 13,
            Self::Delete { .. } => 14,
            Self::SetAttributes { .. } => 15,
            Self::RegisterDatanode(_) => 16,
            Self::Reap { .. } => 17,
            Self::SetSafeMode { .. } => 18,
            Self::DeleteTree { .. } => 19,
            Self::FormatSlotted { .. } => 20,
            Self::SetMemberState { .. } => 21,
            Self::RemoveMember { .. } => 22,
            Self::SetSetting { .. } => 23,
            Self::Sync { .. } => 24,
            Self::Recover { .. } => 25,
            Self::CommitRecovery { .. } => 26,
            Self::LeaveFile { .. } => 27,
            Self::Truncate { .. } => 28,
            Self::Concat { .. } => 29,
            Self::AppendChunk { .. } => 30,
            Self::CreateWithChunk { .. } => 31,
        }
    }
}

impl Entry {
    /// Appends the payload to `out`.
    #[expect(
        clippy::expect_used,
        reason = "postcard fails only for sequences of unknown length, and when its buffer is full; a Vec grows"
    )]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let buffer = std::mem::take(out);
        *out = postcard::to_extend(self, buffer).expect("an entry can always be encoded");
    }

    /// Reads what [`Entry::encode`] wrote for a command with op code `op`.
    ///
    /// # Errors
    /// When `payload` is not exactly one entry, or not one with this op code.
    pub fn decode(op: u8, payload: &[u8]) -> Result<Self, DecodeError> {
        let (entry, rest): (Self, _) =
            postcard::take_from_bytes(payload).map_err(|reason| DecodeError::Malformed { op, reason })?;
        if !rest.is_empty() {
            return Err(DecodeError::TooLong {
                op,
                bytes: rest.len(),
            });
        }
        match entry.command.op_code() {
            found if found == op => Ok(entry),
            found => Err(DecodeError::OpCode { op, found }),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{
        AdminState, CallId, ChunkExtent, ChunkId, ClientId, ClusterId, DatanodeId, Generation, InodeId,
        RequestId, StorageId, UnixMillis,
    };

    use super::*;
    use crate::testing::{caller, options, path};
    use crate::{Content, DeleteTicket, MemberStorage, Registration, SetAttributes};

    /// One of each kind, with its op code.
    fn all() -> Vec<(u8, Command)> {
        let inode = InodeId(300);
        let chunk = ChunkId::new(70_000).unwrap();
        let extent = ChunkExtent {
            chunk,
            generation: Generation(2),
            len: 1 << 20,
        };
        let written = vec![extent];
        let path = path("/a/ü");
        let id = DatanodeId::from_random_bytes([2; 16]);
        let registration = Registration {
            id,
            host: "node-1".to_owned(),
            data_port: 9866,
            rack: "/default".to_owned(),
            storages: vec![MemberStorage {
                id: StorageId::from_random_bytes([3; 16]),
                capacity: 1 << 40,
            }],
        };
        let set = SetAttributes {
            owner: Some("ann".to_owned()),
            ..Default::default()
        };
        vec![
            (
                1,
                Command::Format {
                    cluster: ClusterId::from_random_bytes([1; 16]),
                },
            ),
            (
                2,
                Command::Mkdir {
                    path: path.clone(),
                    mode: 0o755,
                    parents: true,
                },
            ),
            (
                3,
                Command::Create {
                    path: path.clone(),
                    options: options(),
                },
            ),
            (4, Command::Append { path: path.clone() }),
            (
                5,
                Command::AddChunk {
                    inode,
                    written: written.clone(),
                },
            ),
            (6, Command::AbandonChunk { inode, chunk }),
            (
                7,
                Command::AbandonFile {
                    inode,
                    written: Vec::new(),
                },
            ),
            (8, Command::BumpGeneration { inode, chunk }),
            (9, Command::UpdatePipeline { inode, extent }),
            (10, Command::Complete { inode, written }),
            (11, Command::RenewLease),
            (
                12,
                Command::ExpireLeases {
                    before: UnixMillis(1),
                },
            ),
            (
                13,
                Command::Rename {
                    from: path.clone(),
                    to: crate::testing::path("/"),
                    replace: true,
                },
            ),
            (
                14,
                Command::Delete {
                    path: path.clone(),
                    recursive: true,
                },
            ),
            (15, Command::SetAttributes { path, set }),
            (16, Command::RegisterDatanode(registration)),
            (17, Command::Reap { limit: 1_000 }),
            (18, Command::SetSafeMode { on: true }),
            (
                19,
                Command::DeleteTree {
                    path: crate::testing::path("/a"),
                    ticket: DeleteTicket {
                        top: Some(inode),
                        content: Content {
                            files: 1_000,
                            directories: 1,
                            chunks: 2,
                        },
                    },
                },
            ),
            (
                20,
                Command::FormatSlotted {
                    cluster: ClusterId::from_random_bytes([1; 16]),
                },
            ),
            (
                21,
                Command::SetMemberState {
                    id,
                    state: AdminState::Maintenance {
                        until: UnixMillis(300),
                    },
                },
            ),
            (22, Command::RemoveMember { id }),
            (
                23,
                Command::SetSetting {
                    key: "repair.streams".to_owned(),
                    value: "8".to_owned(),
                },
            ),
            (
                24,
                Command::Sync {
                    inode,
                    written: vec![extent],
                    open: Some(extent),
                },
            ),
            (
                25,
                Command::Recover {
                    inode,
                    before: UnixMillis(300),
                },
            ),
            (
                26,
                Command::CommitRecovery {
                    inode,
                    chunks: vec![extent],
                },
            ),
            (
                27,
                Command::LeaveFile {
                    inode,
                    written: Vec::new(),
                },
            ),
            (
                28,
                Command::Truncate {
                    path: crate::testing::path("/a"),
                    len: 300,
                },
            ),
            (
                29,
                Command::Concat {
                    target: crate::testing::path("/a"),
                    sources: vec![crate::testing::path("/b"), crate::testing::path("/c")],
                },
            ),
            (30, Command::AppendChunk { inode }),
            (
                31,
                Command::CreateWithChunk {
                    path: crate::testing::path("/a"),
                    options: options(),
                },
            ),
        ]
    }

    fn entry(command: Command) -> Entry {
        Entry {
            at: UnixMillis(1_700_000_000_000),
            caller: caller("ann"),
            request: Some(RequestId {
                client: ClientId(u128::MAX - 2),
                call: CallId(9),
            }),
            command,
        }
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        bytes
    }

    #[test]
    fn op_codes_are_for_ever() {
        for (op, command) in all() {
            assert_eq!(command.op_code(), op, "{command:?}");
            let bytes = postcard::to_stdvec(&command).unwrap();
            assert_eq!(bytes[0], op - 1, "the payload's own number of {command:?}");
        }
    }

    #[test]
    fn the_bytes_of_an_entry_are_for_ever() {
        let entry = Entry {
            request: None,
            ..entry(Command::Mkdir {
                path: path("/a"),
                mode: 0o755,
                parents: true,
            })
        };
        let golden = [
            &b"\x80\xd0\x95\xff\xbc\x31"[..],   // at: a varint
            b"\x03ann\x02\x03ann\x05staff\x00", // caller: user, groups, superuser
            b"\x00",                            // no request
            b"\x01\x02/a\xed\x03\x01",          // Mkdir, path, mode, parents
        ]
        .concat();
        assert_eq!(encoded(&entry), golden);
    }

    #[test]
    fn the_bytes_of_newer_commands_are_for_ever_too() {
        let goldens: [(u8, &[u8]); 15] = [
            (
                16,
                b"\x0f\x10\x02\x02\x02\x02\x02\x02\x42\x02\x82\x02\x02\x02\x02\x02\x02\x02\
                \x06node-1\x8a\x4d\x08/default\
                \x01\x10\x03\x03\x03\x03\x03\x03\x43\x03\x83\x03\x03\x03\x03\x03\x03\x03\x80\x80\x80\x80\x80\x20",
            ),
            (17, b"\x10\xe8\x07"),
            (18, b"\x11\x01"),
            (19, b"\x12\x02/a\x01\xac\x02\xe8\x07\x01\x02"),
            (
                20,
                b"\x13\x10\x01\x01\x01\x01\x01\x01\x41\x01\x81\x01\x01\x01\x01\x01\x01\x01",
            ),
            (
                21,
                b"\x14\x10\x02\x02\x02\x02\x02\x02\x42\x02\x82\x02\x02\x02\x02\x02\x02\x02\x03\xac\x02",
            ),
            (
                22,
                b"\x15\x10\x02\x02\x02\x02\x02\x02\x42\x02\x82\x02\x02\x02\x02\x02\x02\x02",
            ),
            (23, b"\x16\x0erepair.streams\x018"),
            (
                24,
                b"\x17\xac\x02\x01\xf0\xa2\x04\x02\x80\x80\x40\x01\xf0\xa2\x04\x02\x80\x80\x40",
            ),
            (25, b"\x18\xac\x02\xac\x02"),
            (26, b"\x19\xac\x02\x01\xf0\xa2\x04\x02\x80\x80\x40"),
            (27, b"\x1a\xac\x02\x00"),
            (28, b"\x1b\x02/a\xac\x02"),
            (29, b"\x1c\x02/a\x02\x02/b\x02/c"),
            (30, b"\x1d\xac\x02"),
        ];
        for (op, golden) in goldens {
            let (_, command) = all().swap_remove(usize::from(op) - 1);
            assert_eq!(postcard::to_stdvec(&command).unwrap(), golden, "{op}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for (op, command) in all() {
            let entry = entry(command);
            let mut bytes = b"before".to_vec();
            entry.encode(&mut bytes);
            let payload = bytes.strip_prefix(b"before").unwrap();
            assert_eq!(Entry::decode(op, payload), Ok(entry));
        }
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_refused() {
        for (op, command) in all() {
            let mut bytes = encoded(&entry(command));
            for len in 0..bytes.len() {
                let cut = Entry::decode(op, &bytes[..len]);
                assert!(matches!(cut, Err(DecodeError::Malformed { .. })), "{op} {len}");
            }
            bytes.push(0);
            assert_eq!(
                Entry::decode(op, &bytes),
                Err(DecodeError::TooLong { op, bytes: 1 })
            );
        }
    }

    #[test]
    fn the_op_code_must_be_that_of_the_payload() {
        let bytes = encoded(&entry(Command::RenewLease));
        assert_eq!(
            Entry::decode(12, &bytes),
            Err(DecodeError::OpCode { op: 12, found: 11 })
        );
    }

    #[test]
    fn values_are_checked_when_they_are_read() {
        let bytes = encoded(&entry(Command::Append { path: path("/a") }));
        let bad = bytes[..bytes.len() - 2]
            .iter()
            .chain(b"..")
            .copied()
            .collect::<Vec<_>>();
        assert!(matches!(
            Entry::decode(4, &bad),
            Err(DecodeError::Malformed { .. })
        ));
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(op: u8, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Entry::decode(op, &bytes);
        }

        #[test]
        fn decoding_what_was_changed_never_panics(which in 0usize..30, at: usize, to: u8) {
            let (op, command) = all().swap_remove(which);
            let mut bytes = encoded(&entry(command));
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = Entry::decode(op, &bytes);
        }
    }
}
