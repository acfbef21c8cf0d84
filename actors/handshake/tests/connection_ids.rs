//! Connection ids (RFC 9146) from the handshake on: OpenSSL's client knows the extension only as bytes, so its protected records are
//! wrapped and unwrapped here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{Datagrams, now, peer};
use dtls::record::records;
use dtls::replay::ReplayWindow;
use dtls::{Aead, Association, ConnectionId, ContentType, KeyBlock, Suite, cid};
use handshake::{Credentials, Effect, Endpoint, Limits, LinkId, Materials};
use openssl::ssl::{ExtensionContext, Ssl, SslAlert, SslContext, SslMethod, SslOptions, SslStream};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A device that offers `own` and remembers what the gateway answers.
struct Device {
    stream: SslStream<Datagrams>,
    own: Option<ConnectionId>,
    theirs: Arc<Mutex<Option<Vec<u8>>>>,
    aead: Aead,
    next: u64,
}

impl Device {
    fn new(own: Option<ConnectionId>) -> Device {
        let mut context = SslContext::builder(SslMethod::dtls_client()).unwrap();
        context.set_cipher_list("PSK-AES128-CCM8:@SECLEVEL=0").unwrap();
        context.set_options(SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET);
        context.set_psk_client_callback(|_, _, name, out| {
            name[..4].copy_from_slice(b"dev\0");
            out[..16].fill(7);
            Ok(16)
        });
        let theirs = Arc::new(Mutex::new(None));
        let learned = theirs.clone();
        let offered: Vec<u8> = own.map_or_else(|| vec![0], |id| cid::extension(&id).to_vec());
        let places =
            ExtensionContext::CLIENT_HELLO | ExtensionContext::TLS1_2_SERVER_HELLO | ExtensionContext::DTLS_ONLY;
        let add = move |_: &mut _,
                        _,
                        _: Option<(usize, &openssl::x509::X509Ref)>|
              -> Result<Option<Vec<u8>>, SslAlert> { Ok(Some(offered.clone())) };
        let parse = move |_: &mut _, _, body: &[u8], _: Option<(usize, &openssl::x509::X509Ref)>| {
            *learned.lock().unwrap() = Some(cid::parse_extension(body).ok_or(SslAlert::DECODE_ERROR)?.to_vec());
            Ok(())
        };
        context.add_custom_ext(54, places, add, parse).unwrap();
        let mut ssl = Ssl::new(&context.build()).unwrap();
        ssl.set_mtu(1200).unwrap();
        ssl.set_connect_state();
        let stream = SslStream::new(ssl, Datagrams::default()).unwrap();
        Device { stream, own, theirs, aead: Aead::new().unwrap(), next: 0 }
    }

    fn keys(&self) -> KeyBlock {
        let ssl = self.stream.ssl();
        let mut master = [0; 48];
        assert_eq!(ssl.session().unwrap().master_key(&mut master), 48);
        let (mut client_random, mut server_random) = ([0; 32], [0; 32]);
        ssl.client_random(&mut client_random);
        ssl.server_random(&mut server_random);
        KeyBlock::derive(&master, &client_random, &server_random).unwrap()
    }

    fn gateway_cid(&self) -> Option<Vec<u8>> {
        self.theirs.lock().unwrap().clone()
    }

    /// Association of the device's end, with its ids, at a sequence number.
    fn own_end(&self, next: u64) -> Association {
        let outbound = self.gateway_cid();
        let mut end = Association::new(
            Suite::Ccm8,
            self.keys().mirrored(),
            next,
            ReplayWindow::default(),
            self.own,
            outbound.as_deref(),
        );
        end.reserve(100);
        end
    }

    /// The gateway's end of the same keys without ids: what OpenSSL writes and expects.
    fn plain_end(&self, next: u64) -> Association {
        let mut end = Association::new(Suite::Ccm8, self.keys(), next, ReplayWindow::default(), None, None);
        end.reserve(100);
        end
    }

    fn flight(&mut self) -> Vec<Vec<u8>> {
        let _ = self.stream.do_handshake();
        let written = std::mem::take(&mut self.stream.get_mut().outbound);
        written.into_iter().map(|datagram| self.wrapped(&datagram)).collect()
    }

    fn wrapped(&mut self, datagram: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for record in records(datagram, 0) {
            if record.epoch() == 0 || self.gateway_cid().is_none() {
                out.extend_from_slice(record.bytes);
                continue;
            }
            let mut plaintext = Vec::new();
            let opened = self.plain_end(0).open(&mut self.aead, &record, &mut plaintext).unwrap();
            self.next = record.sequence() + 1;
            let mut own = self.own_end(record.sequence());
            own.seal(&mut self.aead, opened.content_type, &plaintext, &mut out).unwrap();
        }
        out
    }

    fn receive(&mut self, datagram: &[u8]) {
        let mut out = Vec::new();
        for record in records(datagram, ConnectionId::LEN) {
            if record.content_type != ContentType::CID {
                out.extend_from_slice(record.bytes);
                continue;
            }
            let mut plaintext = Vec::new();
            let opened = self.own_end(0).open(&mut self.aead, &record, &mut plaintext).unwrap();
            let mut plain = self.plain_end(record.sequence());
            plain.seal(&mut self.aead, opened.content_type, &plaintext, &mut out).unwrap();
        }
        self.stream.get_mut().inbound.push_back(out);
    }
}

