//! The way of a session out of OpenSSL, and the shim that lets OpenSSL finish handshakes whose last records carry connection ids.
use crate::context::Notes;
use crate::ffi;
use dtls::record::{self, Record};
use dtls::replay::ReplayWindow;
use dtls::{Aead, Association, ConnectionId, ContentType, KeyBlock, Suite};
use openssl::ssl::SslRef;

/// Keys of the session, as soon as both sides have the master secret.
pub(crate) struct Keys {
    pub(crate) suite: Suite,
    pub(crate) block: KeyBlock,
}

/// `None` while there is no master secret, and for suites that stay inside OpenSSL.
pub(crate) fn keys(ssl: &SslRef) -> Option<Keys> {
    let name = ssl.current_cipher().map(|cipher| cipher.name().to_owned()).or_else(|| ffi::pending_suite(ssl))?;
    let suite = Suite::from_openssl_name(&name)?;
    let mut master = [0; 48];
    if ssl.session()?.master_key(&mut master) != master.len() || master == [0; 48] {
        return None;
    }
    let (mut client_random, mut server_random) = ([0; 32], [0; 32]);
    ssl.client_random(&mut client_random);
    ssl.server_random(&mut server_random);
    let block = KeyBlock::derive(&master, &client_random, &server_random).ok();
    master.fill(0);
    Some(Keys { suite, block: block? })
}

/// The client's record with our connection id, as OpenSSL expects it: same number, same content, no id.
pub(crate) fn without_cid(keys: &Keys, aead: &mut Aead, record: &Record<'_>, own: ConnectionId) -> Option<Vec<u8>> {
    let mut gateway =
        Association::new(keys.suite, keys.block.clone(), 0, ReplayWindow::default(), Some(own), Some(b""));
    let mut plaintext = Vec::new();
    let opened = gateway.open(aead, record, &mut plaintext).ok()?;
    let mut client =
        Association::new(keys.suite, keys.block.mirrored(), record.sequence(), ReplayWindow::default(), None, None);
    client.reserve(1);
    let mut out = Vec::new();
    client.seal(aead, opened.content_type, &plaintext, &mut out).ok()?;
    Some(out)
}

/// Whether a record of the client opens with the keys, with our connection id where one was agreed.
pub(crate) fn opens(keys: &Keys, aead: &mut Aead, record: &Record<'_>, own: Option<ConnectionId>) -> bool {
    let wanted = own.map(|_| &b""[..]);
    let mut gateway = Association::new(keys.suite, keys.block.clone(), 0, ReplayWindow::default(), own, wanted);
    gateway.open(aead, record, &mut Vec::new()).is_ok()
}

/// What is in a protected record that OpenSSL wrote.
pub(crate) fn written(keys: &Keys, aead: &mut Aead, record: &Record<'_>) -> Option<(ContentType, Vec<u8>)> {
    let mut client = Association::new(keys.suite, keys.block.mirrored(), 0, ReplayWindow::default(), None, None);
    let mut plaintext = Vec::new();
    let opened = client.open(aead, record, &mut plaintext).ok()?;
    Some((opened.content_type, plaintext))
}

/// OpenSSL's protected record, as a client that wants its id on our records expects it.
fn with_cid(keys: &Keys, aead: &mut Aead, record: &Record<'_>, client_cid: &[u8]) -> Option<Vec<u8>> {
    let (content_type, plaintext) = written(keys, aead, record)?;
    let window = ReplayWindow::default();
    let own = Some(ConnectionId([0; ConnectionId::LEN]));
    let mut gateway =
        Association::new(keys.suite, keys.block.clone(), record.sequence(), window, own, Some(client_cid));
    gateway.reserve(1);
    let mut out = Vec::new();
    gateway.seal(aead, content_type, &plaintext, &mut out).ok()?;
    Some(out)
}

/// A datagram that OpenSSL wrote, made fit for the client; raises `next` above the protected records in it.
pub(crate) fn outgoing(ssl: &SslRef, notes: &Notes, aead: &mut Aead, datagram: Vec<u8>, next: &mut u64) -> Vec<u8> {
    let mut protected = record::records(&datagram, 0).filter(|record| record.epoch() == 1).peekable();
    if protected.peek().is_none() {
        return datagram;
    }
    for record in protected {
        *next = (*next).max(record.sequence() + 1);
    }
    let wanted = notes.client_cid.as_deref().filter(|id| notes.cid_agreed && !id.is_empty());
    let (Some(client_cid), Some(keys)) = (wanted, keys(ssl)) else { return datagram };
    let mut out = Vec::with_capacity(datagram.len() + 64);
    for record in record::records(&datagram, 0) {
        match (record.epoch() == 1).then(|| with_cid(&keys, aead, &record, client_cid)).flatten() {
            Some(wrapped) => out.extend_from_slice(&wrapped),
            None => out.extend_from_slice(record.bytes),
        }
    }
    out
}
