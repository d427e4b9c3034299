//! Datanodes as requests name them: the rest of a pipeline.

use types::DatanodeId;

use crate::pb;

/// A datanode as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Who it is.
    pub id: DatanodeId,
    /// Its name or IP address; an IPv6 address without brackets.
    pub host: String,
    /// The port of its data plane.
    pub port: u16,
}

/// Why a datanode in a message is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNode {
    /// Its identity is not a UUID.
    #[error(transparent)]
    Id(#[from] types::InvalidId),
    /// It has no address.
    #[error("datanode {id} has no host")]
    NoHost {
        /// The datanode.
        id: DatanodeId,
    },
    /// Its port is none.
    #[error("datanode {id} has port {port}")]
    Port {
        /// The datanode.
        id: DatanodeId,
        /// What was given.
        port: u32,
    },
    /// Not of the form `host:port`.
    #[error("not host:port: {0:?}")]
    Address(String),
}

impl Node {
    /// The datanode `id` at `address` (`host:port`, `[v6]:port`).
    ///
    /// # Errors
    /// When `address` is not of that form.
    pub fn new(id: DatanodeId, address: &str) -> Result<Self, InvalidNode> {
        let invalid = || InvalidNode::Address(address.to_owned());
        let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
        let unwrapped = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match unwrapped {
            Some(v6) => v6,
            None if host.contains(':') => return Err(invalid()),
            None => host,
        };
        if host.is_empty() {
            return Err(invalid());
        }
        Ok(Self {
            id,
            host: host.to_owned(),
            port: port.parse().map_err(|_| invalid())?,
        })
    }

    /// `host:port`, to connect to.
    #[must_use]
    pub fn address(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

impl From<&Node> for pb::DatanodeInfoProto {
    fn from(node: &Node) -> Self {
        Self {
            id: pb::DatanodeIdProto {
                ip_addr: node.host.clone(),
                host_name: node.host.clone(),
                datanode_uuid: node.id.to_string(),
                xfer_port: node.port.into(),
                ..Default::default()
            },
            ..Default::default()
        }
    }
}

impl TryFrom<&pb::DatanodeInfoProto> for Node {
    type Error = InvalidNode;

    /// The address is preferred to the name, as HDFS does.
    fn try_from(info: &pb::DatanodeInfoProto) -> Result<Self, InvalidNode> {
        let id: DatanodeId = info.id.datanode_uuid.parse()?;
        let hosts = [&info.id.ip_addr, &info.id.host_name];
        let host = hosts
            .into_iter()
            .find(|host| !host.is_empty())
            .ok_or(InvalidNode::NoHost { id })?;
        let port = info.id.xfer_port;
        match u16::try_from(port) {
            Ok(port) if port != 0 => Ok(Self {
                id,
                host: host.clone(),
                port,
            }),
            _ => Err(InvalidNode::Port { id, port }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> DatanodeId {
        DatanodeId::from_random_bytes([7; 16])
    }

    #[test]
    fn addresses_are_read_and_written() {
        for address in ["node-1:9866", "127.0.0.1:1", "[::1]:65535"] {
            let node = Node::new(id(), address).unwrap();
            assert_eq!(node.address(), address);
            assert_eq!(Node::try_from(&pb::DatanodeInfoProto::from(&node)), Ok(node));
        }
        for address in ["", "node", "node:", ":1", "::1:1", "node:65536", "[]:1"] {
            assert_eq!(
                Node::new(id(), address),
                Err(InvalidNode::Address(address.into())),
                "{address}"
            );
        }
    }

    #[test]
    fn a_node_without_name_or_port_is_refused() {
        let info = |host: &str, port| pb::DatanodeInfoProto {
            id: pb::DatanodeIdProto {
                host_name: host.into(),
                datanode_uuid: id().to_string(),
                xfer_port: port,
                ..Default::default()
            },
            ..Default::default()
        };
        assert_eq!(Node::try_from(&info("node", 1)).unwrap().address(), "node:1");
        assert_eq!(
            Node::try_from(&info("", 1)),
            Err(InvalidNode::NoHost { id: id() })
        );
        for port in [0, 65_536] {
            assert_eq!(
                Node::try_from(&info("node", port)),
                Err(InvalidNode::Port { id: id(), port })
            );
        }
    }
}
