//! What the protocol requires of its messages, beyond what Protobuf checks; and the walk over raw fields that checks it.
//!
//! The walk runs before anything is decoded. It counts fields, so that a few bytes can not blow up into many structures,
//! and it sees to it that required fields are there, at any depth.

use crate::DecodeError;

/// What is required of one message.
pub(crate) struct Schema {
    pub(crate) what: &'static str,
    /// The numbers of the required fields; at most 63.
    pub(crate) required: &'static [u32],
    /// Fields that are messages with requirements of their own.
    pub(crate) nested: &'static [(u32, &'static Schema)],
}

const TOKEN: Schema = Schema {
    what: "TokenProto",
    required: &[1, 2, 3, 4],
    nested: &[],
};
const BLOCK: Schema = Schema {
    what: "ExtendedBlockProto",
    required: &[1, 2, 3],
    nested: &[],
};
const BASE_HEADER: Schema = Schema {
    what: "BaseHeaderProto",
    required: &[1],
    nested: &[(1, &BLOCK), (2, &TOKEN)],
};
const CLIENT_HEADER: Schema = Schema {
    what: "ClientOperationHeaderProto",
    required: &[1, 2],
    nested: &[(1, &BASE_HEADER)],
};
const DATANODE_ID: Schema = Schema {
    what: "DatanodeIDProto",
    required: &[1, 2, 3, 4, 5, 6],
    nested: &[],
};
const DATANODE: Schema = Schema {
    what: "DatanodeInfoProto",
    required: &[1],
    nested: &[(1, &DATANODE_ID)],
};
const CHECKSUM: Schema = Schema {
    what: "ChecksumProto",
    required: &[1, 2],
    nested: &[],
};
const SHM_ID: Schema = Schema {
    what: "ShortCircuitShmIdProto",
    required: &[1, 2],
    nested: &[],
};
const SHM_SLOT: Schema = Schema {
    what: "ShortCircuitShmSlotProto",
    required: &[1, 2],
    nested: &[(1, &SHM_ID)],
};
const READ_INFO: Schema = Schema {
    what: "ReadOpChecksumInfoProto",
    required: &[1, 2],
    nested: &[(1, &CHECKSUM)],
};
const CHECKSUM_RESPONSE: Schema = Schema {
    what: "OpBlockChecksumResponseProto",
    required: &[1, 2, 3],
    nested: &[],
};

pub(crate) const WRITE_BLOCK: Schema = Schema {
    what: "OpWriteBlockProto",
    required: &[1, 4, 5, 6, 7, 8, 9],
    nested: &[
        (1, &CLIENT_HEADER),
        (2, &DATANODE),
        (3, &DATANODE),
        (9, &CHECKSUM),
    ],
};
pub(crate) const READ_BLOCK: Schema = Schema {
    what: "OpReadBlockProto",
    required: &[1, 2, 3],
    nested: &[(1, &CLIENT_HEADER)],
};
pub(crate) const REPLACE_BLOCK: Schema = Schema {
    what: "OpReplaceBlockProto",
    required: &[1, 2, 3],
    nested: &[(1, &BASE_HEADER), (3, &DATANODE)],
};
pub(crate) const COPY_BLOCK: Schema = Schema {
    what: "OpCopyBlockProto",
    required: &[1],
    nested: &[(1, &BASE_HEADER)],
};
pub(crate) const BLOCK_CHECKSUM: Schema = Schema {
    what: "OpBlockChecksumProto",
    required: &[1],
    nested: &[(1, &BASE_HEADER)],
};
pub(crate) const TRANSFER_BLOCK: Schema = Schema {
    what: "OpTransferBlockProto",
    required: &[1],
    nested: &[(1, &CLIENT_HEADER), (2, &DATANODE)],
};
pub(crate) const REQUEST_FDS: Schema = Schema {
    what: "OpRequestShortCircuitAccessProto",
    required: &[1, 2],
    nested: &[(1, &BASE_HEADER), (3, &SHM_SLOT)],
};
pub(crate) const RELEASE_FDS: Schema = Schema {
    what: "ReleaseShortCircuitAccessRequestProto",
    required: &[1],
    nested: &[(1, &SHM_SLOT)],
};
pub(crate) const REQUEST_SHM: Schema = Schema {
    what: "ShortCircuitShmRequestProto",
    required: &[1],
    nested: &[],
};
const SMALL_CHUNK: Schema = Schema {
    what: "SmallChunkProto",
    required: &[1, 2, 3],
    nested: &[],
};
pub(crate) const WRITE_SMALL: Schema = Schema {
    what: "OpWriteSmallProto",
    required: &[1, 2],
    nested: &[(3, &DATANODE), (4, &SMALL_CHUNK)],
};
pub(crate) const READ_SMALL: Schema = Schema {
    what: "OpReadSmallProto",
    required: &[1, 2],
    nested: &[(3, &SMALL_CHUNK)],
};
pub(crate) const RELEASE_FDS_RESPONSE: Schema = Schema {
    what: "ReleaseShortCircuitAccessResponseProto",
    required: &[1],
    nested: &[],
};
pub(crate) const SHM_RESPONSE: Schema = Schema {
    what: "ShortCircuitShmResponseProto",
    required: &[1],
    nested: &[(3, &SHM_ID)],
};
pub(crate) const RESPONSE: Schema = Schema {
    what: "BlockOpResponseProto",
    required: &[1],
    nested: &[(3, &CHECKSUM_RESPONSE), (4, &READ_INFO)],
};
pub(crate) const ACK: Schema = Schema {
    what: "PipelineAckProto",
    required: &[1],
    nested: &[],
};
pub(crate) const CLIENT_READ_STATUS: Schema = Schema {
    what: "ClientReadStatusProto",
    required: &[1],
    nested: &[],
};
pub(crate) const TRANSFER_ACK: Schema = Schema {
    what: "DNTransferAckProto",
    required: &[1],
    nested: &[],
};
pub(crate) const PACKET_HEADER: Schema = Schema {
    what: "PacketHeaderProto",
    required: &[1, 2, 3, 4],
    nested: &[],
};

