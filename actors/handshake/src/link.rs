//! Established associations, and the three ways to find one: connection id, address, identity.
use crate::datagrams::Datagrams;
use crate::identity::Identity;
use crate::last_flight::LastFlight;
use crate::trust::{Digest, Leaf, Trust};
use crate::{Closure, Credentials};
use dtls::{Association, ConnectionId};
use openssl::ssl::SslStream;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Names an association for as long as it lives; never reused, also not after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// What is told about an association.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Who the device is.
    pub identity: Arc<Identity>,
    /// OpenSSL's name of the suite.
    pub suite: &'static str,
    /// Connection ids are in use.
    pub with_cid: bool,
    /// By session id or ticket.
    pub resumed: bool,
    /// Unix seconds of the handshake.
    pub since: u64,
    /// Handshakes that this identity finished, this one among them, since the gateway knows it.
    pub handshakes: u32,
}

/// Where the records of an established session are protected.
pub(crate) enum Layer {
    Own(Association),
    OpenSsl(Box<SslStream<Datagrams>>),
}

/// What the identity rests on, and with what it falls.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Proof {
    None,
    /// SHA-256 of the pre-shared key.
    Psk(Digest),
    /// The credentials list the raw public key.
    Listed,
    Certificate(Box<Leaf>),
}

pub(crate) struct Link {
    pub(crate) layer: Layer,
    pub(crate) address: SocketAddr,
    pub(crate) facts: Arc<Facts>,
    pub(crate) proof: Proof,
    /// Unix seconds of the last authentic record.
    pub(crate) heard: u64,
    /// Part of the random of its ClientHello; 0 after a restart.
    pub(crate) hello: u64,
    /// Changed since [`crate::Endpoint::take_traces`].
    pub(crate) dirty: bool,
    /// Our Finished, repeated when the client repeats its own; gone with the client's first application data.
    pub(crate) last_flight: LastFlight,
}

impl Link {
    pub(crate) fn cid(&self) -> Option<ConnectionId> {
        match &self.layer {
            Layer::Own(association) => association.inbound_cid(),
            Layer::OpenSsl(_) => None,
        }
    }

    /// Why the association must end, by the credentials in force.
    pub(crate) fn withdrawn(&self, credentials: &Credentials, trust: &Trust, unix: u64) -> Option<Closure> {
        let why = match (&*self.facts.identity, &self.proof) {
            (Identity::Psk { identity, endpoint }, Proof::Psk(digest)) => match credentials.psk(identity) {
                None => Some("the PSK identity was removed"),
                Some(psk) if openssl::sha::sha256(&psk.key) != *digest => Some("the pre-shared key was replaced"),
                Some(psk) if psk.endpoint.as_deref() != endpoint.as_deref() => Some("the endpoint was changed"),
                Some(_) => None,
            },
            (Identity::PublicKey { digest, endpoint }, _) => match credentials.endpoint_of_key(digest) {
                Some(listed) if listed == endpoint => None,
                _ => Some("the raw public key was removed"),
            },
            (_, Proof::Certificate(leaf)) => trust.withdrawn(leaf, i64::try_from(unix).unwrap_or(i64::MAX)),
            (Identity::Anonymous, _) => None,
            _ => Some("its proof is not known"),
        };
        why.map(Closure::Withdrawn)
    }
}

/// What is remembered of an identity.
#[derive(Clone, Copy, Default, Debug)]
struct Known {
    link: Option<LinkId>,
    handshakes: u32,
}

/// All associations of a listener.
#[derive(Default)]
pub(crate) struct Links {
    links: HashMap<LinkId, Link>,
    by_cid: HashMap<ConnectionId, LinkId>,
    by_address: HashMap<SocketAddr, LinkId>,
    by_identity: HashMap<Arc<Identity>, Known>,
}

impl Links {
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Link)> {
        self.links.iter_mut().map(|(id, link)| (*id, link))
    }

    pub(crate) fn by_cid(&self, cid: ConnectionId) -> Option<LinkId> {
        self.by_cid.get(&cid).copied()
    }

    pub(crate) fn by_address(&self, address: SocketAddr) -> Option<LinkId> {
        self.by_address.get(&address).copied()
    }

    /// Associations that a new one of this identity at this address takes the place of.
    pub(crate) fn replaced_by(&self, identity: &Identity, address: SocketAddr) -> impl Iterator<Item = LinkId> + use<> {
        let same_identity = self.by_identity.get(identity).and_then(|known| known.link);
        let same_address = self.by_address(address);
        same_address.into_iter().chain(same_identity.filter(|id| Some(*id) != same_address))
    }

    /// Handshakes that an identity has finished so far.
    pub(crate) fn handshakes(&self, identity: &Identity) -> u32 {
        self.by_identity.get(identity).map_or(0, |known| known.handshakes)
    }

    pub(crate) fn insert(&mut self, id: LinkId, link: Link) {
        if let Some(cid) = link.cid() {
            self.by_cid.insert(cid, id);
        }
        self.by_address.insert(link.address, id);
        if !matches!(*link.facts.identity, Identity::Anonymous) {
            let known = Known { link: Some(id), handshakes: link.facts.handshakes };
            self.by_identity.insert(link.facts.identity.clone(), known);
        }
        self.links.insert(id, link);
    }

    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(&id)?;
        if let Some(cid) = link.cid() {
            self.by_cid.remove(&cid);
        }
        if self.by_address(link.address) == Some(id) {
            self.by_address.remove(&link.address);
        }
        if let Some(known) = self.by_identity.get_mut(&link.facts.identity)
            && known.link == Some(id)
        {
            known.link = None;
        }
        Some(link)
    }

    /// Gives an association its new address; the old one, if it changed.
    pub(crate) fn move_to(&mut self, id: LinkId, address: SocketAddr) -> Option<SocketAddr> {
        let link = self.links.get_mut(&id)?;
        if link.address == address {
            return None;
        }
        let before = std::mem::replace(&mut link.address, address);
        if self.by_address(before) == Some(id) {
            self.by_address.remove(&before);
        }
        self.by_address.insert(address, id);
        Some(before)
    }

    /// Forgets identities that have had no association for long, when they are many.
    pub(crate) fn tidy(&mut self) {
        if self.by_identity.len() > 2 * self.links.len() + 10_000 {
            self.by_identity.retain(|_, known| known.link.is_some());
        }
    }
}
