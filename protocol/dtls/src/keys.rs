//! The key block (RFC 5246 §6.3).
use crate::prf::prf_sha256;
use openssl::error::ErrorStack;
use serde::{Deserialize, Serialize};

/// Write keys of both sides; AEAD suites have no MAC keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyBlock {
    pub(crate) client_key: [u8; 16],
    pub(crate) server_key: [u8; 16],
    pub(crate) client_salt: [u8; 4],
    pub(crate) server_salt: [u8; 4],
}

impl KeyBlock {
    /// Expands the master secret with both randoms.
    pub fn derive(
        master: &[u8; 48],
        client_random: &[u8; 32],
        server_random: &[u8; 32],
    ) -> Result<KeyBlock, ErrorStack> {
        let mut block = [0u8; 40];
        prf_sha256(master, b"key expansion", &[server_random, client_random], &mut block)?;
        let mut keys = KeyBlock { client_key: [0; 16], server_key: [0; 16], client_salt: [0; 4], server_salt: [0; 4] };
        keys.client_key.copy_from_slice(&block[..16]);
        keys.server_key.copy_from_slice(&block[16..32]);
        keys.client_salt.copy_from_slice(&block[32..36]);
        keys.server_salt.copy_from_slice(&block[36..]);
        block.fill(0);
        Ok(keys)
    }

    /// The same keys seen from the other end; for a client's record layer.
    pub fn mirrored(&self) -> KeyBlock {
        KeyBlock {
            client_key: self.server_key,
            server_key: self.client_key,
            client_salt: self.server_salt,
            server_salt: self.client_salt,
        }
    }
}

impl Drop for KeyBlock {
    /// Overwrites the keys, so that a freed association does not leave them in memory longer than needed.
    fn drop(&mut self) {
        self.client_key.fill(0);
        self.server_key.fill(0);
        std::hint::black_box((&self.client_key, &self.server_key));
    }
}

impl std::fmt::Debug for KeyBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyBlock(secret)")
    }
}
