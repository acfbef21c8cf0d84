//! Notifications of the observations that this side holds (RFC 7641 §3).
use super::{ExchangeId, Failure, ObservationState, Output, Peer, Receipt, Request, Response, Urgency};
use crate::download::Download;
use crate::duplicates::Seen;
use crate::exchange::{Exchange, Phase, Purpose, Verdict};
use crate::observe::{Freshness, Held, Observation, Undo};
use crate::random::Token;
use crate::{Code, Kind, Message, option};
use std::time::Instant;

/// Notifications whose ACK may be held back at a time; a further one is not taken in, and the peer repeats it.
const HELD_MAX: usize = 32;

impl Peer {
    /// A message with the token of observation `at`.
    pub(super) fn handle_notification(&mut self, now: Instant, at: usize, seen: Seen, message: Message) {
        let confirmable = message.kind() == Kind::Confirmable;
        if let Some(number) = option::unrecognised(&message, false) {
            self.tally.unmatched += 1;
            // A reset also tells the peer to drop the observation; a NON is ignored (RFC 7252 §5.4.1).
            if confirmable {
                let id = self.observations[at].id;
                self.reject(seen);
                self.forget_exchange(id);
                let failure = Failure::CriticalOption(number);
                self.outputs.push_back(Output::Failed { exchange: id, failure });
                self.send_queued(now);
            }
            return;
        }
        if confirmable && !self.may_hold(now) {
            self.duplicates.forget(seen);
            return;
        }
        let sequence = message.observe().filter(|_| message.code().is_success());
        let Some(sequence) = sequence else {
            self.end_observation(now, at, seen, message);
            return;
        };
        let observation = &mut self.observations[at];
        let this = Freshness { sequence, arrived: now };
        let before = observation.freshest;
        let fresh = this.is_newer_than(before);
        if fresh {
            observation.freshest = this;
        } else {
            self.tally.stale_notifications += 1;
        }
        // 2.03 says "as before" to one who sent an ETag; we never do.
        if !fresh || message.code() == Code::VALID {
            if confirmable {
                self.acknowledge(seen);
            }
            return;
        }
        let id = observation.id;
        let (verdict, download) = Download::first(message, &self.config);
        match verdict {
            Verdict::Complete(response) => {
                let held = confirmable.then_some((seen, Undo::Freshness { this, before }));
                self.deliver(now, id, response, held, false);
            }
            Verdict::Continue(_) => {
                if confirmable {
                    self.acknowledge(seen);
                }
                if let Some(download) = download {
                    self.fetch_rest(now, id, download);
                }
            }
            Verdict::Stray | Verdict::Fail(_) => {
                self.tally.incomplete_notifications += 1;
                if confirmable {
                    self.acknowledge(seen);
                }
            }
        }
    }

    /// An error, or a response without Observe: the peer no longer knows us as an observer (RFC 7641 §3.2, §4.2).
    fn end_observation(&mut self, now: Instant, at: usize, seen: Seen, message: Message) {
        let confirmable = message.kind() == Kind::Confirmable;
        let observation = self.observations.remove(at);
        let id = observation.id;
        let held = confirmable.then(|| (seen, Undo::Ended(Box::new(observation))));
        self.deliver(now, id, Response::read(message), held, true);
    }

    /// Passes on a complete notification. A body that was being fetched is outdated by it; if it was the body of the first response, this
    /// one takes its place.
    fn deliver(&mut self, now: Instant, id: ExchangeId, response: Response, held: Option<(Seen, Undo)>, ended: bool) {
        let establishing = self.exchanges.iter().position(|exchange| exchange.id == id);
        self.exchanges.retain(|exchange| exchange.id != id && exchange.purpose != Purpose::Notification(id));
        if establishing.is_some() {
            if let Some((seen, _)) = held {
                self.acknowledge(seen);
            }
            self.outputs.push_back(Output::Response { exchange: id, response, observing: !ended });
        } else {
            let receipt = held.map(|(seen, undo)| self.hold(now, id, seen, undo));
            self.outputs.push_back(Output::Notification { exchange: id, response, receipt, ended });
        }
        self.send_queued(now);
    }

    /// Fetches the rest of a notification by requests without Observe under another token (RFC 7959 §3.4). A fetch that is under way begins
    /// anew, behind the requests that wait.
    fn fetch_rest(&mut self, now: Instant, id: ExchangeId, download: Box<Download>) {
        let token = self.fresh_token();
        let running = |exchange: &Exchange| exchange.id == id || exchange.purpose == Purpose::Notification(id);
        if let Some(at) = self.exchanges.iter().position(|exchange| running(exchange)) {
            let mut exchange = self.exchanges.remove(at);
            exchange.token = token;
            exchange.phase = Phase::Queued(now);
            exchange.download = Some(download);
            self.exchanges.push(exchange);
        } else if let Some(request) = self.observed_request(id) {
            let name = ExchangeId(self.name());
            let mut exchange = Exchange::new(now, name, Urgency::Ordered, token, request, &self.config);
            exchange.purpose = Purpose::Notification(id);
            exchange.download = Some(download);
            self.exchanges.insert(0, Box::new(exchange));
        }
        self.send_queued(now);
    }

    fn observed_request(&self, id: ExchangeId) -> Option<Request> {
        let observation = self.observations.iter().find(|observation| observation.id == id)?;
        Request::of_identity(&observation.identity)
    }

    /// There is room for one more held notification; those whose peer has long given up are dropped.
    fn may_hold(&mut self, now: Instant) -> bool {
        let lifetime = self.config.transmission.exchange_lifetime();
        self.server.as_mut().is_none_or(|server| {
            server.held.retain(|held| now < held.since + lifetime);
            server.held.len() < HELD_MAX
        })
    }

    fn hold(&mut self, now: Instant, exchange: ExchangeId, seen: Seen, undo: Undo) -> Receipt {
        let receipt = Receipt(self.name());
        self.server().held.push(Held { receipt, seen, exchange, since: now, undo });
        receipt
    }

    pub(super) fn take_held(&mut self, receipt: Receipt) -> Option<Held> {
        let held = &mut self.server.as_mut()?.held;
        let at = held.iter().position(|held| held.receipt == receipt)?;
        Some(held.remove(at))
    }

    /// As if the notification had never come.
    pub(super) fn undo(&mut self, held: Held) {
        self.duplicates.forget(held.seen);
        match held.undo {
            Undo::Nothing => {}
            Undo::Freshness { this, before } => {
                let mut observations = self.observations.iter_mut();
                let found = observations.find(|observation| observation.id == held.exchange);
                if let Some(observation) = found.filter(|observation| observation.freshest == this) {
                    observation.freshest = before;
                }
            }
            Undo::Ended(observation) => {
                let replaced = self.observations.iter().any(|other| other.token == observation.token);
                if !replaced {
                    self.observations.push(*observation);
                }
            }
        }
    }

    /// What was held of a forgotten observation may still be acknowledged, but brings nothing back.
    pub(super) fn forget_undo(&mut self, forgotten: impl Fn(ExchangeId) -> bool) {
        for held in self.server.iter_mut().flat_map(|server| &mut server.held) {
            if forgotten(held.exchange) {
                held.undo = Undo::Nothing;
            }
        }
    }

    pub(super) fn restore_observation(&mut self, now: Instant, id: ExchangeId, state: &ObservationState) {
        let (token, identity) = (Token::new(&state.token), state.request.identity());
        self.observations.retain(|other| other.token != token && other.identity != identity);
        let freshest = Freshness { sequence: state.sequence, arrived: now };
        self.observations.push(Observation { id, token, identity, freshest });
    }
}
