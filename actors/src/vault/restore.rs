//! What the vault holds, after a restart.
use super::{Kind, Mark, Vault};
use crate::event::{DtlsRestored, Event};
use handshake::{Endpoint, LinkId, Now, StoredLink};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;
use store::{Batch, Part, WriteError};

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Associations, in the order of their numbers.
    pub(crate) links: Vec<LinkId>,
    /// Address of ours that a device speaks to, where that was known.
    pub(crate) locals: HashMap<LinkId, IpAddr>,
}

/// Why a record is removed.
#[derive(Default)]
struct Dropped {
    /// Damaged, or sealed with another key.
    unreadable: usize,
    /// Credentials gone, silent for too long, or followed by another association of the same device.
    outdated: usize,
}

impl Vault {
    /// Fills an endpoint before its listener opens, and makes it tell what is to be kept from now on.
    ///
    /// # Errors
    /// The store cannot be read or written at all.
    pub(crate) fn restore(&mut self, endpoint: &mut Endpoint, now: Now) -> Result<Restored, WriteError> {
        let began = Instant::now();
        let (mut restored, mut dropped, mut batch) = (Restored::default(), Dropped::default(), Batch::new());
        let marks = self.marks(&mut dropped, &mut batch)?;
        let mut highest = self.first_number(&mut dropped, &mut batch)?;
        self.each(Kind::Association, |id, record, plaintext| {
            let link = id.try_into().ok().map(u64::from_be_bytes);
            // A number that was used names no other association, also where its record is lost.
            highest = highest.max(link.map_or(0, |link| link.saturating_add(1)));
            let stored = plaintext.and_then(|bytes| postcard::from_bytes::<StoredLink>(&bytes).ok());
            let (Some(link), Some(mut stored)) = (link.map(LinkId), stored) else {
                dropped.unreadable += 1;
                batch.remove(Part::Associations, record);
                return;
            };
            let mark = marks.get(&link);
            if let Some(mark) = mark {
                stored.follow(mark.trace);
            }
            if endpoint.restore(now, link, stored) {
                restored.links.push(link);
                restored.locals.extend(mark.and_then(|mark| Some((link, mark.local?))));
            } else {
                dropped.outdated += 1;
                batch.remove(Part::Associations, record);
            }
        })?;
        // A later association of the same device took the place of an earlier one.
        restored.links.retain(|link| {
            let stays = endpoint.address(*link).is_some();
            if !stays {
                dropped.outdated += 1;
                batch.remove(Part::Associations, self.record(Kind::Association, &link.0.to_be_bytes()));
            }
            stays
        });
        for link in marks.keys().filter(|link| endpoint.address(**link).is_none()) {
            batch.remove(Part::Associations, self.record(Kind::Trace, &link.0.to_be_bytes()));
        }
        self.restore_sessions(endpoint, now, &mut dropped, &mut batch)?;
        self.restore_tickets(endpoint, &mut dropped, &mut batch)?;
        endpoint.number_from(highest);
        self.reserve(&mut batch, highest);
        self.write(batch)?;
        endpoint.keep();
        let Dropped { unreadable, outdated } = dropped;
        DtlsRestored { associations: restored.links.len(), unreadable, outdated, elapsed: began.elapsed() }.emit();
        Ok(restored)
    }

    /// All records of a kind, decrypted where they can be: id, key in the store, content.
    fn each(&self, kind: Kind, mut visit: impl FnMut(&[u8], &[u8], Option<Vec<u8>>)) -> Result<(), WriteError> {
        let prefix = self.record(kind, b"");
        self.store.scan(Part::Associations, &prefix, |record, sealed| {
            visit(&record[prefix.len()..], record, self.key.unseal(record, sealed));
            true
        })
    }

    fn marks(&self, dropped: &mut Dropped, batch: &mut Batch) -> Result<HashMap<LinkId, Mark>, WriteError> {
        let mut marks = HashMap::new();
        self.each(Kind::Trace, |id, record, plaintext| {
            let link = id.try_into().ok().map(|id| LinkId(u64::from_be_bytes(id)));
            let mark = plaintext.and_then(|bytes| postcard::from_bytes::<Mark>(&bytes).ok());
            match (link, mark) {
                (Some(link), Some(mark)) => {
                    marks.insert(link, mark);
                }
                _ => {
                    dropped.unreadable += 1;
                    batch.remove(Part::Associations, record);
                }
            }
        })?;
        Ok(marks)
    }

    /// The first association number that was never reserved.
    fn first_number(&self, dropped: &mut Dropped, batch: &mut Batch) -> Result<u64, WriteError> {
        let mut number = 1;
        self.each(Kind::Numbers, |_, record, plaintext| {
            match plaintext.and_then(|bytes| postcard::from_bytes::<u64>(&bytes).ok()) {
                Some(stored) => number = stored.max(1),
                None => {
                    // Nobody knows which numbers stored registrations name: begin where none ever was.
                    number = fresh_range();
                    dropped.unreadable += 1;
                    batch.remove(Part::Associations, record);
                }
            }
        })?;
        Ok(number)
    }

    fn restore_sessions(
        &self,
        endpoint: &mut Endpoint,
        now: Now,
        dropped: &mut Dropped,
        batch: &mut Batch,
    ) -> Result<(), WriteError> {
        self.each(Kind::Session, |id, record, plaintext| match plaintext {
            Some(content) if endpoint.restore_session(now, id, &content) => {}
            Some(_) => {
                dropped.outdated += 1;
                batch.remove(Part::Associations, record);
            }
            None => {
                dropped.unreadable += 1;
                batch.remove(Part::Associations, record);
            }
        })
    }

    fn restore_tickets(
        &self,
        endpoint: &mut Endpoint,
        dropped: &mut Dropped,
        batch: &mut Batch,
    ) -> Result<(), WriteError> {
        let mut kept = false;
        self.each(Kind::Tickets, |_, _, plaintext| match plaintext {
            // An endpoint that cannot be set up with another ticket key goes on with its own.
            Some(key) => kept = endpoint.set_ticket_key(&key).unwrap_or(false),
            None => dropped.unreadable += 1,
        })?;
        if !kept {
            self.put(batch, Kind::Tickets, b"", endpoint.ticket_key());
        }
        Ok(())
    }
}

/// A range of association numbers that no earlier run has used: those count from 1.
fn fresh_range() -> u64 {
    let mut bytes = [0; 8];
    let _ = openssl::rand::rand_bytes(&mut bytes);
    (1 << 60) | (u64::from_ne_bytes(bytes) >> 8)
}
