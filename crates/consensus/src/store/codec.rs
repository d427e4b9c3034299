//! What entries look like in the log and on the wire: an op code and bytes.
//!
//! ```text
//! op 0     blank: no payload
//! op 255   membership:
//!          version 1 · sets 1 · per set: count 2, ids 8 each · members 2 · per member: id 8, length 2, address
//! others   a command's
//! ```
//!
//! A member that is in no set is a learner. Several sets: a change is under way, and each of them must agree.
//! In the header of a checkpoint, term 8 and record index 8 of the entry that said so come before the membership.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::Term;

use crate::raft::{Address, Command, Membership, Payload, StoredMembership, log_id, record_id};

pub(crate) const OP_BLANK: u8 = 0;
pub(crate) const OP_MEMBERSHIP: u8 = 255;

const VERSION: u8 = 1;

/// Why bytes are not a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadMembership {
    #[error("the membership ends within it")]
    Cut,
    #[error("the membership has format version {0}, and this program reads version {VERSION}")]
    Version(u8),
    #[error("bytes follow the membership")]
    Behind,
    #[error("an address in the membership is not text")]
    Address,
    #[error("the membership names voters that are not members, or no voter")]
    Voters,
}

/// How an entry is written.
pub(crate) fn record_of(payload: &Payload) -> (u8, Bytes) {
    match payload {
        Payload::Blank => (OP_BLANK, Bytes::new()),
        Payload::Normal(command) => (command.op, command.payload.clone()),
        Payload::Membership(membership) => {
            let mut bytes = Vec::new();
            encode(membership, &mut bytes);
            (OP_MEMBERSHIP, bytes.into())
        }
    }
}

/// The entry that was written.
pub(crate) fn payload_of(op: u8, payload: Bytes) -> Result<Payload, BadMembership> {
    Ok(match op {
        OP_BLANK => Payload::Blank,
        OP_MEMBERSHIP => Payload::Membership(decode(&payload)?),
        _ => Payload::Normal(Command::new(op, payload)),
    })
}

/// A membership for the header of a checkpoint.
pub(crate) fn encode_stored(membership: &StoredMembership) -> Vec<u8> {
    let (term, index) = record_id(membership.log_id().as_ref());
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&term.as_u64().to_le_bytes());
    bytes.extend_from_slice(&index.to_le_bytes());
    encode(membership.membership(), &mut bytes);
    bytes
}

/// The membership in the header of a checkpoint. Empty: none yet, the checkpoint was made by a tool.
pub(crate) fn decode_stored(bytes: &[u8]) -> Result<StoredMembership, BadMembership> {
    if bytes.is_empty() {
        return Ok(StoredMembership::default());
    }
    let mut rest = bytes;
    let (term, index) = (take_u64(&mut rest)?, take_u64(&mut rest)?);
    Ok(StoredMembership::new(log_id(Term(term), index), decode(rest)?))
}

fn encode(membership: &Membership, out: &mut Vec<u8>) {
    out.push(VERSION);
    let sets = membership.get_joint_config();
    out.push(u8::try_from(sets.len()).unwrap_or(u8::MAX));
    for set in sets {
        count(set.len(), out);
        for id in set {
            out.extend_from_slice(&id.to_le_bytes());
        }
    }
    count(membership.nodes().count(), out);
    for (id, address) in membership.nodes() {
        out.extend_from_slice(&id.to_le_bytes());
        count(address.0.len(), out);
        out.extend_from_slice(address.0.as_bytes());
    }
}

/// Members and the bytes of an address are far fewer than fit.
fn count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
}

fn decode(bytes: &[u8]) -> Result<Membership, BadMembership> {
    let mut rest = bytes;
    let [version] = take(&mut rest)?;
    if version != VERSION {
        return Err(BadMembership::Version(version));
    }
    let [sets] = take(&mut rest)?;
    let mut configs = Vec::new();
    for _ in 0..sets {
        let mut set = BTreeSet::new();
        for _ in 0..take_u16(&mut rest)? {
            set.insert(take_u64(&mut rest)?);
        }
        configs.push(set);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..take_u16(&mut rest)? {
        let id = take_u64(&mut rest)?;
        let length = usize::from(take_u16(&mut rest)?);
        let (address, after) = rest.split_at_checked(length).ok_or(BadMembership::Cut)?;
        let address = std::str::from_utf8(address).map_err(|_| BadMembership::Address)?;
        nodes.insert(id, Address(address.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        return Err(BadMembership::Behind);
    }
    Membership::new(configs, nodes).map_err(|_| BadMembership::Voters)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadMembership> {
    let (taken, after) = rest.split_first_chunk().ok_or(BadMembership::Cut)?;
    *rest = after;
    Ok(*taken)
}

fn take_u16(rest: &mut &[u8]) -> Result<u16, BadMembership> {
    take(rest).map(u16::from_le_bytes)
}

fn take_u64(rest: &mut &[u8]) -> Result<u64, BadMembership> {
    take(rest).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership() -> Membership {
        let nodes: BTreeMap<_, _> = [(1, "a:1"), (2, "b:2"), (0x0102, "c")]
            .map(|(id, address)| (id, Address(address.to_owned())))
            .into();
        Membership::new(vec![[1, 2].into(), [1].into()], nodes).unwrap()
    }

    #[test]
    fn golden_bytes() {
        let (op, bytes) = record_of(&Payload::Membership(membership()));
        assert_eq!(op, 255);
        assert_eq!(
            bytes,
            b"\x01\x02\
              \x02\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\
              \x01\0\x01\0\0\0\0\0\0\0\
              \x03\0\
              \x01\0\0\0\0\0\0\0\x03\0a:1\
              \x02\0\0\0\0\0\0\0\x03\0b:2\
              \x02\x01\0\0\0\0\0\0\x01\0c"
                .as_slice()
        );
        let stored = StoredMembership::new(log_id(Term(7), 9), membership());
        let header = encode_stored(&stored);
        assert_eq!(header[..16], *b"\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0");
        assert_eq!(header[16..], bytes);
        assert_eq!(decode_stored(&header), Ok(stored));
        assert_eq!(decode_stored(&[]), Ok(StoredMembership::default()));
    }

    #[test]
    fn entries_come_back() {
        for payload in [
            Payload::Blank,
            Payload::Membership(membership()),
            Payload::Normal(Command::new(3, Bytes::from_static(b"xyz"))),
        ] {
            let (op, bytes) = record_of(&payload);
            let again = payload_of(op, bytes.clone()).unwrap();
            assert_eq!(record_of(&again), (op, bytes));
        }
    }

    #[test]
    fn bad_bytes_are_refused() {
        let (_, bytes) = record_of(&Payload::Membership(membership()));
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        let mut more = bytes.to_vec();
        more.push(0);
        assert_eq!(decode(&more), Err(BadMembership::Behind));
        more[0] = 2;
        assert_eq!(decode(&more), Err(BadMembership::Version(2)));
        // A voter without an address; no voter at all.
        assert_eq!(
            decode(b"\x01\x01\x01\0\x01\0\0\0\0\0\0\0\0\0"),
            Err(BadMembership::Voters)
        );
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 0x81;
            let _ = decode(&flipped);
        }
    }
}
