//! What must survive a restart, as byte records in order of their keys.
//!
//! A write has reached the operating system when [`Store::write`] returns: a killed process loses nothing. Against power loss the
//! journal is synced every 50 ms ([`Durability::Group`]) or before each return ([`Durability::Each`]). The records of one
//! [`Batch`] are kept together or not at all. What the bytes mean is the business of the caller; their shape is numbered by
//! [`SCHEMA`], and a store of another number is migrated or refused, never emptied.
#![forbid(unsafe_code)]

mod disk;
mod schema;
mod sync;

pub use disk::free_bytes;
pub use schema::{SCHEMA, Schema, Step};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Bytes of a part's newest records that are kept in memory.
const MEMTABLE: u64 = 8 << 20;

/// When a write is safe from power loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// Within 50 ms.
    #[default]
    Group,
    /// When [`Store::write`] returns.
    Each,
}

/// The kinds of records; each has its own order and its own file set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Part {
    Registrations,
    Observations,
    Commands,
    Outbox,
    Associations,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 5] =
        [Part::Registrations, Part::Observations, Part::Commands, Part::Outbox, Part::Associations];

    fn name(self) -> &'static str {
        match self {
            Part::Registrations => "registrations",
            Part::Observations => "observations",
            Part::Commands => "commands",
            Part::Outbox => "outbox",
            Part::Associations => "associations",
        }
    }
}

/// Why a store cannot be opened. None of these changes anything on disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0}: in use by another process")]
    Locked(PathBuf),
    /// Files that this program did not write, or damaged ones.
    #[error("{path}: not a store of this gateway, or damaged: {cause}; move it away to start anew")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// In words.
        cause: String,
    },
    /// Written by a newer version.
    #[error("{path}: written by a newer version (schema {found}, this one knows {known})")]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its number.
        found: u32,
        /// The number of this version.
        known: u32,
    },
    /// The folder cannot be created or read.
    #[error("{path}: {error}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
}

/// Why a batch was not kept. The store tries to recover by itself; [`Store::is_healthy`] tells.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WriteError {
    /// Less than the reserve is free on the disk.
    #[error("disk full")]
    Full,
    /// The disk failed; the store is being reopened.
    #[error("store failed: {0}")]
    Failed(String),
}

/// Changes that are kept together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<(Part, Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Nothing yet.
    pub fn new() -> Batch {
        Batch::default()
    }
    /// Writes a record, over an older one of the same key.
    pub fn put(&mut self, part: Part, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Batch {
        self.changes.push((part, key.into(), Some(value.into())));
        self
    }
    /// Removes a record if it is there.
    pub fn remove(&mut self, part: Part, key: impl Into<Vec<u8>>) -> &mut Batch {
        self.changes.push((part, key.into(), None));
        self
    }
    /// Takes in the changes of another one, after its own.
    pub fn append(&mut self, other: Batch) -> &mut Batch {
        self.changes.extend(other.changes);
        self
    }
    /// Nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Settings of a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When a write is safe from power loss.
    pub durability: Durability,
    /// Free bytes on the disk below which nothing is written any more.
    pub reserve: u64,
    /// Shape of the records.
    pub schema: Schema,
}

impl Default for Options {
    fn default() -> Self {
        Options { durability: Durability::Group, reserve: 64 << 20, schema: Schema::CURRENT }
    }
}

/// An open store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    options: Options,
    /// `None` while the files are being reopened after a failure.
    files: RwLock<Option<Files>>,
    /// Written to since the last sync.
    dirty: AtomicBool,
    full: AtomicBool,
    stopping: AtomicBool,
    commits: AtomicU64,
    syncs: AtomicU64,
}

#[derive(Clone)]
struct Files {
    database: Database,
    parts: [Keyspace; Part::ALL.len()],
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.inner.path.display())
    }
}

