//! The calls that the `openssl` crate does not wrap. All unsafe code of the gateway stands here; each function is safe for every
//! argument that its types admit, for the reason given beside it.
#![allow(unsafe_code, reason = "the one reviewed module with foreign calls")]

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::pkey::{PKey, Public};
use openssl::ssl::{Ssl, SslContextBuilder, SslRef, SslSession};
use openssl::x509::X509VerifyResult;
use std::sync::OnceLock;
use std::time::Duration;

#[allow(non_camel_case_types, reason = "OpenSSL's own name")]
enum BIO_ADDR {}

unsafe extern "C" {
    fn DTLSv1_listen(ssl: *mut openssl_sys::SSL, client: *mut BIO_ADDR) -> libc::c_int;
    fn BIO_ADDR_new() -> *mut BIO_ADDR;
    fn BIO_ADDR_free(address: *mut BIO_ADDR);
    fn SSL_CTX_set1_client_cert_type(ctx: *mut openssl_sys::SSL_CTX, types: *const u8, len: usize) -> libc::c_int;
    fn SSL_CTX_set1_server_cert_type(ctx: *mut openssl_sys::SSL_CTX, types: *const u8, len: usize) -> libc::c_int;
    fn SSL_get0_peer_rpk(ssl: *const openssl_sys::SSL) -> *mut openssl_sys::EVP_PKEY;
    fn SSL_get_pending_cipher(ssl: *const openssl_sys::SSL) -> *const openssl_sys::SSL_CIPHER;
    fn DTLS_set_timer_cb(ssl: *mut openssl_sys::SSL, callback: TimerCallback);
    fn SSL_CTX_set_timeout(ctx: *mut openssl_sys::SSL_CTX, seconds: libc::c_long) -> libc::c_long;
    fn SSL_SESSION_set1_ticket_appdata(
        session: *mut openssl_sys::SSL_SESSION,
        data: *const libc::c_void,
        len: usize,
    ) -> libc::c_int;
    fn SSL_SESSION_get0_ticket_appdata(
        session: *mut openssl_sys::SSL_SESSION,
        data: *mut *mut libc::c_void,
        len: *mut usize,
    ) -> libc::c_int;
    fn EVP_PKEY_up_ref(key: *mut openssl_sys::EVP_PKEY) -> libc::c_int;
}

type TimerCallback = extern "C" fn(*mut openssl_sys::SSL, libc::c_uint) -> libc::c_uint;

const SSL_CTRL_SET_TLSEXT_TICKET_KEYS: libc::c_int = 59;
const DTLS_CTRL_GET_TIMEOUT: libc::c_int = 73;
const DTLS_CTRL_HANDLE_TIMEOUT: libc::c_int = 74;
/// RFC 7250 and RFC 6091 numbers, in the order of preference.
const CERTIFICATE_TYPES: [u8; 2] = [2, 0];

/// What [`listen`] made of a ClientHello.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Listened {
    /// The cookie was right: go on with the handshake on this very object.
    Accepted,
    /// A HelloVerifyRequest was written, or the datagram was no use; nothing is kept.
    Refused,
}

/// Answers a ClientHello without keeping state (RFC 6347 §4.2.1).
pub(crate) fn listen(ssl: &SslRef) -> Listened {
    // SAFETY: `ssl` is a live object of this thread (the type is not Sync); the address object lives across the call and is
    // freed once, by us. OpenSSL writes only into these two.
    let result = unsafe {
        let address = BIO_ADDR_new();
        if address.is_null() {
            return Listened::Refused;
        }
        let result = DTLSv1_listen(ssl.as_ptr(), address);
        BIO_ADDR_free(address);
        result
    };
    if result == 1 { Listened::Accepted } else { Listened::Refused }
}

/// Time until the last flight must be repeated.
pub(crate) fn timeout(ssl: &SslRef) -> Option<Duration> {
    let mut left = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: for this command OpenSSL writes one `timeval` through the pointer and keeps nothing.
    let armed = unsafe { openssl_sys::SSL_ctrl(ssl.as_ptr(), DTLS_CTRL_GET_TIMEOUT, 0, (&raw mut left).cast()) };
    let seconds = u64::try_from(left.tv_sec).unwrap_or(0);
    let micros = u32::try_from(left.tv_usec).unwrap_or(0);
    (armed == 1).then(|| Duration::new(seconds, micros.saturating_mul(1000)))
}

/// Repeats the last flight if its time has come; false when OpenSSL gave up.
pub(crate) fn handle_timeout(ssl: &SslRef) -> bool {
    // SAFETY: this command takes no argument.
    unsafe { openssl_sys::SSL_ctrl(ssl.as_ptr(), DTLS_CTRL_HANDLE_TIMEOUT, 0, std::ptr::null_mut()) >= 0 }
}

/// Offers and accepts raw public keys beside certificates (RFC 7250).
pub(crate) fn allow_raw_public_keys(context: &mut SslContextBuilder) -> bool {
    let types = CERTIFICATE_TYPES;
    // SAFETY: OpenSSL copies the two bytes before it returns.
    unsafe {
        SSL_CTX_set1_client_cert_type(context.as_ptr(), types.as_ptr(), types.len()) == 1
            && SSL_CTX_set1_server_cert_type(context.as_ptr(), types.as_ptr(), types.len()) == 1
    }
}

