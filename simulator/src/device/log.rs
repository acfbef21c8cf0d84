//! What a device saw and did, for tests to look at and wait for.

use crate::message::{Code, Kind, Message, option};
use crate::path::Path;
use crate::value::Value;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A request as it reached the device's objects: after de-duplication and, with Block1, with its whole body.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The last message of the request; its payload is the whole body.
    pub message: Message,
    /// Uri-Path with a leading slash, alternate path included.
    pub path: String,
}

impl Request {
    /// GET, PUT, …
    pub fn method(&self) -> Code {
        self.message.code
    }

    /// Uri-Query options.
    pub fn query(&self) -> Vec<String> {
        self.message.texts(option::URI_QUERY)
    }

    /// Accept option.
    pub fn accept(&self) -> Option<u32> {
        self.message.uint(option::ACCEPT)
    }

    /// Content-Format option.
    pub fn content_format(&self) -> Option<u32> {
        self.message.uint(option::CONTENT_FORMAT)
    }

    /// Observe option.
    pub fn observe(&self) -> Option<u32> {
        self.message.uint(option::OBSERVE)
    }

    /// The body.
    pub fn payload(&self) -> &[u8] {
        &self.message.payload
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A datagram came in and is a CoAP message.
    Received(Message),
    /// A datagram came in and is not.
    Undecodable(Vec<u8>),
    /// A datagram went out, retransmissions included.
    Sent(Message),
    /// A datagram came in while the device slept; nothing looked at it.
    MissedAsleep(Vec<u8>),
    /// A datagram with a message id seen before came in; earlier answers were repeated.
    Duplicate(u16),
    /// A request reached the objects.
    Request(Request),
    /// Registered at this location.
    Registered {
        /// Location-Path of the 2.01.
        location: String,
    },
    /// The update was accepted.
    Updated,
    /// The deregistration was accepted.
    Deregistered,
    /// Register, update or deregister was answered with an error.
    Refused(Code),
    /// Register, update, deregister or Send got no answer.
    Unanswered,
    /// A Write changed this resource.
    Written(Path, Value),
    /// Attributes were set: path and query.
    AttributesWritten(Path, Vec<String>),
    /// An Execute ran.
    Executed {
        /// The resource.
        path: Path,
        /// The arguments, empty if none.
        arguments: String,
    },
    /// An instance was created.
    Created(Path),
    /// An instance was deleted.
    Deleted(Path),
    /// An observation began.
    ObserveStarted {
        /// What is observed; several for a composite.
        paths: Vec<Path>,
        /// Its token.
        token: Vec<u8>,
    },
    /// An observation ended.
    ObserveEnded {
        /// Its token.
        token: Vec<u8>,
        /// Why.
        cause: EndCause,
    },
    /// A notification went out for the first time.
    Notified {
        /// Its token.
        token: Vec<u8>,
        /// Its message id.
        message_id: u16,
        /// Observe option.
        sequence: u32,
        /// CON or NON.
        kind: Kind,
    },
    /// A confirmable notification was acknowledged.
    NotificationAcknowledged {
        /// Its message id.
        message_id: u16,
    },
    /// The device went to sleep by itself or by [`super::Device::sleep`].
    Asleep,
    /// The device woke.
    Awake,
}

/// Why an observation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// GET or FETCH with Observe 1, or the observed thing was read again without Observe and with its token.
    Cancelled,
    /// A notification was answered with RST.
    Reset,
    /// A confirmable notification stayed without acknowledgement.
    Unacknowledged,
    /// The same request came with a new token, or another with the same one.
    Replaced,
    /// The observed thing was deleted.
    Gone,
    /// Reboot or a new registration.
    Forgotten,
}

/// What can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams given to the socket.
    pub sent: u64,
    /// Datagrams taken from the socket.
    pub received: u64,
    /// Retransmissions by this device.
    pub retransmissions: u64,
    /// Requests that came again with the same message id.
    pub duplicates: u64,
    /// Requests answered.
    pub requests: u64,
    /// Observations started.
    pub observations: u64,
    /// Notifications, retransmissions not counted.
    pub notifications: u64,
    /// Confirmable notifications acknowledged.
    pub acknowledged: u64,
    /// RST received.
    pub resets: u64,
    /// Datagrams swallowed by the lossy link, both directions.
    pub lost: u64,
    /// Datagrams that came while asleep.
    pub missed_asleep: u64,
}

/// Nothing matching happened in time; the text lists the last events.
#[derive(Debug, thiserror::Error)]
#[error("nothing matching within {waited:?}; last events:\n{last}")]
pub struct WaitError {
    /// How long.
    pub waited: Duration,
    /// The last events, one per line.
    pub last: String,
}

/// The events of a device in order, with their times; the oldest are forgotten beyond the capacity.
#[derive(Debug)]
pub struct Log {
    capacity: usize,
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    forgotten: usize,
    entries: std::collections::VecDeque<(Instant, Event)>,
}

impl Log {
    pub(super) fn new(capacity: usize) -> Log {
        Log { capacity: capacity.max(1), entries: Mutex::default(), changed: Notify::new() }
    }

    pub(super) fn push(&self, at: Instant, event: Event) {
        let mut log = lock(&self.entries);
        if log.entries.len() == self.capacity {
            log.entries.pop_front();
            log.forgotten += 1;
        }
        log.entries.push_back((at, event));
        drop(log);
        self.changed.notify_waiters();
    }

    /// Position after the newest event, for [`Log::wait_after`].
    pub fn mark(&self) -> usize {
        let log = lock(&self.entries);
        log.forgotten + log.entries.len()
    }

    /// All events still kept.
    pub fn events(&self) -> Vec<(Instant, Event)> {
        lock(&self.entries).entries.iter().cloned().collect()
    }

    /// All events for which `select` gives something.
    pub fn collect<T>(&self, mut select: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        lock(&self.entries).entries.iter().filter_map(|(_, event)| select(event)).collect()
    }

    /// All requests that reached the objects.
    pub fn requests(&self) -> Vec<Request> {
        self.collect(|event| match event {
            Event::Request(request) => Some(request.clone()),
            _ => None,
        })
    }

    /// The first event, past or future, for which `select` gives something.
    ///
    /// # Errors
    /// [`WaitError`] when there is none within `patience`.
    pub async fn wait<T>(&self, patience: Duration, select: impl FnMut(&Event) -> Option<T>) -> Result<T, WaitError> {
        self.wait_after(0, patience, select).await
    }

    /// Like [`Log::wait`], looking only at events after `mark`.
    ///
    /// # Errors
    /// [`WaitError`] when there is none within `patience`.
    pub async fn wait_after<T>(
        &self,
        mark: usize,
        patience: Duration,
        mut select: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, WaitError> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut seen = mark;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let log = lock(&self.entries);
                let start = seen.saturating_sub(log.forgotten);
                if let Some(found) = log.entries.iter().skip(start).find_map(|(_, event)| select(event)) {
                    return Ok(found);
                }
                seen = log.forgotten + log.entries.len();
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                let log = lock(&self.entries);
                let last: Vec<String> =
                    log.entries.iter().rev().take(12).rev().map(|(_, event)| format!("  {event:?}")).collect();
                return Err(WaitError { waited: patience, last: last.join("\n") });
            }
        }
    }
}

/// A lock that outlives a panic of another holder: the data are plain values and stay usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