impl Schema {
    /// Checks `message`, with at most `fields_max` fields at all depths together.
    pub(crate) fn check(&self, message: &[u8], fields_max: usize) -> Result<(), DecodeError> {
        let mut left = fields_max;
        self.check_counted(message, &mut left)
            .map_err(|error| match error {
                DecodeError::TooManyFields { .. } => DecodeError::TooManyFields {
                    what: self.what,
                    max: fields_max,
                },
                other => other,
            })
    }

    fn check_counted(&self, message: &[u8], left: &mut usize) -> Result<(), DecodeError> {
        let mut seen = 0u64;
        let mut fields = Fields(message);
        while let Some(field) = fields.next(self.what)? {
            let fewer = left.checked_sub(1);
            *left = fewer.ok_or(DecodeError::TooManyFields {
                what: self.what,
                max: 0,
            })?;
            seen |= 1u64.checked_shl(field.number).unwrap_or(0);
            if let (Value::Bytes(bytes), Some((_, nested))) = (
                &field.value,
                self.nested.iter().find(|(number, _)| *number == field.number),
            ) {
                nested.check_counted(bytes, left)?;
            }
        }
        match self
            .required
            .iter()
            .find(|&&field| seen & 1u64.checked_shl(field).unwrap_or(0) == 0)
        {
            Some(&field) => Err(DecodeError::MissingField {
                what: self.what,
                field,
            }),
            None => Ok(()),
        }
    }
}

/// One field as it stands in the bytes.
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
}

/// The value of a field, by wire type. Groups are not part of the protocol and are refused.
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// What is left of a message, field by field. Allocates nothing.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field; none at the end.
    pub(crate) fn next(&mut self, what: &'static str) -> Result<Option<Field<'a>>, DecodeError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        self.read().map(Some).ok_or(DecodeError::Malformed { what })
    }

    fn read(&mut self) -> Option<Field<'a>> {
        let key = u32::try_from(self.varint()?).ok()?;
        let number = key >> 3;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(*self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(*self.array()?)),
            _ => return None,
        };
        (number != 0).then_some(Field { number, value })
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        match varint(self.0) {
            Ok(Some((value, len))) => {
                self.0 = self.0.get(len..)?;
                Some(value)
            }
            _ => None,
        }
    }
}

/// A varint that does not fit in 64 bits.
pub(crate) struct Overlong;

/// The varint at the beginning of `bytes` and its length; none when it goes on past their end.
pub(crate) fn varint(bytes: &[u8]) -> Result<Option<(u64, usize)>, Overlong> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().enumerate() {
        // The tenth byte holds the one bit that is left.
        if at == 9 && byte > 1 {
            return Err(Overlong);
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn varints_have_at_most_ten_bytes() {
        assert!(matches!(varint(&[0x80; 9]), Ok(None)));
        assert!(varint(&[0x80; 10]).is_err());
        assert!(varint(&[0xff; 11]).is_err());
        let mut most = [0xff; 10];
        most[9] = 1;
        assert!(matches!(varint(&most), Ok(Some((u64::MAX, 10)))));
    }

    #[test]
    fn required_fields_are_found_missing_at_any_depth() {
        // header { baseHeader { block { poolId: "" blockId: 1 } } clientName: "" }
        let without_generation = [
            0x0a, 0x0a, 0x0a, 0x06, 0x0a, 0x04, 0x0a, 0x00, 0x10, 0x01, 0x12, 0x00,
        ];
        assert_eq!(
            TRANSFER_BLOCK.check(&without_generation, 100),
            Err(DecodeError::MissingField {
                what: "ExtendedBlockProto",
                field: 3
            })
        );
        assert_eq!(
            RESPONSE.check(&[], 100),
            Err(DecodeError::MissingField {
                what: "BlockOpResponseProto",
                field: 1
            })
        );
    }

    #[test]
    fn fields_are_counted_at_all_depths_together() {
        let status = [0x08, 0x00];
        assert_eq!(RESPONSE.check(&status.repeat(10), 10), Ok(()));
        assert_eq!(
            RESPONSE.check(&status.repeat(11), 10),
            Err(DecodeError::TooManyFields {
                what: "BlockOpResponseProto",
                max: 10
            })
        );
    }

    proptest! {
        #[test]
        fn varints_agree_with_prost(value: u64, tail: Vec<u8>) {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(value, &mut bytes);
            let len = bytes.len();
            bytes.extend(tail);
            prop_assert!(matches!(varint(&bytes), Ok(Some((got, used))) if got == value && used == len));
        }
    }
}
