//! An association against OpenSSL's own record layer, and its rules about replays, connection ids and stored bounds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dtls::record::records;
use dtls::replay::ReplayWindow;
use dtls::{Aead, Alert, Association, ConnectionId, ContentType, KeyBlock, OpenError, SealError, Suite};
use openssl::ssl::{SslContext, SslMethod, SslOptions, SslStream, SslVersion};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};

#[derive(Debug, Default)]
struct Datagrams {
    inbound: VecDeque<Vec<u8>>,
    outbound: Vec<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let datagram = self.inbound.pop_front().ok_or(ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Datagrams {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.outbound.push(bytes.to_vec());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn end(server: bool, ciphers: &str) -> SslStream<Datagrams> {
    let method = if server { SslMethod::dtls_server() } else { SslMethod::dtls_client() };
    let mut context = SslContext::builder(method).unwrap();
    context.set_min_proto_version(Some(SslVersion::DTLS1_2)).unwrap();
    context.set_cipher_list(ciphers).unwrap();
    context.set_options(SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET);
    context.set_psk_server_callback(|_, _, key| {
        key[..16].fill(0x5a);
        Ok(16)
    });
    context.set_psk_client_callback(|_, _, identity, key| {
        identity[..4].copy_from_slice(b"dev\0");
        key[..16].fill(0x5a);
        Ok(16)
    });
    let mut ssl = openssl::ssl::Ssl::new(&context.build()).unwrap();
    ssl.set_mtu(1200).unwrap();
    if server {
        ssl.set_accept_state()
    } else {
        ssl.set_connect_state()
    }
    SslStream::new(ssl, Datagrams::default()).unwrap()
}

/// OpenSSL on both ends up to Finished; the server end is then taken over.
fn taken_over(ciphers: &str) -> (Association, SslStream<Datagrams>) {
    let (mut server, mut client) = (end(true, ciphers), end(false, ciphers));
    let mut next = 0;
    for _ in 0..10 {
        let client_done = client.do_handshake().is_ok();
        let flight = std::mem::take(&mut client.get_mut().outbound);
        server.get_mut().inbound.extend(flight);
        let server_done = server.do_handshake().is_ok();
        let flight = std::mem::take(&mut server.get_mut().outbound);
        for datagram in &flight {
            let protected = records(datagram, 0).filter(|r| r.epoch() == 1);
            next = protected.map(|r| r.sequence() + 1).fold(next, u64::max);
        }
        client.get_mut().inbound.extend(flight);
        if client_done && server_done {
            break;
        }
    }
    let ssl = server.ssl();
    let suite = Suite::from_openssl_name(ssl.current_cipher().unwrap().name()).unwrap();
    let mut master = [0; 48];
    assert_eq!(ssl.session().unwrap().master_key(&mut master), 48);
    let (mut client_random, mut server_random) = ([0; 32], [0; 32]);
    ssl.client_random(&mut client_random);
    ssl.server_random(&mut server_random);
    let keys = KeyBlock::derive(&master, &client_random, &server_random).unwrap();
    let association = Association::new(suite, keys, next, ReplayWindow::closed_up_to(0), None, None);
    (association, client)
}

#[test]
fn records_pass_both_ways_between_openssl_and_a_taken_over_association() {
    for ciphers in ["PSK-AES128-CCM8:@SECLEVEL=0", "PSK-AES128-CCM", "PSK-AES128-GCM-SHA256"] {
        let (mut association, mut client) = taken_over(ciphers);
        let mut aead = Aead::new().unwrap();
        let mut plaintext = Vec::new();
        association.reserve(100);
        for round in 0..5u8 {
            let message = vec![round; 20 + usize::from(round) * 100];
            client.write_all(&message).unwrap();
            let datagram = client.get_mut().outbound.pop().unwrap();
            let record = records(&datagram, 0).next().unwrap();
            let opened = association.open(&mut aead, &record, &mut plaintext).unwrap();
            assert_eq!(opened.content_type, ContentType::APPLICATION_DATA);
            assert!(opened.newest);
            assert_eq!(plaintext, message, "{ciphers}");
            assert_eq!(association.open(&mut aead, &record, &mut plaintext), Err(OpenError::Replayed));

            let mut wire = Vec::new();
            association.seal(&mut aead, ContentType::APPLICATION_DATA, &message, &mut wire).unwrap();
            client.get_mut().inbound.push_back(wire);
            let mut buffer = [0; 2000];
            let read = client.ssl_read(&mut buffer).unwrap();
            assert_eq!(buffer[..read], message[..]);
        }
        client.shutdown().unwrap();
        let datagram = client.get_mut().outbound.pop().unwrap();
        let record = records(&datagram, 0).next().unwrap();
        let opened = association.open(&mut aead, &record, &mut plaintext).unwrap();
        assert_eq!(opened.content_type, ContentType::ALERT);
        assert!(Alert::parse(&plaintext).unwrap().ends_association());
    }
}

fn pair(device_cid: Option<&[u8]>) -> (Association, Association) {
    let keys = KeyBlock::derive(&[3; 48], &[4; 32], &[5; 32]).unwrap();
    let ours = device_cid.map(|_| ConnectionId::new(0, *b"abcdef"));
    let gateway = Association::new(Suite::Ccm8, keys.clone(), 1, ReplayWindow::default(), ours, device_cid);
    // The device end: what it sends carries our id, what it receives carries its own, which must have our length to be read here.
    let theirs = device_cid.filter(|id| !id.is_empty()).and_then(ConnectionId::from_slice);
    let outbound = ours.map(|id| id.0);
    let device = Association::new(
        Suite::Ccm8,
        keys.mirrored(),
        1,
        ReplayWindow::default(),
        theirs,
        outbound.as_ref().map(|id| &id[..]),
    );
    (gateway, device)
}

fn sealed(association: &mut Association, aead: &mut Aead, plaintext: &[u8]) -> Vec<u8> {
    if association.reserved_left() == 0 {
        association.reserve(1000);
    }
    let mut wire = Vec::new();
    association.seal(aead, ContentType::APPLICATION_DATA, plaintext, &mut wire).unwrap();
    wire
}

fn open(association: &mut Association, aead: &mut Aead, wire: &[u8]) -> Result<(Vec<u8>, bool), OpenError> {
    let record = records(wire, ConnectionId::LEN).next().ok_or(OpenError::Foreign)?;
    let mut plaintext = Vec::new();
    association.open(aead, &record, &mut plaintext).map(|opened| (plaintext, opened.newest))
}

#[test]
fn connection_ids_travel_both_ways_empty_and_not() {
    let mut aead = Aead::new().unwrap();
    for device_cid in [&b""[..], b"12345678"] {
        let (mut gateway, mut device) = pair(Some(device_cid));
        let up = sealed(&mut device, &mut aead, b"up");
        assert_eq!(up[0], ContentType::CID.0);
        assert_eq!(open(&mut gateway, &mut aead, &up), Ok((b"up".to_vec(), true)));
        let down = sealed(&mut gateway, &mut aead, b"down");
        assert_eq!(down[0], if device_cid.is_empty() { 23 } else { 25 });
        assert_eq!(open(&mut device, &mut aead, &down), Ok((b"down".to_vec(), true)));
    }
}

#[test]
fn a_record_with_another_or_without_connection_id_is_refused() {
    let mut aead = Aead::new().unwrap();
    let (mut gateway, mut device) = pair(Some(b""));
    let mut up = sealed(&mut device, &mut aead, b"x");
    up[11] ^= 1;
    assert_eq!(open(&mut gateway, &mut aead, &up), Err(OpenError::ConnectionId));
    let (mut plain, _) = pair(None);
    let up = sealed(&mut device, &mut aead, b"x");
    assert_eq!(open(&mut plain, &mut aead, &up), Err(OpenError::ConnectionId));
}

#[test]
fn an_older_record_is_delivered_once_but_never_newest() {
    let mut aead = Aead::new().unwrap();
    let (mut gateway, mut device) = pair(None);
    let wires: Vec<_> = (0..70u8).map(|n| sealed(&mut device, &mut aead, &[n])).collect();
    assert!(open(&mut gateway, &mut aead, &wires[1]).unwrap().1);
    assert!(!open(&mut gateway, &mut aead, &wires[0]).unwrap().1);
    assert!(open(&mut gateway, &mut aead, &wires[69]).unwrap().1);
    assert!(!open(&mut gateway, &mut aead, &wires[10]).unwrap().1);
    for replayed in [0, 1, 2, 5, 10, 69] {
        assert_eq!(open(&mut gateway, &mut aead, &wires[replayed]), Err(OpenError::Replayed), "{replayed}");
    }
}

#[test]
fn every_flipped_bit_is_refused_and_leaves_the_window_alone() {
    let mut aead = Aead::new().unwrap();
    let (mut gateway, mut device) = pair(Some(b""));
    let wire = sealed(&mut device, &mut aead, b"payload");
    for bit in 0..wire.len() * 8 {
        let mut bent = wire.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&mut gateway, &mut aead, &bent).is_err(), "bit {bit}");
    }
    assert_eq!(open(&mut gateway, &mut aead, &wire), Ok((b"payload".to_vec(), true)));
}

#[test]
fn no_sequence_number_is_used_twice_across_a_restart() {
    let mut aead = Aead::new().unwrap();
    let (mut gateway, _) = pair(None);
    let mut wire = Vec::new();
    assert_eq!(gateway.seal(&mut aead, ContentType::ALERT, b"x", &mut wire), Err(SealError::Unreserved));
    assert!(wire.is_empty());
    let stored = gateway.reserve(3);
    let mut used = Vec::new();
    for _ in 0..3 {
        used.push(records(&sealed(&mut gateway, &mut aead, b"x"), 0).next().unwrap().sequence());
    }
    assert_eq!(gateway.seal(&mut aead, ContentType::ALERT, b"x", &mut wire), Err(SealError::Unreserved));
    let mut restored = Association::restore(stored);
    restored.reserve(3);
    for _ in 0..3 {
        let number = records(&sealed(&mut restored, &mut aead, b"x"), 0).next().unwrap().sequence();
        assert!(!used.contains(&number));
        used.push(number);
    }
    assert_eq!(used, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn no_key_is_printed() {
    let (gateway, _) = pair(None);
    assert!(format!("{gateway:?}").contains("KeyBlock(secret)"));
}
