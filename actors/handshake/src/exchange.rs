//! One handshake in progress.
use crate::context::{self, Materials, Notes};
use crate::credentials::Credentials;
use crate::datagrams::Datagrams;
use crate::identity::Identity;
use crate::last_flight::LastFlight;
use crate::link::{Layer, Proof};
use crate::refusal::Refusal;
use crate::trust::{Leaf, Trust};
use crate::{ffi, takeover, timer};
use dtls::replay::ReplayWindow;
use dtls::{Aead, Association, ConnectionId, ContentType, hello, record};
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{ErrorCode, Ssl, SslContextRef, SslStream};
use std::time::Instant;

/// Records kept back at the most while their keys are not known yet.
const HELD_MAX: usize = 4;

/// An `Ssl` and what its datagrams told.
pub(crate) struct Exchange {
    stream: SslStream<Datagrams>,
    index: Index<Ssl, Notes>,
    pub(crate) began: Instant,
    client_random: Option<[u8; 32]>,
    /// A datagram came after the ClientHello: somebody is there.
    heard: bool,
    /// The device's Finished cannot be opened: its key is another one.
    wrong_key: bool,
    /// It was told to the operator.
    pub(crate) told: bool,
    /// Records with our connection id that came before the keys were known.
    held: Vec<Vec<u8>>,
    newest_in: u64,
    protected_came: bool,
    next_out: u64,
    /// Number after our last record of epoch 0.
    next_plain: u64,
    /// As OpenSSL wrote it.
    last_flight: Vec<Vec<u8>>,
}

/// How far it is.
pub(crate) enum Step {
    Going,
    Done,
    Failed(Refusal),
}

/// What is left after Finished.
pub(crate) struct Finished {
    pub(crate) layer: Layer,
    pub(crate) identity: Identity,
    pub(crate) proof: Proof,
    pub(crate) suite: &'static str,
    pub(crate) resumed: bool,
    /// The random of its ClientHello.
    pub(crate) hello: Option<[u8; 32]>,
    pub(crate) last_flight: LastFlight,
}

/// A finished handshake that does not let the device in.
pub(crate) struct Rejected {
    pub(crate) refusal: Refusal,
    /// The endpoint name that its identity would entitle it to.
    pub(crate) who: Option<String>,
    /// The alert that tells the device.
    pub(crate) alert: Vec<Vec<u8>>,
}

impl Exchange {
    pub(crate) fn new(
        context: &SslContextRef,
        index: Index<Ssl, Notes>,
        materials: &Materials,
        node: u16,
        now: Instant,
    ) -> Result<Exchange, ErrorStack> {
        let mut ssl = Ssl::new(context)?;
        ssl.set_mtu(materials.mtu)?;
        timer::set_first(&mut ssl, materials.first_timer)?;
        ssl.set_accept_state();
        let mut random = [0; 6];
        openssl::rand::rand_bytes(&mut random)?;
        ssl.set_ex_data(index, Notes { own_cid: Some(ConnectionId::new(node, random)), ..Notes::default() });
        let stream = SslStream::new(ssl, Datagrams::default())?;
        Ok(Exchange {
            stream,
            index,
            began: now,
            client_random: None,
            heard: false,
            wrong_key: false,
            told: false,
            held: Vec::new(),
            newest_in: 0,
            protected_came: false,
            next_out: 0,
            next_plain: 0,
            last_flight: Vec::new(),
        })
    }

