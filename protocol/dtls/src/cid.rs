//! Connection ids (RFC 9146).
use serde::{Deserialize, Serialize};

/// A connection id that we hand out: 2 bytes for the number of the node that holds the association, 6 random ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnectionId(pub [u8; ConnectionId::LEN]);

impl ConnectionId {
    /// Length of all ids that we hand out; records do not carry it.
    pub const LEN: usize = 8;

    /// From the number of this node and unpredictable bytes.
    pub fn new(node: u16, random: [u8; 6]) -> ConnectionId {
        let mut id = [0; ConnectionId::LEN];
        id[..2].copy_from_slice(&node.to_be_bytes());
        id[2..].copy_from_slice(&random);
        ConnectionId(id)
    }

    /// The node that handed it out.
    pub fn node(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// From the bytes of a record.
    pub fn from_slice(bytes: &[u8]) -> Option<ConnectionId> {
        bytes.try_into().ok().map(ConnectionId)
    }
}

/// Reads the body of the `connection_id` extension of a ClientHello: one length byte and the id that the client wants to see on our
/// records (possibly empty).
pub fn parse_extension(body: &[u8]) -> Option<&[u8]> {
    let (len, id) = body.split_first()?;
    (usize::from(*len) == id.len()).then_some(id)
}

/// The body of our extension in the ServerHello.
pub fn extension(id: &ConnectionId) -> [u8; 1 + ConnectionId::LEN] {
    let mut body = [0; 1 + ConnectionId::LEN];
    body[0] = ConnectionId::LEN as u8;
    body[1..].copy_from_slice(&id.0);
    body
}
