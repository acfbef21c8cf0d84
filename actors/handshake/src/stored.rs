//! The shape of an association in the store. All of it is secret: it is encrypted before it leaves memory.
use crate::identity::Identity;
use crate::last_flight::LastFlight;
use crate::link::{Facts, Layer, Link, Proof};
use dtls::suite::canonical_name;
use dtls::{Association, Stored};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// What is written when an association begins, and again when its sequence numbers are reserved anew.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredLink {
    association: Stored,
    address: SocketAddr,
    who: Who,
    proof: Proof,
    suite: String,
    resumed: bool,
    since: u64,
    heard: u64,
    handshakes: u32,
}

/// What changes with each record: written in groups, a moment later.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trace {
    /// Where the device was.
    pub address: SocketAddr,
    /// Unix seconds of its last authentic record.
    pub heard: u64,
    /// The newest of its sequence numbers.
    pub newest: u64,
}

#[derive(Clone, Serialize, Deserialize)]
enum Who {
    Psk(String, Option<String>),
    PublicKey([u8; 32], String),
    Certificate(Vec<String>),
    Anonymous,
}

impl StoredLink {
    /// `None` for those that live inside OpenSSL.
    pub(crate) fn new(link: &Link) -> Option<StoredLink> {
        let Layer::Own(association) = &link.layer else { return None };
        let who = match &*link.facts.identity {
            Identity::Psk { identity, endpoint } => Who::Psk(identity.clone(), endpoint.clone()),
            Identity::PublicKey { digest, endpoint } => Who::PublicKey(*digest, endpoint.clone()),
            Identity::Certificate { names } => Who::Certificate(names.clone()),
            Identity::Anonymous => Who::Anonymous,
        };
        Some(StoredLink {
            association: association.stored(),
            address: link.address,
            who,
            proof: link.proof.clone(),
            suite: link.facts.suite.to_owned(),
            resumed: link.facts.resumed,
            since: link.facts.since,
            heard: link.heard,
            handshakes: link.facts.handshakes,
        })
    }

    /// Applies a trace, which may be older than this where both were written at about the same time.
    pub fn follow(&mut self, trace: Trace) {
        if trace.newest >= self.association.newest() {
            self.address = trace.address;
        }
        self.heard = self.heard.max(trace.heard);
        self.association.close_up_to(trace.newest);
    }

    /// `None` when the suite is not ours.
    pub(crate) fn link(self) -> Option<Link> {
        let identity = match self.who {
            Who::Psk(identity, endpoint) => Identity::Psk { identity, endpoint },
            Who::PublicKey(digest, endpoint) => Identity::PublicKey { digest, endpoint },
            Who::Certificate(names) => Identity::Certificate { names },
            Who::Anonymous => Identity::Anonymous,
        };
        let association = Association::restore(self.association);
        let facts = Facts {
            identity: Arc::new(identity),
            suite: canonical_name(&self.suite)?,
            with_cid: association.inbound_cid().is_some(),
            resumed: self.resumed,
            since: self.since,
            handshakes: self.handshakes,
        };
        Some(Link {
            layer: Layer::Own(association),
            address: self.address,
            facts: Arc::new(facts),
            proof: self.proof,
            heard: self.heard,
            hello: 0,
            dirty: false,
            last_flight: LastFlight::default(),
        })
    }
}
