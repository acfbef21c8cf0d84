//! AES-128-CCM and -GCM by OpenSSL's cipher interface. One [`Aead`] serves all associations of a thread: it keeps no key.
use crate::Suite;
use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

/// A reusable cipher context.
#[derive(Debug)]
pub struct Aead {
    context: Context,
}

struct Context(CipherCtx);

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CipherCtx")
    }
}

impl Aead {
    /// Fails only where OpenSSL cannot allocate.
    pub fn new() -> Result<Aead, ErrorStack> {
        Ok(Aead { context: Context(CipherCtx::new()?) })
    }

    /// Appends ciphertext and tag to `out`.
    pub fn seal(
        &mut self,
        suite: Suite,
        key: &[u8; 16],
        nonce: &[u8; 12],
        additional: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ErrorStack> {
        let context = &mut self.context.0;
        context.encrypt_init(Some(cipher(suite)), None, None)?;
        context.set_iv_length(nonce.len())?;
        if suite != Suite::Gcm {
            context.set_tag_length(suite.tag_len())?;
        }
        context.encrypt_init(None, Some(key), Some(nonce))?;
        if suite != Suite::Gcm {
            context.set_data_len(plaintext.len())?;
        }
        context.cipher_update(additional, None)?;
        let start = out.len();
        // The room that `cipher_update` asks for: one block more than the input.
        out.resize(start + plaintext.len() + 16, 0);
        let written = context.cipher_update(plaintext, Some(&mut out[start..]))?;
        let mut end = start + written;
        if suite == Suite::Gcm {
            end += context.cipher_final(&mut out[end..])?;
        }
        out.truncate(end);
        let mut tag = [0u8; 16];
        let tag = &mut tag[..suite.tag_len()];
        context.tag(tag)?;
        out.extend_from_slice(tag);
        Ok(())
    }

    /// Writes the plaintext of `sealed` (ciphertext and tag) over `out`; false when the tag does not fit.
    pub fn open(
        &mut self,
        suite: Suite,
        key: &[u8; 16],
        nonce: &[u8; 12],
        additional: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let opened = self.try_open(suite, key, nonce, additional, sealed, out);
        if !matches!(opened, Ok(true)) {
            out.clear();
            return false;
        }
        true
    }

    fn try_open(
        &mut self,
        suite: Suite,
        key: &[u8; 16],
        nonce: &[u8; 12],
        additional: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, ErrorStack> {
        let Some(length) = sealed.len().checked_sub(suite.tag_len()) else { return Ok(false) };
        let (ciphertext, tag) = sealed.split_at(length);
        let context = &mut self.context.0;
        context.decrypt_init(Some(cipher(suite)), None, None)?;
        context.set_iv_length(nonce.len())?;
        if suite != Suite::Gcm {
            context.set_tag_length(suite.tag_len())?;
        }
        context.set_tag(tag)?;
        context.decrypt_init(None, Some(key), Some(nonce))?;
        if suite != Suite::Gcm {
            context.set_data_len(ciphertext.len())?;
        }
        context.cipher_update(additional, None)?;
        out.clear();
        out.resize(ciphertext.len() + 16, 0);
        // CCM verifies within this call and fails it; GCM verifies at the end.
        let written = context.cipher_update(ciphertext, Some(&mut out[..]))?;
        if suite == Suite::Gcm && context.cipher_final(&mut out[written..]).is_err() {
            return Ok(false);
        }
        out.truncate(written);
        Ok(written == ciphertext.len())
    }
}

fn cipher(suite: Suite) -> &'static CipherRef {
    match suite {
        Suite::Ccm8 | Suite::Ccm => Cipher::aes_128_ccm(),
        Suite::Gcm => Cipher::aes_128_gcm(),
    }
}
