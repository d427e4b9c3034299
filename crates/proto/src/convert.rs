//! Between messages and the types of the system.

use types::{
    CallId, Caller, ChunkExtent, ChunkId, ClientId, DatanodeId, Generation, RequestId, StorageId, limits,
};
use uuid::Uuid;

use crate::v1;

/// A message that is not what the schema's text says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field that has to be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field has a value that it can not have.
    #[error("field {field} is not valid: {why}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

fn sixteen(field: &'static str, bytes: &[u8]) -> Result<[u8; 16], Malformed> {
    bytes.try_into().map_err(|_| Malformed::Invalid {
        field,
        why: format!("{} bytes instead of 16", bytes.len()),
    })
}

/// # Errors
/// When it is not 16 bytes long.
pub fn datanode_id(bytes: &[u8]) -> Result<DatanodeId, Malformed> {
    sixteen("datanode id", bytes).map(|bytes| DatanodeId(Uuid::from_bytes(bytes)))
}

/// # Errors
/// When it is not 16 bytes long.
pub fn storage_id(bytes: &[u8]) -> Result<StorageId, Malformed> {
    sixteen("storage id", bytes).map(|bytes| StorageId(Uuid::from_bytes(bytes)))
}

/// # Errors
/// When it is not 16 bytes long.
pub fn client_id(bytes: &[u8]) -> Result<ClientId, Malformed> {
    sixteen("client id", bytes).map(|bytes| ClientId(u128::from_be_bytes(bytes)))
}

/// The identity in a message. The superuser bit is never set from the wire.
///
/// # Errors
/// When a name is empty or too long, or the groups are too many.
pub fn caller(message: Option<&v1::Caller>) -> Result<Caller, Malformed> {
    let message = message.ok_or(Malformed::Missing("caller"))?;
    let named = |name: &str| {
        (1..=limits::PRINCIPAL_BYTES_MAX).contains(&name.len()) && !name.contains(['\0', '\n', ':'])
    };
    if !named(&message.user) {
        return Err(Malformed::Invalid {
            field: "caller.user",
            why: format!("{:?} is not a user name", message.user),
        });
    }
    if message.groups.len() > limits::GROUPS_MAX || !message.groups.iter().all(|group| named(group)) {
        return Err(Malformed::Invalid {
            field: "caller.groups",
            why: "too many, or not group names".to_owned(),
        });
    }
    Ok(Caller {
        user: message.user.clone(),
        groups: message.groups.clone(),
        superuser: false,
    })
}

/// What makes the call unique.
///
/// # Errors
/// When the client id is not 16 bytes long.
pub fn request_id(message: Option<&v1::Caller>) -> Result<RequestId, Malformed> {
    let message = message.ok_or(Malformed::Missing("caller"))?;
    Ok(RequestId {
        client: client_id(&message.client_id)?,
        call: CallId(message.call_id),
    })
}

/// A caller as a message.
#[must_use]
pub fn wire_caller(caller: &Caller, request: RequestId) -> v1::Caller {
    v1::Caller {
        user: caller.user.clone(),
        groups: caller.groups.clone(),
        client_id: request.client.0.to_be_bytes().to_vec().into(),
        call_id: request.call.0,
        ..Default::default()
    }
}

/// # Errors
/// When the chunk id is not one.
pub fn extent(message: &v1::Extent) -> Result<ChunkExtent, Malformed> {
    let chunk = ChunkId::new(message.chunk).map_err(|error| Malformed::Invalid {
        field: "extent.chunk",
        why: error.to_string(),
    })?;
    Ok(ChunkExtent {
        chunk,
        generation: Generation(message.generation),
        len: message.length,
    })
}

/// An extent as a message.
#[must_use]
pub const fn wire_extent(extent: ChunkExtent) -> v1::Extent {
    v1::Extent {
        chunk: extent.chunk.as_u64(),
        generation: extent.generation.as_u64(),
        length: extent.len,
    }
}
