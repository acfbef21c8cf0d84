//! The exchanges that this side began.
use super::{ExchangeId, Failure, Output, Peer, Request, Response, Urgency};
use crate::duplicates::Seen;
use crate::exchange::{Exchange, Phase, Purpose, Verdict};
use crate::observe::{Freshness, Observation};
use crate::random::Token;
use crate::reliability::{Due, Retransmission};
use crate::{Code, Kind, Message};
use std::time::Instant;

impl Peer {
    pub(super) fn begin(&mut self, now: Instant, id: ExchangeId, request: Request, urgency: Urgency) {
        if request.payload.len() > self.config.blockwise.max_body_size {
            self.outputs.push_back(Output::Failed { exchange: id, failure: Failure::BodyTooLarge });
            return;
        }
        let token = self.token_for(&request);
        let mut exchange = Exchange::new(now, id, urgency, token, request, &self.config);
        if let Some(upload) = &mut exchange.upload
            && std::mem::take(&mut self.upload_aborted)
        {
            upload.set_tag(self.random.next() as u32);
        }
        self.exchanges.push(Box::new(exchange));
        self.send_queued(now);
    }

    /// The token of the observation that the request renews or cancels, or a fresh one.
    fn token_for(&mut self, request: &Request) -> Token {
        if !matches!(request.observe, Some(0 | 1)) {
            return self.fresh_token();
        }
        let identity = request.identity();
        let Some(at) = self.observations.iter().position(|observation| observation.identity == identity) else {
            return self.fresh_token();
        };
        if request.observe == Some(0) {
            return self.observations[at].token;
        }
        let cancelled = self.observations.remove(at);
        self.exchanges.retain(|exchange| exchange.purpose != Purpose::Notification(cancelled.id));
        cancelled.token
    }

    /// A token that nothing alive has.
    pub(super) fn fresh_token(&mut self) -> Token {
        loop {
            let token = self.random.token();
            let used = self.exchanges.iter().any(|exchange| exchange.token == token)
                || self.observations.iter().any(|observation| observation.token == token);
            if !used {
                return token;
            }
        }
    }

    /// Sends what may be sent: all immediate requests, and the first of the ordered ones if none is outstanding.
    pub(super) fn send_queued(&mut self, now: Instant) {
        let mut line_is_free = !self.exchanges.iter().any(|exchange| exchange.occupies_the_line());
        for at in 0..self.exchanges.len() {
            let exchange = &self.exchanges[at];
            let ordered = exchange.urgency == Urgency::Ordered;
            if !exchange.is_queued() || ordered && !line_is_free {
                continue;
            }
            let Some(id) = self.ids.next(now, self.config.transmission.exchange_lifetime()) else {
                return;
            };
            line_is_free &= !ordered;
            let datagram = exchange.message(id, &self.config).encode();
            let timeout = self.config.transmission.initial_timeout(self.random.jitter());
            let retransmission = Retransmission::begin(now, id, datagram.clone(), timeout);
            self.exchanges[at].phase = Phase::Unacknowledged(retransmission);
            self.transmit(datagram);
        }
    }

    /// When an exchange is due next.
    pub(super) fn exchanges_due(&self) -> Option<Instant> {
        if self.exchanges.is_empty() {
            return None;
        }
        let line_is_free = !self.exchanges.iter().any(|exchange| exchange.occupies_the_line());
        let due = self.exchanges.iter().filter_map(|exchange| match &exchange.phase {
            Phase::Unacknowledged(retransmission) => Some(retransmission.due),
            Phase::Acknowledged(until) => Some(*until),
            Phase::Queued(since) if line_is_free || exchange.urgency == Urgency::Immediate => {
                Some(self.ids.free_at(self.config.transmission.exchange_lifetime()).unwrap_or(*since))
            }
            Phase::Queued(_) => None,
        });
        due.min()
    }

