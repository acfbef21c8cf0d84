//! The handshakes in progress: a bounded number of places, shared fairly between sources.
//!
//! There is no queue to wait in: a ClientHello that finds no place is dropped, and its client repeats it. When all places are taken, a
//! newcomer takes one away from the source that holds the most, and there from a handshake that has heard nothing of its client since
//! the ClientHello: such ones are what a flood leaves behind. Which of them is left to chance, so that a flood cannot aim.
use crate::exchange::Exchange;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Handshakes by the address of their client.
#[derive(Default)]
pub(crate) struct Slots {
    exchanges: HashMap<SocketAddr, Exchange>,
    per_source: HashMap<Source, usize>,
}

/// Sources are counted by IPv4 address or IPv6 /64, the least that one host can be assumed to hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
struct Source([u8; 8]);

impl From<SocketAddr> for Source {
    fn from(address: SocketAddr) -> Source {
        let mut key = [0; 8];
        match address.ip() {
            IpAddr::V4(ip) => key[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => key.copy_from_slice(&ip.octets()[..8]),
        }
        Source(key)
    }
}

impl Slots {
    pub(crate) fn len(&self) -> usize {
        self.exchanges.len()
    }

    pub(crate) fn get(&self, peer: SocketAddr) -> Option<&Exchange> {
        self.exchanges.get(&peer)
    }

    pub(crate) fn insert(&mut self, peer: SocketAddr, exchange: Exchange) {
        if self.exchanges.insert(peer, exchange).is_none() {
            *self.per_source.entry(peer.into()).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, peer: SocketAddr) -> Option<Exchange> {
        let exchange = self.exchanges.remove(&peer)?;
        let source = Source::from(peer);
        if let Some(count) = self.per_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&source);
            }
        }
        if self.exchanges.is_empty() {
            // After a flood nothing of it is left.
            *self = Slots::default();
        }
        Some(exchange)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&SocketAddr, &mut Exchange)> {
        self.exchanges.iter_mut()
    }

    /// Makes a place for a newcomer; false when it must come again. Yields whom it cost the place.
    pub(crate) fn make_room(&mut self, newcomer: SocketAddr, max: usize, per_source: usize, chance: u64) -> Room {
        if self.exchanges.contains_key(&newcomer) {
            return Room::Free;
        }
        let source = Source::from(newcomer);
        let own = self.per_source.get(&source).copied().unwrap_or(0);
        let from = if own >= per_source {
            source
        } else if self.exchanges.len() < max {
            return Room::Free;
        } else {
            // Ties are decided by chance as well: the map's order is not known outside.
            match self.per_source.iter().max_by_key(|(_, count)| **count) {
                Some((_, most)) if *most <= own => source,
                Some((_, 1)) => return self.evict(|_| true, chance),
                Some((greediest, _)) => *greediest,
                None => return Room::None,
            }
        };
        self.evict(|candidate| candidate == from, chance)
    }

    fn evict(&mut self, from: impl Fn(Source) -> bool, chance: u64) -> Room {
        let waiting = |(peer, exchange): &(&SocketAddr, &Exchange)| !exchange.is_heard() && from((**peer).into());
        let count = self.exchanges.iter().filter(waiting).count();
        let Some(position) = chance.checked_rem(count as u64) else { return Room::None };
        let position = usize::try_from(position).unwrap_or(0);
        let victim = self.exchanges.iter().filter(waiting).nth(position).map(|(peer, _)| *peer);
        match victim {
            Some(peer) => {
                self.remove(peer);
                Room::Taken
            }
            None => Room::None,
        }
    }
}

/// Answer of [`Slots::make_room`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// There is a place.
    Free,
    /// There is one now; another handshake lost it.
    Taken,
    /// Every handshake is under way: come again.
    None,
}
