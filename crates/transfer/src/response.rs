//! Answers to requests, made and read.

use types::limits::CHECKSUM_UNIT_BYTES;

use crate::small::SmallResult;
use crate::{checksum, pb};

/// The version of a replica's files that [`LocalReplicaProto`](pb::LocalReplicaProto) describes, as a request for them names it.
/// HDFS counts from 1; its programs do not know this one and are refused.
pub const LOCAL_FILES_VERSION: u32 = 1001;

/// A response that is not SUCCESS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", .status.as_str_name(), OrNothing(" at ", .bad_link), OrNothing(": ", .message))]
pub struct Refusal {
    /// Why, in one word.
    pub status: pb::Status,
    /// Why, in the words of the datanode.
    pub message: String,
    /// The datanode (`host:port`) at which building the pipeline failed; empty when it was the one that answered.
    pub bad_link: String,
}

struct OrNothing<'a>(&'static str, &'a str);

impl std::fmt::Display for OrNothing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.1.is_empty() {
            Ok(())
        } else {
            write!(f, "{}{}", self.0, self.1)
        }
    }
}

impl pb::BlockOpResponseProto {
    /// Done, or: go ahead.
    #[must_use]
    pub fn success() -> Self {
        let mut response = Self::default();
        response.set_status(pb::Status::Success);
        response
    }

    /// No, because.
    #[must_use]
    pub fn refused(status: pb::Status, message: impl Into<String>) -> Self {
        let mut response = Self {
            message: Some(message.into()),
            ..Self::default()
        };
        response.set_status(status);
        response
    }

    /// The pipeline can not be built: `address` (`host:port`) could not be reached or refused.
    #[must_use]
    pub fn bad_link(status: pb::Status, address: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            first_bad_link: Some(address.into()),
            ..Self::refused(status, message)
        }
    }

    /// A read begins: packets follow from `first_offset` in the chunk, a multiple of 512.
    #[must_use]
    pub fn reading_from(first_offset: u64) -> Self {
        Self {
            read_op_checksum_info: Some(pb::ReadOpChecksumInfoProto {
                checksum: pb::ChecksumProto::crc32c(),
                chunk_offset: first_offset,
            }),
            ..Self::success()
        }
    }

    /// The composite checksum of a chunk: `crc` is the CRC32C of all `len` bytes of it.
    #[must_use]
    pub fn composite_crc(crc: u32, len: u64) -> Self {
        Self {
            checksum_response: Some(pb::OpBlockChecksumResponseProto {
                bytes_per_crc: CHECKSUM_UNIT_BYTES,
                crc_per_block: len.div_ceil(CHECKSUM_UNIT_BYTES.into()),
                block_checksum: crc.to_be_bytes().to_vec(),
                crc_type: Some(pb::ChecksumTypeProto::ChecksumCrc32c.into()),
                block_checksum_options: Some(pb::BlockChecksumOptionsProto {
                    block_checksum_type: Some(pb::BlockChecksumTypeProto::CompositeCrc.into()),
                    stripe_length: None,
                }),
            }),
            ..Self::success()
        }
    }

    /// What became of each of many small chunks.
    #[must_use]
    pub fn of_small(results: impl IntoIterator<Item = SmallResult>) -> Self {
        let (mut status, mut position) = (Vec::new(), Vec::new());
        for result in results {
            status.push(result.status.into());
            position.push(result.position);
        }
        Self {
            small: Some(pb::SmallResultsProto { status, position }),
            ..Self::success()
        }
    }

    /// What became of each of `count` small chunks; none when this is not such an answer, or not one for so many.
    #[must_use]
    pub fn small_results(&self, count: usize) -> Option<Vec<SmallResult>> {
        let small = self.small.as_ref()?;
        if (small.status.len(), small.position.len()) != (count, count) {
            return None;
        }
        let results = small.status.iter().zip(&small.position);
        let result = |(status, position): (&i32, &u32)| SmallResult {
            status: pb::Status::try_from(*status).unwrap_or(pb::Status::Error),
            position: *position,
        };
        Some(results.map(result).collect())
    }

    /// A replica's files are handed over, behind this.
    #[must_use]
    pub fn handing_over(replica: pb::LocalReplicaProto) -> Self {
        Self {
            short_circuit_access_version: Some(LOCAL_FILES_VERSION),
            local: Some(replica),
            ..Self::success()
        }
    }

    /// The response when it is SUCCESS, else what it says against it.
    ///
    /// # Errors
    /// Every other status.
    pub fn accepted(self) -> Result<Self, Refusal> {
        match pb::Status::try_from(self.status) {
            Ok(pb::Status::Success) => Ok(self),
            status => Err(Refusal {
                status: status.unwrap_or(pb::Status::Error),
                message: self.message.unwrap_or_default(),
                bad_link: self.first_bad_link.unwrap_or_default(),
            }),
        }
    }

    /// The CRC32C that [`composite_crc`](Self::composite_crc) carries, if this is such a response.
    #[must_use]
    pub fn composite_crc_value(&self) -> Option<u32> {
        let response = self.checksum_response.as_ref()?;
        let options = response.block_checksum_options?;
        let crc = response.block_checksum.as_slice().try_into().ok()?;
        (options.block_checksum_type() == pb::BlockChecksumTypeProto::CompositeCrc)
            .then_some(u32::from_be_bytes(crc))
    }
}

