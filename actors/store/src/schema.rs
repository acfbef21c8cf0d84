//! The number of the records' shape, and what happens with files of another.
use crate::OpenError;
use fjall::Keyspace;
use std::path::Path;

/// Shape of the records that this version writes. A change that an older version could not read raises it and adds a migration.
pub const SCHEMA: u32 = 1;

const KEY: &[u8] = b"schema";

/// A folder with files in it that no store made is left alone.
pub(crate) fn check_folder(path: &Path) -> Result<(), OpenError> {
    let io = |error| OpenError::Io { path: path.into(), error };
    let mut empty = true;
    let mut ours = false;
    for entry in std::fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        // Keys of the DTLS store live beside it.
        if name.to_string_lossy().ends_with(".key") {
            continue;
        }
        empty = false;
        ours |= name == "keyspaces" || name == "version" || name == "lock";
    }
    if empty || ours {
        return Ok(());
    }
    Err(OpenError::Foreign { path: path.into(), cause: "the folder holds other files".into() })
}

/// Stamps a new store; refuses a newer one.
pub(crate) fn check_version(path: &Path, meta: &Keyspace) -> Result<(), OpenError> {
    let foreign = |cause: String| OpenError::Foreign { path: path.into(), cause };
    let stamp = meta.get(KEY).map_err(|error| foreign(error.to_string()))?;
    match stamp {
        None => meta.insert(KEY, SCHEMA.to_be_bytes()).map_err(|error| foreign(error.to_string())),
        Some(bytes) => {
            let found = <[u8; 4]>::try_from(&*bytes).map(u32::from_be_bytes);
            match found {
                Ok(found) if found > SCHEMA => Err(OpenError::Newer { path: path.into(), found }),
                Ok(SCHEMA) => Ok(()),
                Ok(found) => Err(foreign(format!("schema {found} has no way to {SCHEMA}"))),
                Err(_) => Err(foreign("schema number is damaged".into())),
            }
        }
    }
}
