//! Bounds on the memory that all peers take together: unfinished bodies, and answers that are remembered for repetitions.
//!
//! The bytes of bodies live here and not with their transfers: when the budget is used up, the body that rested longest is thrown away at once, whichever
//! peer it belongs to, and its transfer finds out when it goes on.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number of bytes that many peers draw on for unfinished bodies, and a quarter as much for what they remember of messages seen lately.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Mutex<Pool>,
    /// Bytes that the de-duplication of all peers takes.
    remembered: AtomicUsize,
    remembered_max: AtomicUsize,
}

/// All unfinished bodies.
#[derive(Debug)]
struct Pool {
    limit: usize,
    used: usize,
    last_turn: u64,
    /// By the turn of their last block: the first one rested longest.
    bodies: BTreeMap<u64, Vec<u8>>,
}

impl Budget {
    /// At most `limit` bytes together.
    pub fn new(limit: usize) -> Budget {
        Budget(Arc::new(Shared {
            pool: Mutex::new(Pool { limit, used: 0, last_turn: 0, bodies: BTreeMap::new() }),
            remembered: AtomicUsize::new(0),
            remembered_max: AtomicUsize::new(limit / 4),
        }))
    }
    /// Bytes in use now.
    pub fn used(&self) -> usize {
        self.pool().used
    }
    /// How many there may be.
    pub fn limit(&self) -> usize {
        self.pool().limit
    }
    /// Another limit from now on; what is too much then goes at once.
    pub fn set_limit(&self, limit: usize) {
        let mut pool = self.pool();
        pool.limit = limit;
        pool.make_room(0);
        self.0.remembered_max.store(limit / 4, Ordering::Relaxed);
    }
    /// Bytes that peers remember for repetitions now.
    pub fn remembered(&self) -> usize {
        self.0.remembered.load(Ordering::Relaxed)
    }
    /// Peers remember more than they may: each is to keep only its latest messages.
    pub(crate) fn is_forgetful(&self) -> bool {
        self.remembered() > self.0.remembered_max.load(Ordering::Relaxed)
    }
    /// A peer that remembered `before` bytes now remembers `after`.
    pub(crate) fn remember(&self, before: u32, after: u32) {
        // Wraps where it falls; the sum of all peers is never negative.
        let change = (after as usize).wrapping_sub(before as usize);
        if change != 0 {
            self.0.remembered.fetch_add(change, Ordering::Relaxed);
        }
    }
    /// A body of nothing yet.
    pub(crate) fn open(&self) -> Body {
        Body { budget: self.clone(), turn: None, length: 0 }
    }

    /// A panic in another thread leaves the pool as it was before the call that panicked, or with less room than there is.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.0.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Budget {
    /// 256 MiB.
    fn default() -> Self {
        Budget::new(256 << 20)
    }
}

impl Pool {
    /// Throws away what rested longest until `bytes` more fit.
    fn make_room(&mut self, bytes: usize) {
        while self.used.saturating_add(bytes) > self.limit
            && let Some((_, body)) = self.bodies.pop_first()
        {
            self.used -= body.len();
        }
    }
    fn take(&mut self, turn: u64) -> Option<Vec<u8>> {
        let body = self.bodies.remove(&turn)?;
        self.used -= body.len();
        Some(body)
    }
    fn put(&mut self, body: Vec<u8>) -> u64 {
        self.used += body.len();
        self.last_turn += 1;
        self.bodies.insert(self.last_turn, body);
        self.last_turn
    }
}

/// The memory that the [`Budget`] allows is used up, by this body alone or by others that went on more recently.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many unfinished bodies")]
pub(crate) struct Exhausted;

/// An unfinished body; its bytes are given back when dropped.
#[derive(Debug)]
pub(crate) struct Body {
    budget: Budget,
    /// Where the pool has it; `None`: it has no bytes.
    turn: Option<u64>,
    /// Length, whether the pool still has the bytes or not.
    length: usize,
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Adds a block, at the expense of bodies that rested longer.
    pub(crate) fn append(&mut self, block: &[u8]) -> Result<(), Exhausted> {
        let mut pool = self.budget.pool();
        let mut bytes = match self.turn.take() {
            None if self.length > 0 => return Err(Exhausted),
            None => Vec::new(),
            Some(turn) => pool.take(turn).ok_or(Exhausted)?,
        };
        let grown = bytes.len() + block.len();
        if grown > pool.limit {
            return Err(Exhausted);
        }
        pool.make_room(grown);
        bytes.extend_from_slice(block);
        (self.turn, self.length) = (Some(pool.put(bytes)), grown);
        Ok(())
    }

    /// It ends with these bytes, which begin at `offset`.
    pub(crate) fn ends_with(&self, offset: usize, bytes: &[u8]) -> bool {
        let pool = self.budget.pool();
        let body = self.turn.and_then(|turn| pool.bodies.get(&turn));
        body.and_then(|body| body.get(offset..)) == Some(bytes)
    }

    /// All of it; `None` if it was thrown away.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        self.take()
    }

    /// Once more from the beginning.
    pub(crate) fn clear(&mut self) {
        self.take();
    }

    /// Takes the bytes out of the pool.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        self.length = 0;
        match self.turn.take() {
            None => Some(Vec::new()),
            Some(turn) => self.budget.pool().take(turn),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.clear();
    }
}
