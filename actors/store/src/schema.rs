//! The number of the records' shape, and what happens with files of another.
use crate::{Batch, Files, OpenError, Part};
use fjall::{Keyspace, PersistMode};
use std::path::Path;

/// Shape of the records that this version writes. A change that an older version could not read raises it and adds a [`Step`].
pub const SCHEMA: u32 = 1;

/// From each shape to the next; the last one leads to [`SCHEMA`].
const STEPS: &[Step] = &[];

/// One step of a migration: called with each record of the older shape, it adds what has to change.
pub type Step = fn(part: Part, key: &[u8], value: &[u8], changes: &mut Batch);

/// A shape, and the way to it from older ones.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The shape that is written.
    pub number: u32,
    /// The way to it: the last step comes from `number - 1`. A store older than the first one is refused.
    pub steps: &'static [Step],
}

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

/// The number that a store bears; `None` for a new one.
pub(crate) fn version(path: &Path, meta: &Keyspace) -> Result<Option<u32>, OpenError> {
    let foreign = |cause: String| OpenError::Foreign { path: path.into(), cause };
    let Some(stamp) = meta.get(KEY).map_err(|error| foreign(error.to_string()))? else { return Ok(None) };
    match <[u8; 4]>::try_from(&*stamp) {
        Ok(bytes) => Ok(Some(u32::from_be_bytes(bytes))),
        Err(_) => Err(foreign("schema number is damaged".into())),
    }
}

impl Schema {
    /// What this version reads and writes.
    pub const CURRENT: Schema = Schema { number: SCHEMA, steps: STEPS };

    /// The oldest shape that has a way to this one.
    fn oldest(self) -> u32 {
        self.number.saturating_sub(u32::try_from(self.steps.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn check(self, path: &Path, found: Option<u32>) -> Result<(), OpenError> {
        match found {
            Some(found) if found > self.number => {
                Err(OpenError::Newer { path: path.into(), found, known: self.number })
            }
            Some(found) if found < self.oldest() => {
                let cause = format!("schema {found} has no way to {}", self.number);
                Err(OpenError::Foreign { path: path.into(), cause })
            }
            _ => Ok(()),
        }
    }

    /// Goes the steps that are left, each with its new number in one batch: a process killed meanwhile goes on where it was.
    pub(crate) fn migrate(self, found: Option<u32>, files: &Files, meta: &Keyspace) -> Result<(), fjall::Error> {
        let Some(found) = found else { return meta.insert(KEY, self.number.to_be_bytes()) };
        for (step, from) in self.steps.iter().zip(self.oldest()..).filter(|(_, from)| *from >= found) {
            let mut changes = Batch::new();
            for part in Part::ALL {
                for guard in files.part(part).iter() {
                    let (key, value) = guard.into_inner()?;
                    step(part, &key, &value, &mut changes);
                }
            }
            let mut batch = files.batch_of(changes).durability(Some(PersistMode::SyncAll));
            batch.insert(meta, KEY, (from + 1).to_be_bytes());
            batch.commit()?;
        }
        Ok(())
    }
}
