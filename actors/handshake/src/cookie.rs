//! Cookies of the stateless exchange (RFC 6347 §4.2.1): an HMAC over the client's address with a secret that changes.
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a secret makes cookies; it verifies them for as long again.
const ROTATION: Duration = Duration::from_secs(300);

/// The secrets, and the address whose ClientHello is being looked at.
#[derive(Debug)]
pub(crate) struct Cookies {
    state: Mutex<State>,
}

struct State {
    current: [u8; 32],
    previous: [u8; 32],
    since: Instant,
    peer: Option<SocketAddr>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State(secret)")
    }
}

impl Cookies {
    pub(crate) fn new(now: Instant) -> Result<Cookies, ErrorStack> {
        let (current, previous) = (random()?, random()?);
        Ok(Cookies { state: Mutex::new(State { current, previous, since: now, peer: None }) })
    }

    /// Names the client whose ClientHello OpenSSL looks at next, and changes the secret when it is due.
    pub(crate) fn look_at(&self, now: Instant, peer: SocketAddr) {
        let mut state = self.lock();
        state.peer = Some(peer);
        if now.saturating_duration_since(state.since) >= ROTATION
            && let Ok(fresh) = random()
        {
            state.previous = std::mem::replace(&mut state.current, fresh);
            state.since = now;
        }
    }

    /// The cookie for the client looked at.
    pub(crate) fn make(&self) -> Option<Vec<u8>> {
        let state = self.lock();
        mac(&state.current, state.peer?).ok()
    }

    /// Whether the cookie was made for the client looked at.
    pub(crate) fn verify(&self, cookie: &[u8]) -> bool {
        let state = self.lock();
        let Some(peer) = state.peer else { return false };
        [&state.current, &state.previous].into_iter().any(|secret| {
            mac(secret, peer).is_ok_and(|made| made.len() == cookie.len() && openssl::memcmp::eq(&made, cookie))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn random() -> Result<[u8; 32], ErrorStack> {
    let mut bytes = [0; 32];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes)
}

fn mac(secret: &[u8; 32], peer: SocketAddr) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(secret)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    match peer.ip() {
        IpAddr::V4(ip) => signer.update(&ip.octets())?,
        IpAddr::V6(ip) => signer.update(&ip.octets())?,
    }
    signer.update(&peer.port().to_be_bytes())?;
    signer.sign_to_vec()
}