    /// The client has sent more than its ClientHello.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard
    }

    /// The random of the ClientHello that began it, to tell its repetition from a client that starts anew.
    pub(crate) fn began_with(&self, client_random: &[u8; 32]) -> bool {
        self.client_random.as_ref() == Some(client_random)
    }

    fn notes(&self) -> Option<&Notes> {
        self.stream.ssl().ex_data(self.index)
    }

    /// Looks at a ClientHello; what is to be sent goes to `out`.
    pub(crate) fn listen(&mut self, datagram: &[u8], out: &mut Vec<Vec<u8>>) -> ffi::Listened {
        self.client_random = hello::client_random(datagram).copied();
        self.stream.get_mut().inbound.push_back(datagram.to_vec());
        let listened = ffi::listen(self.stream.ssl());
        let datagrams = self.stream.get_mut();
        datagrams.inbound.clear();
        out.append(&mut datagrams.outbound);
        listened
    }

    /// A datagram of the client.
    pub(crate) fn receive(&mut self, aead: &mut Aead, datagram: &[u8], out: &mut Vec<Vec<u8>>) -> Step {
        self.heard |= !hello::is_client_hello(datagram);
        for record in record::records(datagram, ConnectionId::LEN) {
            if record.epoch() == 1 {
                self.newest_in = self.newest_in.max(record.sequence());
                self.protected_came = true;
            }
            if record.content_type == ContentType::CID {
                if self.held.len() < HELD_MAX {
                    self.held.push(record.bytes.to_vec());
                }
            } else {
                self.stream.get_mut().inbound.push_back(record.bytes.to_vec());
            }
        }
        let step = self.advance(aead, out);
        if matches!(step, Step::Going) {
            self.wrong_key |= self.is_unreadable(aead, datagram);
        }
        step
    }

    /// The keys are known, and a protected record does not open with them: OpenSSL drops it silently (RFC 6347 §4.1.2.7), which is right
    /// towards the network but tells nobody of the wrong key.
    fn is_unreadable(&self, aead: &mut Aead, datagram: &[u8]) -> bool {
        let mut protected =
            record::records(datagram, ConnectionId::LEN).filter(|record| record.epoch() == 1).peekable();
        if protected.peek().is_none() || self.notes().is_none_or(|notes| notes.psk.is_none()) {
            return false;
        }
        let Some(keys) = takeover::keys(self.stream.ssl()) else { return false };
        let own = self.notes().filter(|notes| notes.cid_agreed).and_then(|notes| notes.own_cid);
        protected.any(|record| !takeover::opens(&keys, aead, &record, own))
    }

    /// Why it came to nothing, once nothing more is to be expected.
    pub(crate) fn silence(&self) -> Refusal {
        let inside_openssl = || {
            let psk = self.notes().is_some_and(|notes| notes.psk.is_some());
            psk && self.protected_came && takeover::keys(self.stream.ssl()).is_none()
        };
        if self.wrong_key || inside_openssl() { Refusal::WrongKey } else { Refusal::TimedOut }
    }

    /// A wrong key is certain and was not told yet.
    pub(crate) fn take_wrong_key(&mut self) -> bool {
        let news = self.wrong_key && !self.told;
        self.told |= self.wrong_key;
        news
    }

    /// The endpoint name that the device's identity, proven or not, would entitle it to.
    pub(crate) fn who(&self, credentials: &Credentials) -> Option<String> {
        let notes = self.notes()?;
        if let Some(name) = &notes.psk {
            let bound = credentials.psk(name).and_then(|psk| psk.endpoint.as_deref());
            return Some(bound.unwrap_or(name).to_owned());
        }
        if let Some(Refusal::UnknownIdentity(name)) = &notes.refusal {
            return Some(name.clone());
        }
        notes.subject.get().filter(|name| !name.is_empty()).cloned()
    }

    /// Runs OpenSSL as far as it goes.
    pub(crate) fn advance(&mut self, aead: &mut Aead, out: &mut Vec<Vec<u8>>) -> Step {
        let mut step = self.run(aead, out);
        if matches!(step, Step::Going) && !self.held.is_empty() && self.release_held(aead) {
            step = self.run(aead, out);
        }
        step
    }

    /// Hands the held records to OpenSSL once the keys are known; false when they are not.
    fn release_held(&mut self, aead: &mut Aead) -> bool {
        let own = self.notes().filter(|notes| notes.cid_agreed).and_then(|notes| notes.own_cid);
        let (Some(own), Some(keys)) = (own, takeover::keys(self.stream.ssl())) else { return false };
        for bytes in std::mem::take(&mut self.held) {
            let record = record::records(&bytes, ConnectionId::LEN).next();
            if let Some(plain) = record.and_then(|record| takeover::without_cid(&keys, aead, &record, own)) {
                self.stream.get_mut().inbound.push_back(plain);
            }
        }
        true
    }

    fn run(&mut self, aead: &mut Aead, out: &mut Vec<Vec<u8>>) -> Step {
        let result = self.stream.do_handshake();
        let step = match result {
            Ok(()) => Step::Done,
            Err(error) if matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) => Step::Going,
            Err(error) => {
                let noted = self.notes().and_then(|notes| notes.refusal.clone());
                let certificate = self.stream.ssl().verify_result().error_string();
                let told = error.ssl_error().map_or_else(
                    || Refusal::Protocol(error.to_string()),
                    |stack| Refusal::from_stack(stack, certificate),
                );
                // With a PSK suite a wrong key shows as a Finished that cannot be opened.
                let wrong_key =
                    self.notes().is_some_and(|notes| notes.psk.is_some()) && matches!(told, Refusal::Protocol(_));
                Step::Failed(noted.unwrap_or(if wrong_key { Refusal::WrongKey } else { told }))
            }
        };
        self.flush(aead, out);
        step
    }

    fn flush(&mut self, aead: &mut Aead, out: &mut Vec<Vec<u8>>) {
        let written = std::mem::take(&mut self.stream.get_mut().outbound);
        if written.is_empty() {
            return;
        }
        self.last_flight.clear();
        for datagram in written {
            let ssl = self.stream.ssl();
            let Some(notes) = ssl.ex_data(self.index) else { continue };
            let plain = record::records(&datagram, 0).filter(|record| record.epoch() == 0);
            self.next_plain = plain.map(|record| record.sequence() + 1).fold(self.next_plain, u64::max);
            self.last_flight.push(datagram.clone());
            out.push(takeover::outgoing(ssl, notes, aead, datagram, &mut self.next_out));
        }
    }

    /// Repeats the last flight when OpenSSL's timer says so; false when it gave up.
    pub(crate) fn handle_timeout(&mut self, aead: &mut Aead, out: &mut Vec<Vec<u8>>) -> bool {
        let going = timer::repeat_if_due(self.stream.ssl());
        self.flush(aead, out);
        going
    }

    /// After [`Step::Done`].
    pub(crate) fn finish(
        self,
        aead: &mut Aead,
        credentials: &Credentials,
        trust: &Trust,
        demanding: bool,
        unix: i64,
    ) -> Result<Finished, Rejected> {
        let ssl = self.stream.ssl();
        let suite = ssl.current_cipher().map_or("", |cipher| cipher.name());
        let resumed = ssl.session_reused();
        let proven = self.identity(credentials, trust, demanding, unix);
        let keys = takeover::keys(self.stream.ssl());
        let who = if proven.is_err() { self.who(credentials) } else { None };
        let last_flight = match &keys {
            Some(keys) => LastFlight::new(&self.last_flight, self.next_plain, keys, aead),
            None => LastFlight::default(),
        };
        let layer = match keys {
            None => Layer::OpenSsl(Box::new(self.stream)),
            Some(keys) => {
                let notes = self.stream.ssl().ex_data(self.index);
                let agreed = notes.filter(|notes| notes.cid_agreed);
                let window = ReplayWindow::closed_up_to(self.newest_in);
                let own = agreed.and_then(|notes| notes.own_cid);
                let wanted = agreed.and_then(|notes| notes.client_cid.as_deref());
                Layer::Own(Association::new(keys.suite, keys.block, self.next_out, window, own, wanted))
            }
        };
        match proven {
            Ok((identity, proof)) => {
                Ok(Finished { layer, identity, proof, suite, resumed, hello: self.client_random, last_flight })
            }
            Err(refusal) => {
                let alert = farewell(layer, aead, &refusal);
                Err(Rejected { refusal, who, alert })
            }
        }
    }

    fn identity(
        &self,
        credentials: &Credentials,
        trust: &Trust,
        demanding: bool,
        unix: i64,
    ) -> Result<(Identity, Proof), Refusal> {
        let ssl = self.stream.ssl();
        let tag = ffi::session_tag(ssl).and_then(|tag| <[u8; 32]>::try_from(tag.as_slice()).ok());
        if let Some(name) = ssl.psk_identity() {
            // Of a resumed session nobody asked for the key: it must be the one that the session rests on.
            let unknown = || Refusal::UnknownIdentity(String::from_utf8_lossy(name).into_owned());
            let identity = std::str::from_utf8(name).map_err(|_| unknown())?;
            let psk = credentials.psk(identity).ok_or_else(unknown)?;
            let digest = openssl::sha::sha256(&psk.key);
            if tag != Some(digest) {
                return Err(Refusal::Withdrawn("its pre-shared key was replaced"));
            }
            let endpoint = psk.endpoint.as_deref().map(str::to_owned);
            return Ok((Identity::Psk { identity: identity.to_owned(), endpoint }, Proof::Psk(digest)));
        }
        if let Some(key) = ffi::peer_raw_public_key(ssl) {
            let digest = openssl::sha::sha256(&key.public_key_to_der().unwrap_or_default());
            return match credentials.endpoint_of_key(&digest) {
                Some(endpoint) => Ok((Identity::PublicKey { digest, endpoint: endpoint.to_owned() }, Proof::Listed)),
                None => Err(Refusal::UnknownPublicKey(crate::identity::fingerprint(&digest))),
            };
        }
        let Some(certificate) = ssl.peer_certificate() else {
            return match demanding {
                true => Err(Refusal::Withdrawn("verify_peer demands a certificate now")),
                false => Ok((Identity::Anonymous, Proof::None)),
            };
        };
        let leaf = tag.and_then(|anchor| Leaf::new(&certificate, anchor).ok());
        let leaf = leaf.ok_or_else(|| Refusal::Certificate("its chain is not known any more".to_owned()))?;
        if let Some(why) = trust.withdrawn(&leaf, unix) {
            return Err(if ssl.session_reused() {
                Refusal::Withdrawn(why)
            } else {
                Refusal::Certificate(why.to_owned())
            });
        }
        let mut names: Vec<String> = context::common_name(&certificate).into_iter().collect();
        for alternative in certificate.subject_alt_names().into_iter().flatten() {
            names.extend(alternative.dnsname().or_else(|| alternative.uri()).map(str::to_owned));
        }
        Ok((Identity::Certificate { names }, Proof::Certificate(Box::new(leaf))))
    }
}

/// The alert that tells a device that it is not let in, though the handshake itself succeeded.
fn farewell(layer: Layer, aead: &mut Aead, refusal: &Refusal) -> Vec<Vec<u8>> {
    match layer {
        Layer::Own(mut association) => {
            association.reserve(1);
            let mut datagram = Vec::new();
            let sealed = association.seal(aead, ContentType::ALERT, &refusal.alert().bytes(), &mut datagram);
            sealed.map(|()| datagram).into_iter().collect()
        }
        // OpenSSL sends no alert of our choice; a close_notify ends the session as well.
        Layer::OpenSsl(mut stream) => {
            let _ = stream.shutdown();
            std::mem::take(&mut stream.get_mut().outbound)
        }
    }
}