impl pb::ChecksumProto {
    /// The one checksum that this system keeps: CRC32C of every 512 bytes.
    #[must_use]
    pub fn crc32c() -> Self {
        Self {
            r#type: pb::ChecksumTypeProto::ChecksumCrc32c.into(),
            bytes_per_checksum: CHECKSUM_UNIT_BYTES,
        }
    }

    /// Whether this is [`crc32c`](Self::crc32c).
    #[must_use]
    pub fn is_crc32c(&self) -> bool {
        *self == Self::crc32c()
    }
}

impl pb::ClientReadStatusProto {
    /// The end of a read: [`ChecksumOk`](pb::Status::ChecksumOk) when everything was read and verified.
    #[must_use]
    pub fn of(status: pb::Status) -> Self {
        Self {
            status: status.into(),
        }
    }
}

impl From<checksum::Mismatch> for Refusal {
    fn from(mismatch: checksum::Mismatch) -> Self {
        Self {
            status: pb::Status::ErrorChecksum,
            message: mismatch.to_string(),
            bad_link: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_well() {
        let refuse = |response: pb::BlockOpResponseProto| response.accepted().unwrap_err().to_string();
        assert_eq!(
            refuse(pb::BlockOpResponseProto::refused(
                pb::Status::ErrorInvalid,
                "no such chunk"
            )),
            "ERROR_INVALID: no such chunk"
        );
        assert_eq!(
            refuse(pb::BlockOpResponseProto::bad_link(
                pb::Status::Error,
                "node-3:9866",
                "refused"
            )),
            "ERROR at node-3:9866: refused"
        );
        assert!(pb::BlockOpResponseProto::success().accepted().is_ok());
    }

    #[test]
    fn a_status_that_nobody_knows_is_not_success() {
        let response = pb::BlockOpResponseProto {
            status: 99,
            ..Default::default()
        };
        assert_eq!(response.accepted().unwrap_err().status, pb::Status::Error);
    }

    #[test]
    fn a_composite_crc_is_read_back() {
        let response = pb::BlockOpResponseProto::composite_crc(0xdead_beef, 513);
        assert_eq!(response.composite_crc_value(), Some(0xdead_beef));
        assert_eq!(response.checksum_response.unwrap().crc_per_block, 2);
        assert_eq!(pb::BlockOpResponseProto::success().composite_crc_value(), None);
    }
}
