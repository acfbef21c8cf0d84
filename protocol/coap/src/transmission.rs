//! Transmission parameters (RFC 7252 §4.8) and limits of one peer.
use crate::block;
use crate::budget::Budget;
use std::time::Duration;

/// MAX_LATENCY (RFC 7252 §4.8.2).
const MAX_LATENCY: Duration = Duration::from_secs(100);
/// No configured duration counts for more: keeps sums of instants and durations in range.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// Largest datagram sent while block-wise transfer can avoid larger ones (RFC 7252 §4.6).
pub(crate) const MESSAGE_SIZE: usize = 1152;

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

impl Transmission {
    /// The first timeout of a message; `jitter` in 0–1.
    pub(crate) fn initial_timeout(&self, jitter: f64) -> Duration {
        self.scaled(1.0 + (self.random_factor() - 1.0) * jitter)
    }
    /// MAX_TRANSMIT_SPAN: from the first transmission to the last.
    pub fn max_transmit_span(&self) -> Duration {
        self.scaled((self.doublings() - 1.0) * self.random_factor())
    }
    /// MAX_TRANSMIT_WAIT: from the first transmission until hope for an ACK is given up.
    pub fn max_transmit_wait(&self) -> Duration {
        self.scaled((2.0 * self.doublings() - 1.0) * self.random_factor())
    }
    /// EXCHANGE_LIFETIME: from the first transmission until the message id may be used anew. PROCESSING_DELAY is ACK_TIMEOUT.
    pub fn exchange_lifetime(&self) -> Duration {
        self.max_transmit_span() + 2 * MAX_LATENCY + self.scaled(1.0)
    }
    /// NON_LIFETIME: the same for a non-confirmable message.
    pub fn non_lifetime(&self) -> Duration {
        self.max_transmit_span() + MAX_LATENCY
    }
    /// When to retransmit for the last time is bounded by the size of the exponent alone.
    pub(crate) fn retransmissions(&self) -> u32 {
        self.max_retransmit.min(20)
    }
    pub(crate) fn response_timeout(&self) -> Duration {
        self.response_timeout.min(LONGEST)
    }

    fn random_factor(&self) -> f64 {
        if self.ack_random_factor.is_nan() { 1.0 } else { self.ack_random_factor.clamp(1.0, 10.0) }
    }
    fn doublings(&self) -> f64 {
        f64::from(1u32 << self.retransmissions())
    }
    fn scaled(&self, factor: f64) -> Duration {
        Duration::try_from_secs_f64(self.ack_timeout.as_secs_f64() * factor)
            .map_or(LONGEST, |product| product.min(LONGEST))
    }
}

/// Block-wise settings (RFC 7959), `lwm2m.blockwise.*` of the configuration.
#[derive(Clone, Debug)]
pub struct Blockwise {
    /// Off: large bodies go out in one datagram, Block options from the peer are refused.
    pub enable: bool,
    /// Preferred block size to the device in bytes: 16, 32 … 1024. Below 1024 it is also asked for in every GET and FETCH
    /// (early negotiation, RFC 7959 §2.4).
    pub max_block_size: u16,
    /// Largest body, assembled or sent, in bytes.
    pub max_body_size: usize,
    /// How long the state of an idle transfer is kept.
    pub exchange_lifetime: Duration,
    /// A fresh token for each block instead of one token for the whole transfer.
    pub fresh_tokens: bool,
}

impl Blockwise {
    /// SZX of the preferred block size.
    pub(crate) fn exponent(&self) -> u8 {
        block::exponent_within(usize::from(self.max_block_size))
    }
    pub(crate) fn lifetime(&self) -> Duration {
        self.exchange_lifetime.min(LONGEST)
    }
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
    /// Memory that the unfinished bodies of all peers that share it may take together, and what they remember of messages seen lately.
    pub bodies: Budget,
}

impl Config {
    pub(crate) fn duplicates_max(&self) -> usize {
        if self.duplicates_max == 0 { 64 } else { self.duplicates_max }
    }
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
