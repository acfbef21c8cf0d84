//! Publications handed to the MQTT library and not yet completed.
//!
//! They complete almost in order, so only one of them is asked to wake the bridge: the first while somebody waits for a receipt, else one
//! that is far enough back to refill the window in a batch.
use super::connection::is_refusal;
use super::outbox::Entry;
use super::publisher::Receipt;
use crate::event::{Event, PublishRefused};
use crate::metrics;
use contract::message::Publication;
use paho_mqtt::{AsyncClient, DeliveryToken, Error, Message, MessageBuilder, Properties, PropertyCode};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A publication that was under way when so many connections broke may be the very reason: from then on it goes out alone.
const SUSPECT: u8 = 3;
/// It is given up when so many connections broke that it had for itself, …
const ALONE: u8 = 10;
/// … each within this time. A broker that merely hangs takes longer to be noticed.
const AT_ONCE: Duration = Duration::from_secs(5);

struct InFlight {
    token: Option<DeliveryToken>,
    result: Option<Result<(), Error>>,
    /// When it went out, if it goes alone.
    since: Option<Instant>,
    entry: Entry<Receipt>,
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Window({} of {})", self.in_flight.len(), self.size)
    }
}

/// The window.
pub(crate) struct Window {
    size: usize,
    in_flight: VecDeque<InFlight>,
    /// Failed with the connection, oldest first.
    returned: Vec<Entry<Receipt>>,
    /// Receipts in flight.
    receipts: usize,
    /// Those in flight that go alone.
    suspects: usize,
    /// The library did not take the last one: nothing goes out before it has come back.
    blocked: bool,
    /// Numbers on disk of what is done.
    done: Vec<u64>,
    /// Commands whose terminal messages, which are not on disk, are done.
    concluded: Vec<u64>,
}

impl Window {
    pub(crate) fn new(size: usize) -> Window {
        Window {
            size: size.max(1),
            in_flight: VecDeque::new(),
            returned: Vec::new(),
            receipts: 0,
            suspects: 0,
            blocked: false,
            done: Vec::new(),
            concluded: Vec::new(),
        }
    }

    /// Whether this one may go out now: one that is suspected of breaking connections goes alone.
    pub(crate) fn admits(&self, entry: &Entry<Receipt>) -> bool {
        let alone = self.in_flight.is_empty();
        self.returned.is_empty() && !self.blocked && (alone || (entry.attempts < SUSPECT && self.suspects == 0))
    }

    /// The connection is gone: what it has not acknowledged comes back, oldest first.
    pub(crate) fn abandon(&mut self) -> Vec<Entry<Receipt>> {
        let alone = self.in_flight.len() == 1;
        for mut flight in std::mem::take(&mut self.in_flight) {
            if !flight.poll(&mut Context::from_waker(Waker::noop())) {
                flight.result = Some(Err(Error::Disconnected));
            }
            let at_once = alone && flight.since.is_some_and(|since| since.elapsed() < AT_ONCE);
            flight.entry.alone += u8::from(at_once);
            self.complete(flight);
        }
        metrics::IN_FLIGHT.set(0);
        self.blocked = false;
        std::mem::take(&mut self.returned)
    }

    /// Numbers on disk of what is done, and commands that are concluded, since the last time.
    pub(crate) fn take_done(&mut self) -> (Vec<u64>, Vec<u64>) {
        (std::mem::take(&mut self.done), std::mem::take(&mut self.concluded))
    }

    /// How many are done and not taken yet.
    pub(crate) fn done(&self) -> usize {
        self.done.len() + self.concluded.len()
    }

    /// These could not be removed yet.
    pub(crate) fn put_back_done(&mut self, numbers: Vec<u64>) {
        self.done.extend(numbers);
    }

    /// What is in it, to be told at the end.
    pub(crate) fn len(&self) -> usize {
        self.in_flight.len() + self.returned.len()
    }

    /// How many more may go out. None while failed ones wait for their followers: the order must stay.
    pub(crate) fn room(&self) -> usize {
        if self.returned.is_empty() { self.size.saturating_sub(self.in_flight.len()) } else { 0 }
    }

    /// Failed publications, once all that went out after them have come back too.
    pub(crate) fn take_returned(&mut self) -> Vec<Entry<Receipt>> {
        if !self.in_flight.is_empty() {
            return Vec::new();
        }
        self.blocked = false;
        std::mem::take(&mut self.returned)
    }

