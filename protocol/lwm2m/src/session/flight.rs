//! Commands on the wire: how they end, and the one repetition with another format (extensions §1).
use super::answer::{self, Shape};
use super::queue::Command;
use super::request::{Builder, Built, Chosen};
use super::{Event, Now, Operation, Outcome, Patch, Session};
use coap::peer::{ExchangeId, Failure};
use coap::{Code, Response, Urgency};

/// A command on the wire.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) exchange: ExchangeId,
    pub(super) command: Command,
    /// `mheaders.ttl = 0`: others do not wait for it.
    pub(super) urgent: bool,
    /// An empty ACK came.
    pub(super) acknowledged: bool,
    chosen: Chosen,
    /// Sent again with another format.
    repeated: bool,
}

impl Session {
    pub(super) fn build(&self, operation: &Operation) -> Result<Built, String> {
        let Some(life) = &self.life else { return Err("not registered".to_owned()) };
        // A cancellation repeats the request of its observation, so that the device finds it (C-074).
        if let Some((subject, _)) = operation.cancels()
            && let Some(observation) = self.observations.iter().find(|observation| observation.subject == subject)
            && let Some(state) = self.peer.observation(observation.exchange)
        {
            let mut request = state.request;
            request.observe = Some(1);
            return Ok(Built { request, chosen: Chosen::Nothing });
        }
        Builder { alternate_path: life.alternate_path(), negotiation: life.negotiation() }.build(operation)
    }

    pub(super) fn send(&mut self, now: Now, command: Command, built: Built, urgent: bool) {
        let ticket = command.ticket.clone();
        self.persist_of(&command, Patch::Sent { command: command.id });
        self.launch(now, command, built, urgent, false);
        self.transmit_first();
        self.emit(Event::Sent { ticket });
    }

    fn launch(&mut self, now: Now, command: Command, built: Built, urgent: bool, repeated: bool) {
        let urgency = if urgent { Urgency::Immediate } else { Urgency::Ordered };
        let exchange = self.peer.request(now.instant, built.request, urgency);
        if let Some((subject, _)) = command.operation.cancels() {
            self.forget_observation(&subject);
        }
        let chosen = built.chosen;
        self.flights.push(Flight { exchange, command, urgent, acknowledged: false, chosen, repeated });
    }

    fn land(&mut self, exchange: ExchangeId) -> Option<Flight> {
        let index = self.flights.iter().position(|flight| flight.exchange == exchange)?;
        Some(self.flights.remove(index))
    }

    pub(super) fn acknowledged(&mut self, exchange: ExchangeId) {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.exchange == exchange) else { return };
        flight.acknowledged = true;
        if flight.command.renews.is_none() {
            let ticket = flight.command.ticket.clone();
            self.emit(Event::Acknowledged { ticket });
        }
    }

    pub(super) fn progress(&mut self, exchange: ExchangeId, done: usize, total: Option<usize>) {
        if let Some(flight) = self.flights.iter().find(|flight| flight.exchange == exchange) {
            let ticket = flight.command.ticket.clone();
            self.emit(Event::Progress { ticket, done, total });
        }
    }

    pub(super) fn answered(&mut self, now: Now, exchange: ExchangeId, response: &Response, observing: bool) {
        let Some(flight) = self.land(exchange) else {
            // An exchange that was given up cannot be answered; if the peer still sees an observation in it, it must not live on.
            return self.peer.forget(exchange);
        };
        let Some(flight) = self.repeat_with_other_format(now, flight, response.code) else { return };
        if let Operation::WriteAttributes { target, attributes } = &*flight.command.operation
            && response.code.is_success()
        {
            self.learn_pmax(target.path, attributes);
        }
        let answer = self.reader(now).read(Shape::of(&flight.command.operation), response);
        if flight.command.renews.is_some() {
            return self.renewed(now, flight.command, exchange, response, answer, observing);
        }
        let sequence = observing.then(|| response.observe.unwrap_or_default());
        self.persist_of(&flight.command, Patch::Finished { command: flight.command.id });
        if let Some(subject) = flight.command.operation.observes() {
            self.observed(now, exchange, subject, &flight.command, response, observing);
        }
        let ticket = flight.command.ticket;
        self.emit(Event::Finished { ticket, outcome: Outcome::Answered(answer), observing: sequence });
    }

    /// 4.15 or 4.06 to a format that the gateway chose: once more with the next one, and remembered. Otherwise the flight comes back.
    fn repeat_with_other_format(&mut self, now: Now, flight: Flight, code: Code) -> Option<Flight> {
        let Some(life) = &mut self.life else { return Some(flight) };
        match flight.chosen {
            Chosen::Content(format) if code == Code::UNSUPPORTED_CONTENT_FORMAT => life.refusals.add_content(format),
            Chosen::Accept(_) if code == Code::NOT_ACCEPTABLE => life.refusals.add_accept(),
            _ => return Some(flight),
        }
        if flight.repeated {
            return Some(flight);
        }
        match self.build(&flight.command.operation) {
            Ok(built) if built.chosen != flight.chosen => {
                self.launch(now, flight.command, built, flight.urgent, true);
                None
            }
            _ => Some(flight),
        }
    }

    pub(super) fn reset(&mut self, exchange: ExchangeId) {
        match self.land(exchange) {
            Some(flight) => self.finish(flight.command, Outcome::Reset, None),
            None => self.observation_failed(exchange),
        }
    }

    pub(super) fn timed_out(&mut self, exchange: ExchangeId, acknowledged: bool) {
        let Some(flight) = self.land(exchange) else { return self.observation_failed(exchange) };
        let word = acknowledged.then_some("no response after ack");
        let ordered = !flight.urgent;
        self.finish(flight.command, Outcome::TimedOut(word), None);
        if ordered && !acknowledged {
            self.presume_asleep();
        }
    }

    pub(super) fn failed(&mut self, exchange: ExchangeId, failure: Failure) {
        let Some(flight) = self.land(exchange) else { return self.observation_failed(exchange) };
        let code = match failure {
            Failure::BodyTooLarge => Code::REQUEST_ENTITY_TOO_LARGE,
            Failure::Incomplete => Code::REQUEST_ENTITY_INCOMPLETE,
            Failure::CriticalOption(_) => Code::BAD_OPTION,
            Failure::Exhausted => Code::SERVICE_UNAVAILABLE,
        };
        self.finish(flight.command, Outcome::Answered(answer::own(code, failure.to_string())), None);
    }

    /// The one place where an accepted command ends without an answer of the device.
    pub(super) fn finish(&mut self, command: Command, outcome: Outcome, observing: Option<u32>) {
        match (command.renews, &outcome) {
            (Some(observation), Outcome::TimedOut(_)) => return self.renewal_unanswered(observation),
            (Some(observation), _) => return self.renewal_failed(observation),
            (None, _) => {}
        }
        self.persist(Patch::Finished { command: command.id });
        self.emit(Event::Finished { ticket: command.ticket, outcome, observing });
    }
}