    pub(super) fn advance_exchanges(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.exchanges.len() {
            let expired = match &mut self.exchanges[at].phase {
                Phase::Queued(_) => false,
                Phase::Acknowledged(until) => *until <= now,
                Phase::Unacknowledged(retransmission) => match retransmission.advance(now, &self.config.transmission) {
                    Due::Wait => false,
                    Due::GiveUp => true,
                    Due::Repeat(datagram) => {
                        self.tally.retransmitted += 1;
                        self.transmit(datagram);
                        false
                    }
                },
            };
            if !expired {
                at += 1;
                continue;
            }
            let exchange = self.end(at);
            let acknowledged = exchange.is_acknowledged();
            self.report(&exchange, |exchange| Output::TimedOut { exchange, acknowledged });
        }
        self.send_queued(now);
    }

    /// An empty ACK: for a request of ours, or for a separate response.
    pub(super) fn handle_acknowledgement(&mut self, now: Instant, id: u16) {
        if let Some(exchange) = self.exchanges.iter_mut().find(|exchange| exchange.is_unacknowledged(id)) {
            exchange.phase = Phase::Acknowledged(now + self.config.transmission.response_timeout());
            if exchange.purpose == Purpose::Command && !std::mem::replace(&mut exchange.acknowledged, true) {
                self.outputs.push_back(Output::Acknowledged(exchange.id));
            }
            self.send_queued(now);
        } else if !self.end_separate(id) {
            self.tally.unmatched += 1;
        }
    }

    /// A reset: of a request of ours, or of a separate response.
    pub(super) fn handle_reset(&mut self, now: Instant, id: u16) {
        if let Some(at) = self.exchanges.iter().position(|exchange| exchange.is_unacknowledged(id)) {
            let exchange = self.end(at);
            self.report(&exchange, Output::Reset);
            self.send_queued(now);
        } else if !self.end_separate(id) {
            self.tally.unmatched += 1;
        }
    }

    /// A response in the ACK: belongs to the request with this message id and this token, or to nothing.
    pub(super) fn handle_piggybacked(&mut self, now: Instant, message: Message) {
        let found = self.exchanges.iter().position(|exchange| {
            exchange.is_unacknowledged(message.id()) && exchange.token.as_slice() == message.token()
        });
        match found {
            Some(at) => self.take_response(now, at, message, true),
            None => self.tally.unmatched += 1,
        }
    }

    /// A response or notification in a message of its own.
    pub(super) fn handle_response(&mut self, now: Instant, seen: Seen, message: Message) {
        let confirmable = message.kind() == Kind::Confirmable;
        let token = message.token();
        let waiting = self.exchanges.iter().position(|exchange| {
            !exchange.is_queued() && exchange.token.as_slice() == token && !crosses_cancellation(exchange, &message)
        });
        if let Some(at) = waiting {
            if confirmable && crate::option::unrecognised(&message, false).is_none() {
                self.acknowledge(seen);
            } else if confirmable {
                self.reject(seen);
            }
            self.take_response(now, at, message, false);
            return;
        }
        if let Some(at) = self.observations.iter().position(|observation| observation.token.as_slice() == token) {
            self.handle_notification(now, at, seen, message);
            return;
        }
        self.tally.unmatched += 1;
        // A notification that nobody wants would come again and again: the reset tells the device to stop (RFC 7641 §3.6), also as answer
        // to a NON, where RFC 7252 §4.3 leaves the choice.
        if confirmable || message.observe().is_some() {
            self.reject(seen);
        }
    }

    fn take_response(&mut self, now: Instant, at: usize, message: Message, piggybacked: bool) {
        let tag = self.random.next() as u32;
        let exchange = &mut self.exchanges[at];
        let first = exchange.download.is_none() && message.code().is_success() && message.code() != Code::CONTINUE;
        let sequence = message.observe().filter(|_| first && exchange.asks_to_observe());
        let verdict = exchange.accept(message, piggybacked, tag, &self.config);
        let answered = matches!(verdict, Verdict::Complete(_)) || exchange.download.is_some();
        if let Some(sequence) = sequence.filter(|_| answered) {
            self.establish(now, at, sequence);
        }
        match verdict {
            Verdict::Stray => self.tally.unmatched += 1,
            Verdict::Continue(progress) => self.go_on(now, at, progress),
            Verdict::Complete(response) => {
                let exchange = self.exchanges.remove(at);
                self.finish(&exchange, response);
                self.send_queued(now);
            }
            Verdict::Fail(failure) => {
                let exchange = self.end(at);
                self.report(&exchange, |exchange| Output::Failed { exchange, failure });
                self.send_queued(now);
            }
        }
    }

