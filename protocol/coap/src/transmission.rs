//! Transmission parameters (RFC 7252 §4.8) and limits of one peer.
use std::time::Duration;

/// Configured parameters; the derived ones follow by the formulas of RFC 7252 §4.8.2.
#[derive(Clone, Debug)]
pub struct Transmission {
    /// ACK_TIMEOUT, default 2 s.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR, default 1.5.
    pub ack_random_factor: f64,
    /// MAX_RETRANSMIT, default 4.
    pub max_retransmit: u32,
    /// How long a response may take after its empty ACK before the exchange counts as timed out. Default: MAX_TRANSMIT_WAIT (93 s).
    pub response_timeout: Duration,
}

/// Block-wise settings (RFC 7959), `lwm2m.blockwise.*` of the configuration.
#[derive(Clone, Debug)]
pub struct Blockwise {
    /// Off: large bodies go out in one datagram, Block options from the peer are refused.
    pub enable: bool,
    /// Preferred block size to the device in bytes: 16, 32 … 1024.
    pub max_block_size: u16,
    /// Largest body, assembled or sent, in bytes.
    pub max_body_size: usize,
    /// How long the state of an idle transfer is kept.
    pub exchange_lifetime: Duration,
    /// A fresh token for each block instead of one token for the whole transfer.
    pub fresh_tokens: bool,
}

/// All that a [`crate::Peer`] is configured with; shared by all peers.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Message-layer timing.
    pub transmission: Transmission,
    /// Block-wise settings.
    pub blockwise: Blockwise,
    /// How many message ids one peer's de-duplication remembers; the oldest is forgotten first. 0 = the default (64).
    pub duplicates_max: usize,
}

impl Default for Transmission {
    fn default() -> Self {
        Transmission {
            ack_timeout: Duration::from_secs(2),
            ack_random_factor: 1.5,
            max_retransmit: 4,
            response_timeout: Duration::from_secs(93),
        }
    }
}

impl Default for Blockwise {
    fn default() -> Self {
        Blockwise {
            enable: true,
            max_block_size: 1024,
            max_body_size: 4 << 20,
            exchange_lifetime: Duration::from_secs(247),
            fresh_tokens: false,
        }
    }
}