/// The raw public key that the peer proved to hold.
pub(crate) fn peer_raw_public_key(ssl: &SslRef) -> Option<PKey<Public>> {
    // SAFETY: the returned key is borrowed from `ssl`; the reference count is raised before it is owned by `PKey`.
    unsafe {
        let key = SSL_get0_peer_rpk(ssl.as_ptr());
        if key.is_null() || EVP_PKEY_up_ref(key) != 1 {
            return None;
        }
        Some(PKey::from_ptr(key))
    }
}

/// Name of the suite that was chosen while the ServerHello is being written.
pub(crate) fn pending_suite(ssl: &SslRef) -> Option<String> {
    // SAFETY: the cipher is a constant of the library; its name is a C string that lives as long.
    unsafe {
        let cipher = SSL_get_pending_cipher(ssl.as_ptr());
        if cipher.is_null() {
            return None;
        }
        let name = openssl_sys::SSL_CIPHER_get_name(cipher);
        std::ffi::CStr::from_ptr(name).to_str().ok().map(str::to_owned)
    }
}

/// Bytes of a ticket key: name, HMAC key, AES key.
pub(crate) const TICKET_KEY: usize = 80;

/// Session tickets are made and opened with this key.
pub(crate) fn set_ticket_key(context: &mut SslContextBuilder, key: &[u8; TICKET_KEY]) -> bool {
    // SAFETY: OpenSSL copies the bytes before it returns and changes none, though the generic interface takes a pointer to mutable data.
    unsafe {
        let data = key.as_ptr().cast_mut().cast();
        openssl_sys::SSL_CTX_ctrl(context.as_ptr(), SSL_CTRL_SET_TLSEXT_TICKET_KEYS, TICKET_KEY as libc::c_long, data)
            == 1
    }
}

/// How long a session may be resumed.
pub(crate) fn set_session_lifetime(context: &mut SslContextBuilder, lifetime: Duration) {
    let seconds = libc::c_long::try_from(lifetime.as_secs()).unwrap_or(libc::c_long::MAX);
    // SAFETY: sets a number.
    unsafe { SSL_CTX_set_timeout(context.as_ptr(), seconds) };
}

/// Attaches bytes to the session in the making; they travel in its ticket and come back with a resumption.
pub(crate) fn tag_session(ssl: &SslRef, tag: &[u8]) -> bool {
    // SAFETY: the session is owned by `ssl`, which lives on this thread only; OpenSSL copies the bytes.
    unsafe {
        let session = openssl_sys::SSL_get_session(ssl.as_ptr());
        !session.is_null() && SSL_SESSION_set1_ticket_appdata(session, tag.as_ptr().cast(), tag.len()) == 1
    }
}

/// The bytes that were attached to the session.
pub(crate) fn session_tag(ssl: &SslRef) -> Option<Vec<u8>> {
    // SAFETY: the bytes belong to the session, which `ssl` keeps alive while they are copied.
    unsafe {
        let session = openssl_sys::SSL_get_session(ssl.as_ptr());
        let (mut data, mut len) = (std::ptr::null_mut(), 0);
        if session.is_null() || SSL_SESSION_get0_ticket_appdata(session, &mut data, &mut len) != 1 || data.is_null() {
            return None;
        }
        Some(std::slice::from_raw_parts(data.cast::<u8>(), len).to_vec())
    }
}

/// A reason of ours for refusing a certificate, by OpenSSL's number.
pub(crate) fn verify_result(number: libc::c_int) -> X509VerifyResult {
    // SAFETY: the type holds any number; OpenSSL looks it up in a table and has words for unknown ones.
    unsafe { X509VerifyResult::from_raw(number) }
}

fn timer_index() -> Result<Index<Ssl, Duration>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Duration>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let index = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| index))
}

/// Sets the first retransmission timer; it doubles with each repetition, up to 60 s (RFC 6347 §4.2.4.1).
pub(crate) fn set_first_timer(ssl: &mut SslRef, first: Duration) -> Result<(), ErrorStack> {
    ssl.set_ex_data(timer_index()?, first);
    // SAFETY: the callback is a function of this program without captured state.
    unsafe { DTLS_set_timer_cb(ssl.as_ptr(), next_timer) };
    Ok(())
}

/// OpenSSL asks for the timer that follows one of `before` microseconds; 0 for the first.
extern "C" fn next_timer(ssl: *mut openssl_sys::SSL, before: libc::c_uint) -> libc::c_uint {
    const LONGEST: libc::c_uint = 60_000_000;
    if before > 0 {
        return before.saturating_mul(2).min(LONGEST);
    }
    // SAFETY: OpenSSL hands in the live object whose timer it arms.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    let first = timer_index().ok().and_then(|index| ssl.ex_data(index).copied()).unwrap_or(Duration::from_secs(1));
    libc::c_uint::try_from(first.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST)
}

/// Where OpenSSL finds sessions by their id; `lookup` yields them as DER.
pub(crate) fn set_session_lookup(
    context: &mut SslContextBuilder,
    lookup: impl Fn(&[u8]) -> Option<Box<[u8]>> + Send + Sync + 'static,
) {
    // SAFETY: the contract is that a session is not shared between contexts; each is made anew from its bytes here.
    unsafe {
        context.set_get_session_callback(move |_, id| lookup(id).and_then(|der| SslSession::from_der(&der).ok()));
    }
}