    /// The next message of a block-wise transfer, or the request once more.
    fn go_on(&mut self, now: Instant, at: usize, progress: Option<(usize, Option<usize>)>) {
        let exchange = &self.exchanges[at];
        let observes = exchange.request.observe.is_some();
        // The token of an observation stays with it: the rest of the body is fetched under another (RFC 7959 §3.4).
        let leaves_observation = exchange.download.is_some()
            && self.observations.iter().any(|observation| observation.token == exchange.token);
        if leaves_observation || self.config.blockwise.fresh_tokens && !observes {
            let token = self.fresh_token();
            self.exchanges[at].token = token;
        }
        let exchange = &mut self.exchanges[at];
        exchange.phase = Phase::Queued(now);
        if let Some((done, total)) = progress
            && exchange.purpose == Purpose::Command
        {
            self.outputs.push_back(Output::Progress { exchange: exchange.id, done, total });
        }
        self.send_queued(now);
    }

    /// The peer has taken up the observation that exchange `at` asked for.
    fn establish(&mut self, now: Instant, at: usize, sequence: u32) {
        let exchange = &self.exchanges[at];
        let (id, token, identity) = (exchange.id, exchange.token, exchange.request.identity());
        self.observations.retain(|other| other.token != token && other.identity != identity);
        let freshest = Freshness { sequence, arrived: now };
        self.observations.push(Observation { id, token, identity, freshest });
    }

    /// The exchange has its response.
    fn finish(&mut self, exchange: &Exchange, response: Response) {
        let observed = |id| self.observations.iter().any(|observation| observation.id == id);
        match exchange.purpose {
            Purpose::Command => {
                let observing = observed(exchange.id);
                if exchange.asks_to_observe() && !observing {
                    self.observations.retain(|observation| observation.token != exchange.token);
                }
                self.outputs.push_back(Output::Response { exchange: exchange.id, response, observing });
            }
            Purpose::Notification(id) if response.code.is_success() && observed(id) => {
                let output = Output::Notification { exchange: id, response, receipt: None, ended: false };
                self.outputs.push_back(output);
            }
            Purpose::Notification(_) => self.tally.incomplete_notifications += 1,
        }
    }

    /// Takes out an exchange that ends without a usable response, and the observation that it had just established.
    fn end(&mut self, at: usize) -> Box<Exchange> {
        let exchange = self.exchanges.remove(at);
        self.upload_aborted |= exchange.upload.is_some();
        self.observations.retain(|observation| observation.id != exchange.id);
        exchange
    }

    fn report(&mut self, exchange: &Exchange, output: impl FnOnce(ExchangeId) -> Output) {
        match exchange.purpose {
            Purpose::Command => self.outputs.push_back(output(exchange.id)),
            Purpose::Notification(_) => self.tally.incomplete_notifications += 1,
        }
    }

    pub(super) fn forget_exchange(&mut self, id: ExchangeId) {
        self.upload_aborted |= self.exchanges.iter().any(|exchange| exchange.id == id && exchange.upload.is_some());
        self.exchanges.retain(|exchange| exchange.id != id && exchange.purpose != Purpose::Notification(id));
        self.observations.retain(|observation| observation.id != id);
    }
}

/// A notification that was on its way when we cancelled is not the answer to the cancellation (RFC 7641 §3.6).
fn crosses_cancellation(exchange: &Exchange, message: &Message) -> bool {
    exchange.request.observe == Some(1) && message.observe().is_some() && !exchange.is_acknowledged()
}
