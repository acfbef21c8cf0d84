//! The calls that the `openssl` crate does not wrap. All unsafe code of the gateway stands here; each function is safe for every
//! argument that its types admit, for the reason given beside it.
#![allow(unsafe_code, reason = "the one reviewed module with foreign calls")]

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::pkey::{PKey, Public};
use openssl::ssl::{SslContextBuilder, SslRef};
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
    fn EVP_PKEY_up_ref(key: *mut openssl_sys::EVP_PKEY) -> libc::c_int;
}

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
