//! The key that everything in the vault is encrypted with, and its file.
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

const KEY: usize = 32;
const NONCE: usize = 12;
const TAG: usize = 16;
/// First byte of every sealed record.
const LAYOUT: u8 = 1;

/// AES-256-GCM with a random nonce for each record; the record's key in the store is authenticated with it, so that records cannot be exchanged.
#[derive(Clone)]
pub(crate) struct Key([u8; KEY]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(secret)")
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

impl Key {
    /// Reads the key file (64 hex digits), or makes one that only its owner can read.
    pub(crate) fn open(path: &Path) -> io::Result<Key> {
        match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path)?.permissions().mode() & 0o077;
                if mode != 0 {
                    log::warn!(file:% = path.display(); "others than its owner may use the key file: its mode should be 0600");
                }
                Key::parse(text.trim_end()).ok_or_else(|| {
                    io::Error::other("holds no key of 64 hex digits; remove it, and devices will shake hands again")
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Key::create(path),
            Err(error) => Err(error),
        }
    }

    fn create(path: &Path) -> io::Result<Key> {
        let mut key = [0; KEY];
        openssl::rand::rand_priv_bytes(&mut key)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(file, "{text}")?;
        file.sync_all()?;
        // The name must be as safe as the content.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(Key(key))
    }

    fn parse(text: &str) -> Option<Key> {
        let digits = text.as_bytes();
        if digits.len() != 2 * KEY {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut key = [0; KEY];
        for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Key(key))
    }

    /// Encrypts; `None` only where OpenSSL has no randomness or no memory.
    pub(super) fn seal(&self, record: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
        let (mut nonce, mut tag) = ([0; NONCE], [0; TAG]);
        openssl::rand::rand_bytes(&mut nonce).ok()?;
        let sealed = encrypt_aead(Cipher::aes_256_gcm(), &self.0, Some(&nonce), record, plaintext, &mut tag).ok()?;
        let mut out = Vec::with_capacity(1 + NONCE + TAG + sealed.len());
        out.push(LAYOUT);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&tag);
        out.extend_from_slice(&sealed);
        Some(out)
    }

    /// Decrypts; `None` for what was not sealed with this key under this record's name.
    pub(super) fn unseal(&self, record: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (layout, rest) = sealed.split_first()?;
        let (nonce, rest) = rest.split_at_checked(NONCE)?;
        let (tag, ciphertext) = rest.split_at_checked(TAG)?;
        if *layout != LAYOUT {
            return None;
        }
        decrypt_aead(Cipher::aes_256_gcm(), &self.0, Some(nonce), record, ciphertext, tag).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_new_key_file_is_for_its_owner_alone_and_is_read_again() {
        let folder = folder();
        let path = folder.path().join("dtls.key");
        let key = Key::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let sealed = key.seal(b"record", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(Key::open(&path).unwrap().unseal(b"record", &sealed).unwrap(), b"secret");
        assert_eq!(format!("{key:?}"), "Key(secret)");
    }

    #[test]
    fn what_was_bent_moved_or_sealed_with_another_key_is_refused() {
        let folder = folder();
        let key = Key::open(&folder.path().join("one")).unwrap();
        let other = Key::open(&folder.path().join("two")).unwrap();
        let sealed = key.seal(b"record", b"secret").unwrap();
        assert_eq!(key.unseal(b"another", &sealed), None);
        assert_eq!(other.unseal(b"record", &sealed), None);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(key.unseal(b"record", &bent), None, "byte {at}");
            assert_eq!(key.unseal(b"record", &sealed[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_an_error_and_left_alone() {
        let folder = folder();
        let path = folder.path().join("dtls.key");
        for text in ["", "00", "no hex at all", &"0g".repeat(32)] {
            fs::write(&path, text).unwrap();
            assert!(Key::open(&path).unwrap_err().to_string().contains("64 hex digits"));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, "ab".repeat(32)).unwrap();
        assert_eq!(Key::open(&path).unwrap().0, [0xab; 32]);
    }
}