impl Store {
    /// Opens or creates the store in a folder, migrating an older schema, and starts its sync thread.
    pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
        std::fs::create_dir_all(path).map_err(|error| OpenError::Io { path: path.into(), error })?;
        let files = open_files(path, options.schema)?;
        let inner = Inner {
            path: path.into(),
            options,
            files: RwLock::new(Some(files)),
            dirty: AtomicBool::new(false),
            full: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        };
        let inner = Arc::new(inner);
        inner.look_at_disk();
        sync::start(Arc::downgrade(&inner)).map_err(|error| OpenError::Io { path: path.into(), error })?;
        Ok(Store { inner })
    }

    /// Looks for what [`Store::open`] would refuse, without touching anything; what only an opened store tells, it cannot see.
    pub fn check(path: &Path) -> Result<(), OpenError> {
        match path.exists() {
            true => schema::check_folder(path),
            false => Ok(()),
        }
    }

    /// Keeps a batch, all of it or nothing.
    pub fn write(&self, batch: Batch) -> Result<(), WriteError> {
        if batch.is_empty() {
            return Ok(());
        }
        // Removals are taken even when the disk is nearly full: they are the way out.
        let grows = batch.changes.iter().any(|(_, _, value)| value.is_some());
        if grows && self.inner.full.load(Ordering::Relaxed) {
            return Err(WriteError::Full);
        }
        let files = self.inner.files().ok_or_else(|| WriteError::Failed("being reopened".into()))?;
        let mut write = files.batch_of(batch);
        if self.inner.options.durability == Durability::Each {
            write = write.durability(Some(PersistMode::SyncAll));
        }
        match write.commit() {
            Ok(()) => {
                self.inner.commits.fetch_add(1, Ordering::Relaxed);
                self.inner.dirty.store(true, Ordering::Release);
                Ok(())
            }
            Err(error) => Err(self.inner.failed(&error)),
        }
    }

    /// All records of a part whose key begins with `prefix`, in the order of their keys. `visit` returns false to stop.
    pub fn scan(
        &self,
        part: Part,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), WriteError> {
        let files = self.inner.files().ok_or_else(|| WriteError::Failed("being reopened".into()))?;
        for guard in files.part(part).prefix(prefix) {
            let (key, value) = guard.into_inner().map_err(|error| WriteError::Failed(error.to_string()))?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    /// The records of a part from this key on, in the order of their keys. `visit` returns false to stop.
    pub fn scan_from(
        &self,
        part: Part,
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), WriteError> {
        let files = self.inner.files().ok_or_else(|| WriteError::Failed("being reopened".into()))?;
        for guard in files.part(part).range(from..) {
            let (key, value) = guard.into_inner().map_err(|error| WriteError::Failed(error.to_string()))?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    /// The last key of a part.
    pub fn last_key(&self, part: Part) -> Result<Option<Vec<u8>>, WriteError> {
        let files = self.inner.files().ok_or_else(|| WriteError::Failed("being reopened".into()))?;
        let last = files.part(part).last_key_value().map(fjall::Guard::key).transpose();
        last.map(|key| key.map(|key| key.to_vec())).map_err(|error| WriteError::Failed(error.to_string()))
    }

    /// One record.
    pub fn get(&self, part: Part, key: &[u8]) -> Result<Option<Vec<u8>>, WriteError> {
        let files = self.inner.files().ok_or_else(|| WriteError::Failed("being reopened".into()))?;
        let value = files.part(part).get(key).map_err(|error| WriteError::Failed(error.to_string()))?;
        Ok(value.map(|value| value.to_vec()))
    }

    /// Makes everything written so far safe from power loss.
    pub fn sync(&self) -> Result<(), WriteError> {
        self.inner.sync()
    }

    /// Writes are taken.
    pub fn is_healthy(&self) -> bool {
        !self.inner.full.load(Ordering::Relaxed) && self.inner.files().is_some()
    }

    /// Batches written and syncs made since the start.
    pub fn counts(&self) -> (u64, u64) {
        (self.inner.commits.load(Ordering::Relaxed), self.inner.syncs.load(Ordering::Relaxed))
    }
}

impl Files {
    fn batch_of(&self, batch: Batch) -> fjall::OwnedWriteBatch {
        let mut write = self.database.batch();
        for (part, key, value) in batch.changes {
            let keyspace = self.part(part);
            match value {
                Some(value) => write.insert(keyspace, key, value),
                None => write.remove(keyspace, key),
            }
        }
        write
    }

    fn part(&self, part: Part) -> &Keyspace {
        &self.parts[part as usize]
    }
}

impl Inner {
    fn files(&self) -> Option<Files> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn sync(&self) -> Result<(), WriteError> {
        let Some(files) = self.files() else { return Err(WriteError::Failed("being reopened".into())) };
        self.dirty.store(false, Ordering::Release);
        files.database.persist(PersistMode::SyncAll).map_err(|error| self.failed(&error))?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// After a failed write nothing more is written to these files: they are closed, and reopened by the sync thread.
    fn failed(&self, error: &fjall::Error) -> WriteError {
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = None;
        match error {
            fjall::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => {
                self.full.store(true, Ordering::Relaxed);
                WriteError::Full
            }
            other => WriteError::Failed(other.to_string()),
        }
    }

    fn look_at_disk(&self) {
        if let Some(free) = disk::free_bytes(&self.path) {
            self.full.store(free < self.options.reserve, Ordering::Relaxed);
        }
    }

    /// One round of the sync thread.
    fn tend(&self, last_look: &mut Instant) {
        if last_look.elapsed() >= Duration::from_secs(1) {
            *last_look = Instant::now();
            self.look_at_disk();
            if self.files().is_none()
                && let Ok(files) = open_files(&self.path, self.options.schema)
            {
                *self.files.write().unwrap_or_else(PoisonError::into_inner) = Some(files);
            }
        }
        if self.options.durability == Durability::Group && self.dirty.load(Ordering::Acquire) {
            // A failure is remembered in `files`; the next writer and `is_healthy` tell it.
            let _ = self.sync();
        }
    }
}

fn open_files(path: &Path, schema: Schema) -> Result<Files, OpenError> {
    let foreign = |cause: String| OpenError::Foreign { path: path.into(), cause };
    schema::check_folder(path)?;
    let database =
        Database::builder(path).cache_size(8 << 20).worker_threads(1).open().map_err(|error| match error {
            fjall::Error::Locked => OpenError::Locked(path.into()),
            fjall::Error::Io(error) => OpenError::Io { path: path.into(), error },
            other => foreign(other.to_string()),
        })?;
    // What a part holds in memory before it goes to a file of its own: records mostly live for less than that.
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
    let open = |name: &str| database.keyspace(name, options);
    let meta = open("meta").map_err(|error| foreign(error.to_string()))?;
    let found = schema::version(path, &meta)?;
    schema.check(path, found)?;
    let mut parts = Vec::with_capacity(Part::ALL.len());
    for part in Part::ALL {
        parts.push(open(part.name()).map_err(|error| foreign(error.to_string()))?);
    }
    let parts = parts.try_into().map_err(|_| foreign("parts missing".into()))?;
    let files = Files { database, parts };
    schema.migrate(found, &files, &meta).map_err(|error| foreign(error.to_string()))?;
    Ok(files)
}

impl Drop for Store {
    fn drop(&mut self) {
        // The sync thread holds only a weak reference; the last user syncs what it wrote.
        if Arc::strong_count(&self.inner) == 1 {
            self.inner.stopping.store(true, Ordering::Release);
            let _ = self.inner.sync();
        }
    }
}