fn gateway() -> Endpoint {
    let text = format!("[[device]]\nidentity=\"dev\"\npsk=\"{}\"", "07".repeat(16));
    let credentials = Arc::new(Credentials::parse(&text).unwrap());
    let limits = Limits { node: 0x0203, ..Limits::default() };
    Endpoint::new(Materials { credentials, ..Materials::default() }, limits, Instant::now()).unwrap()
}

fn connect(gateway: &mut Endpoint, device: &mut Device) -> LinkId {
    let mut link = None;
    for _ in 0..10 {
        for datagram in device.flight() {
            let mut effects = Vec::new();
            gateway.handle_datagram(now(), peer(1), &datagram, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Transmit(_, bytes) => device.receive(&bytes),
                    Effect::Established { link: id, facts, .. } => {
                        assert!(facts.with_cid);
                        link = Some(id);
                    }
                    Effect::Store { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(device.stream.do_handshake().is_ok(), "the device saw our Finished");
    link.expect("established")
}

fn send(gateway: &mut Endpoint, device: &mut Association, from: SocketAddr, text: &[u8]) -> (Vec<u8>, Vec<Effect>) {
    let (mut wire, mut effects) = (Vec::new(), Vec::new());
    device.seal(&mut Aead::new().unwrap(), ContentType::APPLICATION_DATA, text, &mut wire).unwrap();
    gateway.handle_datagram(now(), from, &wire, &mut effects);
    (wire, effects)
}

#[test]
fn handshake_and_data_carry_connection_ids_and_the_address_follows() {
    for own in [None, Some(ConnectionId(*b"deviceid"))] {
        let mut gateway = gateway();
        let mut device = Device::new(own);
        let link = connect(&mut gateway, &mut device);
        let id = ConnectionId::from_slice(&device.gateway_cid().unwrap()).unwrap();
        assert_eq!(id.node(), 0x0203);
        let mut end = device.own_end(device.next);

        let (first, effects) = send(&mut gateway, &mut end, peer(1), b"one");
        assert!(matches!(&effects[..], [Effect::Data(l, _, d)] if *l == link && d == b"one"), "{effects:?}");
        let (_, effects) = send(&mut gateway, &mut end, peer(2), b"two");
        assert!(
            matches!(&effects[..], [Effect::Moved(_, a, b), Effect::Data(_, f, d)] if *a == peer(1) && *b == peer(2) && *f == peer(2) && d == b"two"),
            "{effects:?}"
        );

        // A replayed or older record from elsewhere moves nothing.
        let mut effects = Vec::new();
        gateway.handle_datagram(now(), peer(3), &first, &mut effects);
        assert!(effects.is_empty(), "{effects:?}");
        assert_eq!(gateway.address(link), Some(peer(2)));
        assert_eq!(gateway.counters().replayed, 1);

        // What the gateway sends goes to the new address and carries the device's id, if it wants one.
        let mut effects = Vec::new();
        assert!(gateway.seal(link, b"down", &mut effects));
        let Some(Effect::Transmit(to, wire)) = effects.pop() else { panic!("{effects:?}") };
        assert_eq!((to, wire[0]), (peer(2), if own.is_some() { 25 } else { 23 }));
        let record = records(&wire, ConnectionId::LEN).next().unwrap();
        let mut plaintext = Vec::new();
        end.open(&mut Aead::new().unwrap(), &record, &mut plaintext).unwrap();
        assert_eq!(plaintext, b"down");
    }
}

#[test]
fn a_repeated_finished_gets_the_last_flight_again() {
    let mut gateway = gateway();
    let mut device = Device::new(None);
    let mut last = Vec::new();
    for _ in 0..4 {
        for datagram in device.flight() {
            let mut effects = Vec::new();
            gateway.handle_datagram(now(), peer(1), &datagram, &mut effects);
            let done = effects.iter().any(|e| matches!(e, Effect::Established { .. }));
            for effect in effects {
                match effect {
                    // The gateway's last flight is lost.
                    Effect::Transmit(..) if done => {}
                    Effect::Transmit(_, bytes) => device.receive(&bytes),
                    _ => {}
                }
            }
            last = datagram;
        }
    }
    assert!(device.stream.do_handshake().is_err());
    // The device repeats its flight under new record numbers, as RFC 6347 §4.2.4 has it; here: its Finished alone.
    let finished = records(&last, ConnectionId::LEN).find(|r| r.epoch() == 1).unwrap();
    let (mut plaintext, mut repeated) = (Vec::new(), Vec::new());
    let id = ConnectionId::from_slice(&device.gateway_cid().unwrap());
    let mut reader = Association::new(Suite::Ccm8, device.keys(), 0, ReplayWindow::default(), id, None);
    let opened = reader.open(&mut device.aead, &finished, &mut plaintext).unwrap();
    let mut writer = device.own_end(device.next);
    writer.seal(&mut device.aead, opened.content_type, &plaintext, &mut repeated).unwrap();
    let mut effects = Vec::new();
    gateway.handle_datagram(now(), peer(1), &repeated, &mut effects);
    assert!(!effects.is_empty());
    for effect in effects {
        let Effect::Transmit(_, bytes) = effect else { panic!("{effect:?}") };
        device.receive(&bytes);
    }
    assert!(device.stream.do_handshake().is_ok(), "the repeated flight completes the handshake");
}
