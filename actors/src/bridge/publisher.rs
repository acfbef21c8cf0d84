//! The near side of the outbox: where devices, registry and intake hand in what is to be published.
//!
//! The outbox is the bridge's mailbox for publications. A plain actor mailbox would not do: it cannot tell what may be dropped, and the
//! sender needs to know at once whether its publication was taken, because the ACK to the device depends on it.
use super::outbox::{Entry, Limits, Outbox, Pushed};
use crate::device::{Link, Settled};
use crate::event::{Event, OutboxFull};
use crate::{OutboxLimits, mailbox, metrics};
use contract::message::{Class, Publication};
use lwm2m::session::Delivery;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Whom to tell when a publication is safe with the broker.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) link: Arc<Link>,
    pub(crate) delivery: Delivery,
}

impl Receipt {
    /// Tells the device. If its mailbox is full the device repeats its notification, and is told then.
    pub(crate) fn settle(self, kept: bool) {
        let _ = mailbox::offer(&self.link.addr, Settled { delivery: self.delivery, kept });
    }
}

/// Shared access to the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Publisher(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    outbox: Outbox<Receipt>,
    /// The bridge, if it waits for something to publish.
    waker: Option<Waker>,
    /// It rests for a moment and wants to be woken for urgent publications only.
    resting: bool,
    /// Something urgent waits.
    urgent: bool,
}

impl Publisher {
    pub(crate) fn new(limits: OutboxLimits) -> Publisher {
        let limits = Limits { messages: limits.messages.max(10), bytes: limits.bytes };
        Publisher(Arc::new(Mutex::new(State {
            outbox: Outbox::new(limits),
            waker: None,
            resting: false,
            urgent: false,
        })))
    }

    /// Hands in; `false` if there is no room. `kept_by_device`: the device repeats it if it is refused.
    pub(crate) fn publish(&self, publication: Publication, receipt: Option<Receipt>, kept_by_device: bool) -> bool {
        // Somebody waits for answers and registrations; notifications are better published a few at a time.
        let urgent = !kept_by_device && publication.class == Class::Keep;
        let mut state = self.lock();
        let pushed = state.outbox.push(Entry { publication, receipt, attempts: 0 }, kept_by_device);
        state.urgent |= urgent;
        let waker = if urgent || !state.resting { state.waker.take() } else { None };
        state.count();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        match pushed {
            Pushed::In(dropped) => {
                for entry in dropped {
                    OutboxFull { endpoint: &entry.publication.endpoint, dropped: true }.emit();
                }
                true
            }
            Pushed::Full(entry) => {
                OutboxFull { endpoint: &entry.publication.endpoint, dropped: false }.emit();
                false
            }
        }
    }

    /// Takes up to `room` of the oldest. If fewer were there, `waker` is woken by the next one. While the bridge is `resting` only an
    /// urgent one counts: it wakes, and lets what waits before it go too.
    pub(crate) fn take(&self, room: usize, into: &mut VecDeque<Entry<Receipt>>, waker: &Waker, resting: bool) {
        let mut state = self.lock();
        state.resting = resting;
        if resting && !state.urgent {
            state.waker = Some(waker.clone());
            return;
        }
        for _ in 0..room {
            match state.outbox.pop() {
                Some(entry) => into.push_back(entry),
                None => {
                    state.urgent = false;
                    state.waker = Some(waker.clone());
                    break;
                }
            }
        }
        state.count();
    }

    /// Gives back what did not reach the broker, oldest first.
    pub(crate) fn put_back(&self, entries: impl DoubleEndedIterator<Item = Entry<Receipt>>) {
        let mut state = self.lock();
        state.outbox.put_back(entries);
        state.count();
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().outbox.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The outbox's own calls do not panic; a poisoned lock is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&self) {
        metrics::OUTBOX_MESSAGES.set(i64::try_from(self.outbox.len()).unwrap_or(i64::MAX));
        metrics::OUTBOX_BYTES.set(i64::try_from(self.outbox.bytes()).unwrap_or(i64::MAX));
    }
}
