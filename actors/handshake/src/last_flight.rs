//! Our last flight, kept for clients that did not hear it (RFC 6347 §4.2.4). Repeated records get new numbers: a client that saw one of
//! them too early has dropped it, and would drop the same number again as a replay.
use crate::takeover::{self, Keys};
use dtls::{Aead, Association, ContentType, record};

/// The flight's datagrams, each as its records.
#[derive(Debug, Default)]
pub(crate) struct LastFlight {
    datagrams: Vec<Vec<Kept>>,
    /// Next number of epoch 0.
    next: u64,
}

#[derive(Debug)]
struct Kept {
    protected: bool,
    content_type: ContentType,
    plaintext: Vec<u8>,
}

impl LastFlight {
    /// From what OpenSSL wrote; `next` is the number after its last one of epoch 0.
    pub(crate) fn new(written: &[Vec<u8>], next: u64, keys: &Keys, aead: &mut Aead) -> LastFlight {
        let mut keep = |record: record::Record<'_>| {
            let protected = record.epoch() > 0;
            let (content_type, plaintext) = match protected {
                true => takeover::written(keys, aead, &record)?,
                false => (record.content_type, record.fragment.to_vec()),
            };
            Some(Kept { protected, content_type, plaintext })
        };
        let datagrams = written.iter().map(|datagram| record::records(datagram, 0).filter_map(&mut keep).collect());
        LastFlight { datagrams: datagrams.collect(), next }
    }

    /// The flight once more; nothing when the numbers of the association are used up.
    pub(crate) fn repeat(&mut self, association: &mut Association, aead: &mut Aead) -> Vec<Vec<u8>> {
        let mut out = Vec::with_capacity(self.datagrams.len());
        for datagram in &self.datagrams {
            let mut bytes = Vec::new();
            for kept in datagram {
                let written = match kept.protected {
                    true => association.seal(aead, kept.content_type, &kept.plaintext, &mut bytes).is_ok(),
                    false => {
                        self.next += 1;
                        record::write_plain(kept.content_type, self.next - 1, &kept.plaintext, &mut bytes)
                    }
                };
                if !written {
                    return Vec::new();
                }
            }
            out.push(bytes);
        }
        out
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }
}
