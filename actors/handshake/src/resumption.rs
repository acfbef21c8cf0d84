//! Abbreviated handshakes: the key of session tickets, and sessions of clients that know only session ids (RFC 5246 §7.4.1.2).
use crate::ffi;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslSession, SslSessionCacheMode};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a session can be resumed (RFC 5246 §F.1.4 advises a day at the most).
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Sessions kept for clients without tickets; the oldest goes first.
const SESSIONS_MAX: usize = 100_000;

/// Outlives reloads of the credentials; what must outlive the process is stored.
pub(crate) struct Resumption {
    key: [u8; ffi::TICKET_KEY],
    sessions: Arc<Mutex<Sessions>>,
}

/// Sessions by their id, as DER; secret.
#[derive(Default)]
struct Sessions {
    by_id: HashMap<Box<[u8]>, Box<[u8]>>,
    order: VecDeque<Box<[u8]>>,
    /// What changed since somebody asked last; only where somebody asks.
    fresh: Option<Vec<SessionChange>>,
}

/// A session to be stored or forgotten; secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SessionChange {
    /// Id and content.
    Made(Box<[u8]>, Box<[u8]>),
    /// Its id.
    Dropped(Box<[u8]>),
}

impl Resumption {
    pub(crate) fn new() -> Result<Resumption, ErrorStack> {
        let mut key = [0; ffi::TICKET_KEY];
        openssl::rand::rand_priv_bytes(&mut key)?;
        Ok(Resumption { key, sessions: Arc::default() })
    }

    /// From now on changes are remembered until they are taken.
    pub(crate) fn keep(&self) {
        lock(&self.sessions).fresh.get_or_insert_default();
    }

    /// The ticket key; secret.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Takes up the key of before a restart.
    pub(crate) fn set_key(&mut self, key: &[u8]) -> bool {
        let fits = <[u8; ffi::TICKET_KEY]>::try_from(key).map(|key| self.key = key);
        fits.is_ok()
    }

    /// Takes up a session of before a restart; false when it is none or too old.
    pub(crate) fn restore(&self, id: &[u8], der: &[u8], unix: u64) -> bool {
        let Ok(session) = SslSession::from_der(der) else { return false };
        let ends = session.time().saturating_add(session.timeout());
        let alive = ends > i64::try_from(unix).unwrap_or(i64::MAX) && session.id() == id;
        if alive {
            lock(&self.sessions).insert(id, der);
        }
        alive
    }

    /// Sessions made or dropped since the last call.
    pub(crate) fn take_changes(&self) -> Vec<SessionChange> {
        lock(&self.sessions).fresh.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn set(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        context.set_session_id_context(b"lwm2m")?;
        if !ffi::set_ticket_key(context, &self.key) {
            return Err(ErrorStack::get());
        }
        ffi::set_session_lifetime(context, LIFETIME);
        // OpenSSL's own cache would be lost with every reload.
        context.set_session_cache_mode(SslSessionCacheMode::SERVER | SslSessionCacheMode::NO_INTERNAL);
        let sessions = self.sessions.clone();
        context.set_new_session_callback(move |_, session| {
            if let Ok(der) = session.to_der() {
                lock(&sessions).make(session.id(), &der);
            }
        });
        let sessions = self.sessions.clone();
        ffi::set_session_lookup(context, move |id| lock(&sessions).by_id.get(id).cloned());
        Ok(())
    }
}

impl Drop for Resumption {
    fn drop(&mut self) {
        self.key.fill(0);
        std::hint::black_box(&self.key);
    }
}

impl Sessions {
    fn insert(&mut self, id: &[u8], der: &[u8]) {
        if id.is_empty() || self.by_id.insert(id.into(), der.into()).is_some() {
            return;
        }
        self.order.push_back(id.into());
    }

    fn make(&mut self, id: &[u8], der: &[u8]) {
        if id.is_empty() {
            return;
        }
        self.insert(id, der);
        self.note(SessionChange::Made(id.into(), der.into()));
        while self.order.len() > SESSIONS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.by_id.remove(&oldest);
                self.note(SessionChange::Dropped(oldest));
            }
        }
    }

    fn note(&mut self, change: SessionChange) {
        if let Some(fresh) = &mut self.fresh {
            fresh.push(change);
        }
    }
}

fn lock(sessions: &Mutex<Sessions>) -> MutexGuard<'_, Sessions> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
