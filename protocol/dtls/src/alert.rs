//! Alerts (RFC 5246 §7.2).

/// An alert of the peer or to the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alert {
    /// The association is over.
    pub fatal: bool,
    /// Registered number.
    pub description: u8,
}

impl Alert {
    /// The peer goes, or we do.
    pub const CLOSE_NOTIFY: Alert = Alert { fatal: false, description: 0 };

    /// The answer to a ClientHello within an association (RFC 5246 §7.2.2).
    pub const NO_RENEGOTIATION: Alert = Alert { fatal: false, description: 100 };

    /// From the plaintext of an alert record.
    pub fn parse(plaintext: &[u8]) -> Option<Alert> {
        match plaintext {
            [level @ (1 | 2), description] => Some(Alert { fatal: *level == 2, description: *description }),
            _ => None,
        }
    }

    /// The plaintext of an alert record.
    pub fn bytes(self) -> [u8; 2] {
        [if self.fatal { 2 } else { 1 }, self.description]
    }

    /// The association does not go on after this alert.
    pub fn ends_association(self) -> bool {
        self.fatal || self.description == Alert::CLOSE_NOTIFY.description
    }

    /// What it means to an operator.
    pub fn words(self) -> &'static str {
        match self.description {
            0 => "close notify",
            10 => "unexpected message",
            20 => "bad record mac (wrong key?)",
            40 => "handshake failure (no common suite or parameters)",
            42 => "bad certificate",
            43 => "unsupported certificate",
            44 => "certificate revoked",
            45 => "certificate expired",
            46 => "certificate unknown",
            47 => "illegal parameter",
            48 => "unknown certificate authority",
            49 => "access denied",
            50 => "decode error",
            51 => "decrypt error (wrong key?)",
            70 => "protocol version not supported",
            71 => "insufficient security",
            80 => "internal error",
            90 => "cancelled by the user",
            100 => "no renegotiation",
            115 => "unknown PSK identity",
            116 => "certificate required",
            _ => "unnamed alert",
        }
    }
}
