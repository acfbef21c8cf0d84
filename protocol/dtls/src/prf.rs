//! The pseudorandom function of TLS 1.2 with SHA-256 (RFC 5246 §5).
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;

/// Fills `out` with P_SHA256(secret, label ‖ seed).
pub fn prf_sha256(secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) -> Result<(), ErrorStack> {
    let key = PKey::hmac(secret)?;
    let mut labelled = label.to_vec();
    seed.iter().for_each(|part| labelled.extend_from_slice(part));
    let mut a = hmac(&key, &[&labelled])?;
    for chunk in out.chunks_mut(32) {
        let block = hmac(&key, &[&a, &labelled])?;
        chunk.copy_from_slice(&block[..chunk.len()]);
        a = hmac(&key, &[&a])?;
    }
    Ok(())
}

fn hmac(key: &PKey<Private>, parts: &[&[u8]]) -> Result<Vec<u8>, ErrorStack> {
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    parts.iter().try_for_each(|part| signer.update(part))?;
    signer.sign_to_vec()
}