    /// Publishes; `false` if the library did not take it.
    pub(crate) fn send(&mut self, client: &AsyncClient, mut entry: Entry<Receipt>, properties: bool) -> bool {
        let payload = std::mem::take(&mut entry.publication.payload);
        let message = message(&entry.publication, payload, properties);
        let (token, result) = match client.try_publish(message) {
            Ok(token) => (Some(token), None),
            Err(Error::Publish(code, message)) => {
                entry.publication.payload = message.payload().to_vec();
                (None, Some(Err(Error::from(code))))
            }
            Err(error) => (None, Some(Err(error))),
        };
        let taken = token.is_some();
        self.blocked |= !taken;
        self.receipts += usize::from(entry.receipt.is_some());
        self.suspects += usize::from(entry.attempts >= SUSPECT);
        let since = (entry.attempts >= SUSPECT).then(Instant::now);
        self.in_flight.push_back(InFlight { token, result, since, entry });
        taken
    }

    /// Takes out what is complete, and asks one of the others to wake the bridge; none if the bridge is `resting` and nobody waits.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>, resting: bool) {
        loop {
            while let Some(first) = self.in_flight.front_mut()
                && first.poll(&mut Context::from_waker(Waker::noop()))
            {
                if let Some(done) = self.in_flight.pop_front() {
                    self.complete(done);
                }
            }
            let Some(last) = self.in_flight.len().checked_sub(1) else { break };
            if resting && self.receipts == 0 && last < self.size / 2 {
                break;
            }
            let chosen = if self.receipts == 0 { last.min(self.size / 2) } else { 0 };
            if !self.in_flight[chosen].poll(cx) {
                break;
            }
            // It completed meanwhile: then the first most likely did too.
            if !self.in_flight[0].poll(cx) {
                break;
            }
        }
        metrics::IN_FLIGHT.set(i64::try_from(self.in_flight.len()).unwrap_or(i64::MAX));
    }

    fn complete(&mut self, done: InFlight) {
        let InFlight { token, result, mut entry, since: _ } = done;
        self.receipts -= usize::from(entry.receipt.is_some());
        self.suspects -= usize::from(entry.attempts >= SUSPECT);
        let error = match result {
            Some(Err(error)) => error,
            _ => {
                metrics::PUBLISHED.increment();
                return self.finish(entry, true);
            }
        };
        // Only what the library took counts as an attempt.
        entry.attempts = entry.attempts.saturating_add(u8::from(token.is_some()));
        if is_refusal(&error) || entry.alone >= ALONE {
            let publication = &entry.publication;
            PublishRefused { endpoint: &publication.endpoint, topic: &publication.topic, error: &error.to_string() }
                .emit();
            return self.finish(entry, false);
        }
        metrics::PUBLISH_RETRIED.increment();
        if let Some(token) = token {
            entry.publication.payload = token.message().payload().to_vec();
        }
        self.returned.push(entry);
    }

    fn finish(&mut self, entry: Entry<Receipt>, kept: bool) {
        self.done.extend(entry.number);
        self.concluded.extend(entry.command);
        if let Some(receipt) = entry.receipt {
            receipt.settle(kept);
        }
    }
}

impl InFlight {
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.result.is_none()
            && let Some(token) = &mut self.token
            && let Poll::Ready(result) = Pin::new(token).poll(cx)
        {
            self.result = Some(result);
        }
        self.result.is_some()
    }
}

fn message(publication: &Publication, payload: Vec<u8>, properties: bool) -> Message {
    let builder = MessageBuilder::new().topic(&*publication.topic).payload(payload).qos(i32::from(publication.qos));
    match properties {
        true => builder.properties(properties_of(publication)).finalize(),
        false => builder.finalize(),
    }
}

fn properties_of(publication: &Publication) -> Properties {
    let mut properties = Properties::new();
    // They fail only for text with NUL or beyond 64 kB; the message is worth more than its properties.
    let _ = properties.push_string(PropertyCode::ContentType, "application/json");
    if !publication.endpoint.is_empty() {
        let _ = properties.push_string_pair(PropertyCode::UserProperty, "ep", &publication.endpoint);
    }
    if let Some(correlation) = &publication.correlation_data {
        let _ = properties.push_binary(PropertyCode::CorrelationData, correlation.clone());
    }
    properties
}
