//! The records of a device: their keys, and their bytes.
//!
//! | Part | Key | Value |
//! |---|---|---|
//! | registrations | endpoint | [`Registration`](lwm2m::registration::Registration) |
//! | registrations | endpoint, 0, `a` | [`Home`] |
//! | registrations | endpoint, 0, `c` | [`Clock`] |
//! | registrations | endpoint, 0, `p` | `pmax` attributes |
//! | registrations | 0, `marks` | [`Marks`] |
//! | observations | endpoint, 0, id | [`StoredObservation`](lwm2m::session::snapshot::StoredObservation) |
//! | observations | endpoint, 0, id, 0 | [`Freshness`] |
//! | both | 1, key | a record that could not be read, kept aside |
//!
//! What changes often is apart from what is large. Endpoint names hold no control characters, so nothing here can be taken for another.
//! Every value begins with the number of its layout.
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;

/// Layout of all values that are written.
const LAYOUT: u8 = 1;

/// First byte of the keys of records that could not be read.
pub(super) const ASIDE: u8 = 1;

/// Key of [`Marks`].
pub(super) const MARKS: &[u8] = b"\0marks";

/// A listener, by what stays the same when the configuration is reordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Where it is bound.
    pub(crate) bind: SocketAddr,
    /// DTLS.
    pub(crate) secure: bool,
}

/// Where a device is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Home {
    pub(super) socket: SocketAddr,
    pub(super) association: Option<NonZeroU64>,
    pub(super) place: Option<Place>,
    /// Address of ours that it speaks to.
    pub(super) local: Option<IpAddr>,
}

/// When a lifetime ends.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Clock {
    /// Unix seconds by the system clock as it was set then.
    pub(super) expires: f64,
    /// [`Marks::shift`] then.
    pub(super) shift: f64,
}

/// What the last notification said.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Freshness {
    pub(super) sequence: u32,
    pub(super) silent_at: Option<f64>,
    /// [`Marks::shift`] then.
    pub(super) shift: f64,
}

/// State of the journal as a whole.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Marks {
    /// By how many seconds the system clock was set forward since the store was made, while the gateway ran.
    pub(super) shift: f64,
    /// When renewals were written last, Unix seconds.
    pub(super) flushed: f64,
    /// The gateway ended in good order: nothing was left to be written.
    pub(super) clean: bool,
}

/// Why a value cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("unknown key")]
    Key,
    #[error("empty")]
    Empty,
    #[error("layout {0} is unknown")]
    Layout(u8),
    #[error("damaged: {0}")]
    Damaged(postcard::Error),
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "memory grows as needed, and the types hold nothing without a fixed shape")]
    postcard::to_extend(value, vec![LAYOUT]).expect("every record can be written to memory")
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    match bytes.split_first() {
        Some((&LAYOUT, value)) => postcard::from_bytes(value).map_err(Unreadable::Damaged),
        Some((other, _)) => Err(Unreadable::Layout(*other)),
        None => Err(Unreadable::Empty),
    }
}

/// What a key of a device's record stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Whole,
    Home,
    Clock,
    Attributes,
    Observation(u64),
    Freshness(u64),
}

impl Kind {
    /// The key of this record of a device.
    pub(super) fn key(self, endpoint: &str) -> Vec<u8> {
        let mut key = Vec::with_capacity(endpoint.len() + 10);
        key.extend_from_slice(endpoint.as_bytes());
        match self {
            Kind::Whole => {}
            Kind::Home => key.extend_from_slice(b"\0a"),
            Kind::Clock => key.extend_from_slice(b"\0c"),
            Kind::Attributes => key.extend_from_slice(b"\0p"),
            Kind::Observation(id) | Kind::Freshness(id) => {
                key.push(0);
                key.extend_from_slice(&id.to_be_bytes());
                if matches!(self, Kind::Freshness(_)) {
                    key.push(0);
                }
            }
        }
        key
    }

    /// Endpoint and kind of a key; `None` for a key that is none of a device.
    pub(super) fn of(key: &[u8]) -> Option<(&str, Kind)> {
        let end = key.iter().position(|byte| *byte == 0).unwrap_or(key.len());
        let endpoint = std::str::from_utf8(&key[..end]).ok().filter(|endpoint| !endpoint.is_empty())?;
        let kind = match &key[end..] {
            [] => Kind::Whole,
            [0, b'a'] => Kind::Home,
            [0, b'c'] => Kind::Clock,
            [0, b'p'] => Kind::Attributes,
            [0, rest @ ..] => match rest.split_first_chunk::<8>()? {
                (id, []) => Kind::Observation(u64::from_be_bytes(*id)),
                (id, [0]) => Kind::Freshness(u64::from_be_bytes(*id)),
                _ => return None,
            },
            _ => return None,
        };
        Some((endpoint, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        for kind in
            [Kind::Whole, Kind::Home, Kind::Clock, Kind::Attributes, Kind::Observation(7), Kind::Freshness(u64::MAX)]
        {
            for endpoint in ["a", "urn:imei:1", "größe"] {
                assert_eq!(Kind::of(&kind.key(endpoint)), Some((endpoint, kind)));
            }
        }
        for bad in [&b""[..], b"\0marks", b"\xffep", b"ep\0", b"ep\0x", b"ep\0c2", b"ep\0:23456789"] {
            assert_eq!(Kind::of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn values_of_another_layout_are_not_guessed_at() {
        let clock = Clock { expires: 1.5, shift: -2.0 };
        let mut bytes = encode(&clock);
        assert_eq!(decode::<Clock>(&bytes), Ok(clock));
        assert!(matches!(decode::<Clock>(&bytes[..9]), Err(Unreadable::Damaged(_))));
        bytes[0] = 2;
        assert_eq!(decode::<Clock>(&bytes), Err(Unreadable::Layout(2)));
        assert_eq!(decode::<Clock>(&[]), Err(Unreadable::Empty));
    }
}
