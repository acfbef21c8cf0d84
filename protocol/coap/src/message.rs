//! One CoAP message (RFC 7252 §3), decoded by coap-lite and then held against the rules that coap-lite leaves open.

/// Message type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// CON
    Confirmable,
    /// NON
    NonConfirmable,
    /// ACK
    Acknowledgement,
    /// RST
    Reset,
}

/// A decoded message.
#[derive(Clone, Debug)]
pub struct Message {}

/// Why a datagram is not a CoAP message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MessageError {
    /// To be ignored without an answer: too short, wrong version.
    #[error("not a CoAP datagram")]
    Garbage,
    /// A format error: a CON is answered with this message id in an RST, everything else with silence.
    #[error("CoAP format error")]
    Format {
        /// Type of the message at fault.
        kind: Kind,
        /// Its message id.
        id: u16,
    },
}

impl Message {
    /// Decodes a datagram.
    pub fn decode(_datagram: &[u8]) -> Result<Message, MessageError> {
        todo!()
    }
    /// Type of the message.
    pub fn kind(&self) -> Kind {
        todo!()
    }
    /// Message id.
    pub fn id(&self) -> u16 {
        todo!()
    }
    /// Code byte.
    pub fn code(&self) -> crate::Code {
        todo!()
    }
    /// Token, 0–8 bytes.
    pub fn token(&self) -> &[u8] {
        todo!()
    }
    /// Uri-Path segments as bytes, in order.
    pub fn uri_path(&self) -> Vec<&[u8]> {
        todo!()
    }
    /// Uri-Query members as bytes, in order.
    pub fn uri_query(&self) -> Vec<&[u8]> {
        todo!()
    }
}
