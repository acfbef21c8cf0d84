//! One handshake in progress.
use crate::context::Notes;
use crate::credentials::Credentials;
use crate::datagrams::Datagrams;
use crate::identity::Identity;
use crate::refusal::Refusal;
use crate::{ffi, takeover};
use dtls::record;
use dtls::replay::ReplayWindow;
use dtls::{Aead, Association, ConnectionId, ContentType};
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::nid::Nid;
use openssl::ssl::{ErrorCode, Ssl, SslContextRef, SslStream};
use std::time::Instant;

/// Records kept back at the most while their keys are not known yet.
const HELD_MAX: usize = 4;

/// An `Ssl` and what its datagrams told.
pub(crate) struct Exchange {
    stream: SslStream<Datagrams>,
    index: Index<Ssl, Notes>,
    pub(crate) began: Instant,
    /// Records with our connection id that came before the keys were known.
    held: Vec<Vec<u8>>,
    newest_in: u64,
    next_out: u64,
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
    pub(crate) psk_digest: Option<[u8; 32]>,
    pub(crate) suite: String,
    pub(crate) resumed: bool,
    pub(crate) last_flight: Vec<Vec<u8>>,
}

/// Where the records of an established session are protected.
pub(crate) enum Layer {
    Own(Association),
    OpenSsl(Box<SslStream<Datagrams>>),
}

impl Exchange {
    pub(crate) fn new(
        context: &SslContextRef,
        index: Index<Ssl, Notes>,
        mtu: u32,
        node: u16,
        now: Instant,
    ) -> Result<Exchange, ErrorStack> {
        let mut ssl = Ssl::new(context)?;
        ssl.set_mtu(if mtu == 0 { 1200 } else { mtu })?;
        ssl.set_accept_state();
        let mut random = [0; 6];
        openssl::rand::rand_bytes(&mut random)?;
        ssl.set_ex_data(index, Notes { own_cid: Some(ConnectionId::new(node, random)), ..Notes::default() });
        let stream = SslStream::new(ssl, Datagrams::default())?;
        Ok(Exchange { stream, index, began: now, held: Vec::new(), newest_in: 0, next_out: 0, last_flight: Vec::new() })
    }

    fn notes(&self) -> Option<&Notes> {
        self.stream.ssl().ex_data(self.index)
    }

    /// Looks at a ClientHello; what is to be sent goes to `out`.
    pub(crate) fn listen(&mut self, datagram: &[u8], out: &mut Vec<Vec<u8>>) -> ffi::Listened {
        self.stream.get_mut().inbound.push_back(datagram.to_vec());
        let listened = ffi::listen(self.stream.ssl());
        let datagrams = self.stream.get_mut();
        datagrams.inbound.clear();
        out.append(&mut datagrams.outbound);
        listened
    }

    /// A datagram of the client.
    pub(crate) fn receive(&mut self, aead: &mut Aead, datagram: &[u8], out: &mut Vec<Vec<u8>>) -> Step {
        for record in record::records(datagram, ConnectionId::LEN) {
            if record.epoch() == 1 {
                self.newest_in = self.newest_in.max(record.sequence());
            }
            if record.content_type == ContentType::CID {
                if self.held.len() < HELD_MAX {
                    self.held.push(record.bytes.to_vec());
                }
            } else {
                self.stream.get_mut().inbound.push_back(record.bytes.to_vec());
            }
        }
        self.advance(aead, out)
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
                let told = error.ssl_error().map_or_else(|| Refusal::Protocol(error.to_string()), Refusal::from_stack);
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
            let datagram = takeover::outgoing(ssl, notes, aead, datagram, &mut self.next_out);
            self.last_flight.push(datagram.clone());
            out.push(datagram);
        }
    }

    /// Repeats the last flight when OpenSSL's timer says so; false when it gave up.
    pub(crate) fn handle_timeout(&mut self, aead: &mut Aead, out: &mut Vec<Vec<u8>>) -> bool {
        if ffi::timeout(self.stream.ssl()).is_none_or(|left| !left.is_zero()) {
            return true;
        }
        let going = ffi::handle_timeout(self.stream.ssl());
        self.flush(aead, out);
        going
    }

    /// After [`Step::Done`].
    pub(crate) fn finish(self, credentials: &Credentials) -> Result<Finished, Refusal> {
        let identity = self.identity(credentials)?;
        let ssl = self.stream.ssl();
        let suite = ssl.current_cipher().map(|cipher| cipher.name().to_owned()).unwrap_or_default();
        let resumed = ssl.session_reused();
        let notes = ssl.ex_data(self.index);
        let psk_digest = notes.and_then(|notes| notes.psk_digest);
        let layer = match takeover::keys(ssl) {
            None => Layer::OpenSsl(Box::new(self.stream)),
            Some(keys) => {
                let agreed = notes.filter(|notes| notes.cid_agreed);
                let window = ReplayWindow::closed_up_to(self.newest_in);
                let own = agreed.and_then(|notes| notes.own_cid);
                let wanted = agreed.and_then(|notes| notes.client_cid.as_deref());
                Layer::Own(Association::new(keys.suite, keys.block, self.next_out, window, own, wanted))
            }
        };
        Ok(Finished { layer, identity, psk_digest, suite, resumed, last_flight: self.last_flight })
    }

    fn identity(&self, credentials: &Credentials) -> Result<Identity, Refusal> {
        let ssl = self.stream.ssl();
        if let Some((identity, endpoint)) = self.notes().and_then(|notes| notes.psk.clone()) {
            return Ok(Identity::Psk { identity, endpoint });
        }
        if let Some(key) = ffi::peer_raw_public_key(ssl) {
            let der = key.public_key_to_der().unwrap_or_default();
            let fingerprint = crate::identity::fingerprint(&der);
            return match credentials.endpoint_of_key(&der) {
                Some(endpoint) => Ok(Identity::PublicKey { fingerprint, endpoint: endpoint.to_owned() }),
                None => Err(Refusal::UnknownPublicKey(fingerprint)),
            };
        }
        let Some(certificate) = ssl.peer_certificate() else { return Ok(Identity::Anonymous) };
        let common = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
        let mut names: Vec<String> =
            common.filter_map(|entry| Some(entry.data().to_string().ok()?.to_string())).collect();
        for alternative in certificate.subject_alt_names().into_iter().flatten() {
            names.extend(alternative.dnsname().or_else(|| alternative.uri()).map(str::to_owned));
        }
        Ok(Identity::Certificate { names })
    }
}
