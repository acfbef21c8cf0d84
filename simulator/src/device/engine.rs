//! The device as a state machine: datagrams and time in, datagrams and events out.

use super::builder::Config;
use super::link::Link;
use super::log::{Counters, EndCause, Event, Log};
use super::observation::Observation;
use super::script::{Answer, Delivery, Rule};
use crate::message::{Code, Kind, Message, option};
use crate::objects::Objects;
use crate::path::Path;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long an answer is remembered for repetition (EXCHANGE_LIFETIME, RFC 7252 §4.8.2).
const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);
/// Answers remembered at most.
const REMEMBERED: usize = 1024;

/// Why a request of the device got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// No answer after all retransmissions.
    #[error("no answer after all retransmissions")]
    Timeout,
    /// Answered with RST.
    #[error("answered with RST")]
    Reset,
    /// The device rebooted or stopped meanwhile.
    #[error("the device rebooted or stopped")]
    Aborted,
}

/// A CON message that is repeated until acknowledged.
#[derive(Debug)]
pub(super) struct Repeated {
    pub(super) message: Message,
    pub(super) next: Instant,
    timeout: Duration,
    attempts: u32,
}

impl Repeated {
    /// Sends again when it is time; `false` when all attempts are used up.
    fn repeat(&mut self, now: Instant, max_retransmit: u32) -> Repetition {
        if now < self.next {
            return Repetition::NotYet;
        }
        if self.attempts == max_retransmit {
            return Repetition::GivenUp;
        }
        self.attempts += 1;
        self.timeout *= 2;
        self.next = now + self.timeout;
        Repetition::Due(self.message.clone())
    }
}

enum Repetition {
    NotYet,
    Due(Message),
    GivenUp,
}

/// A request of the device to the gateway.
#[derive(Debug)]
struct Exchange {
    token: Vec<u8>,
    message_id: u16,
    /// `None` once acknowledged without response.
    repeated: Option<Repeated>,
    gives_up: Instant,
    reply: Option<oneshot::Sender<Result<Message, ExchangeError>>>,
}

/// A body that arrives in blocks.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) key: (Code, String),
    pub(super) body: Vec<u8>,
}

/// A body that leaves in blocks.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) key: (String, Vec<String>, Vec<u8>),
    pub(super) answer: Answer,
}

/// Datagram and the moment at which it leaves or arrives.
pub(super) type Timed = (Instant, Vec<u8>);

pub(super) struct Engine {
    pub(super) config: Config,
    pub(super) objects: Objects,
    pub(super) log: Arc<Log>,
    pub(super) counters: Counters,
    pub(super) started: Instant,
    pub(super) observations: Vec<Observation>,
    pub(super) attributes: BTreeMap<Path, BTreeMap<String, String>>,
    pub(super) uploads: Vec<Upload>,
    pub(super) downloads: VecDeque<Download>,
    pub(super) rules: Vec<Rule>,
    pub(super) next_evaluation: Option<Instant>,
    rng: StdRng,
    message_id: u16,
    exchanges: Vec<Exchange>,
    /// Confirmable separate responses on their way.
    separate: Vec<Repeated>,
    answered: VecDeque<(Instant, u16, Vec<Vec<u8>>)>,
    /// What the reaction to the request at hand has sent, before the network had its way with it.
    reaction: Option<Vec<Vec<u8>>>,
    outbox: Vec<Timed>,
    inbox: Vec<Timed>,
    link_out: Link,
    link_in: Link,
    asleep: bool,
    last_message: Instant,
}

impl Engine {
    pub(super) fn new(config: Config, log: Arc<Log>, now: Instant) -> Engine {
        let mut rng = if config.seed == 0 { StdRng::from_os_rng() } else { StdRng::seed_from_u64(config.seed) };
        let message_id = config.first_message_id.unwrap_or_else(|| rng.random());
        Engine {
            objects: config.objects.clone(),
            log,
            counters: Counters::default(),
            started: now,
            observations: Vec::new(),
            attributes: BTreeMap::new(),
            uploads: Vec::new(),
            downloads: VecDeque::new(),
            rules: config.rules.clone(),
            next_evaluation: None,
            rng,
            message_id,
            exchanges: Vec::new(),
            separate: Vec::new(),
            answered: VecDeque::new(),
            reaction: None,
            outbox: Vec::new(),
            inbox: Vec::new(),
            link_out: Link::new(config.link, 1),
            link_in: Link::new(config.link, 2),
            asleep: false,
            last_message: now,
            config,
        }
    }

    pub(super) fn note(&self, now: Instant, event: Event) {
        self.log.push(now, event);
    }

    pub(super) fn next_message_id(&mut self) -> u16 {
        let id = self.message_id;
        self.message_id = self.message_id.wrapping_add(1);
        id
    }

    /// Forgets everything a power cycle forgets.
    pub(super) fn reboot(&mut self, now: Instant) {
        self.forget_observations(now);
        self.attributes.clear();
        self.uploads.clear();
        self.downloads.clear();
        self.exchanges.clear();
        self.separate.clear();
        self.answered.clear();
        self.outbox.clear();
        self.inbox.clear();
        self.message_id = self.config.first_message_id.unwrap_or_else(|| self.rng.random());
        self.asleep = false;
        self.last_message = now;
        self.started = now;
    }

    pub(super) fn forget_observations(&mut self, now: Instant) {
        for observation in std::mem::take(&mut self.observations) {
            self.note(now, Event::ObserveEnded { token: observation.token, cause: EndCause::Forgotten });
        }
    }

    pub(super) fn sleep(&mut self, now: Instant) {
        if !self.asleep {
            self.asleep = true;
            self.note(now, Event::Asleep);
        }
    }

    pub(super) fn wake(&mut self, now: Instant) {
        self.last_message = now;
        if self.asleep {
            self.asleep = false;
            self.note(now, Event::Awake);
        }
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.asleep
    }

    pub(super) fn set_link(&mut self, quality: super::LinkQuality) {
        self.link_out = Link::new(quality, 1);
        self.link_in = Link::new(quality, 2);
    }

    // Sending.

    pub(super) fn transmit(&mut self, now: Instant, message: &Message) {
        self.transmit_at(now, now, message);
    }

    fn transmit_at(&mut self, now: Instant, at: Instant, message: &Message) {
        self.wake(now);
        self.note(now, Event::Sent(message.clone()));
        self.transmit_bytes(at, message.encode());
    }

    pub(super) fn transmit_bytes(&mut self, at: Instant, bytes: Vec<u8>) {
        self.counters.sent += 1;
        if let Some(reaction) = &mut self.reaction {
            reaction.push(bytes.clone());
        }
        let arrivals = self.link_out.arrivals(at);
        self.counters.lost += u64::from(arrivals.is_empty());
        self.outbox.extend(arrivals.into_iter().map(|at| (at, bytes.clone())));
    }

    /// Sends a CON message and keeps it for repetition.
    pub(super) fn repeated(&mut self, now: Instant, message: Message) -> Repeated {
        self.transmit(now, &message);
        let timeout = self.config.ack_timeout.mul_f64(self.rng.random_range(1.0..=1.5));
        Repeated { message, next: now + timeout, timeout, attempts: 0 }
    }

    /// Sends a request to the gateway; message id and token are set here.
    pub(super) fn request(&mut self, now: Instant, mut message: Message) -> oneshot::Receiver<Reply> {
        message.message_id = self.next_message_id();
        message.token = self.rng.random::<[u8; 4]>().to_vec();
        let (reply, receiver) = oneshot::channel();
        let (token, message_id) = (message.token.clone(), message.message_id);
        let gives_up = now + self.config.ack_timeout * 3 * (1 << self.config.max_retransmit.min(8));
        let repeated = if message.kind == Kind::Confirmable {
            Some(self.repeated(now, message))
        } else {
            self.transmit(now, &message);
            None
        };
        self.exchanges.push(Exchange { token, message_id, repeated, gives_up, reply: Some(reply) });
        receiver
    }

    /// Datagrams whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Vec<u8>> {
        take_due(&mut self.outbox, now)
    }

    // Time.

    /// When [`Engine::handle_timeout`] wants to be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let outbox = self.outbox.iter().map(|(at, _)| *at);
        let inbox = self.inbox.iter().map(|(at, _)| *at);
        let exchanges = self
            .exchanges
            .iter()
            .map(|exchange| exchange.repeated.as_ref().map_or(exchange.gives_up, |repeated| repeated.next));
        let separate = self.separate.iter().map(|repeated| repeated.next);
        let sleep = (!self.asleep).then_some(self.config.awake_window).flatten().map(|w| self.last_message + w);
        let observations = self.observations.iter().filter_map(|observation| self.observation_deadline(observation));
        outbox
            .chain(inbox)
            .chain(exchanges)
            .chain(separate)
            .chain(observations)
            .chain(sleep)
            .chain(self.next_evaluation)
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for bytes in take_due(&mut self.inbox, now) {
            self.handle_arrival(now, &bytes);
        }
        self.repeat_exchanges(now);
        self.repeat_separate(now);
        self.repeat_notifications(now);
        self.evaluate(now);
        if let Some(window) = self.config.awake_window
            && now >= self.last_message + window
        {
            self.sleep(now);
        }
        while self.answered.front().is_some_and(|(at, ..)| now > *at + EXCHANGE_LIFETIME) {
            self.answered.pop_front();
        }
    }

    fn repeat_exchanges(&mut self, now: Instant) {
        let max_retransmit = self.config.max_retransmit;
        let mut due = Vec::new();
        self.exchanges.retain_mut(|exchange| {
            let given_up = match &mut exchange.repeated {
                None => now >= exchange.gives_up,
                Some(repeated) => match repeated.repeat(now, max_retransmit) {
                    Repetition::NotYet => false,
                    Repetition::Due(message) => {
                        due.push(message);
                        false
                    }
                    Repetition::GivenUp => true,
                },
            };
            if given_up && let Some(reply) = exchange.reply.take() {
                // Nobody may be waiting any more; then the outcome interests nobody.
                let _ = reply.send(Err(ExchangeError::Timeout));
            }
            !given_up
        });
        self.retransmit(now, due);
    }

    fn repeat_separate(&mut self, now: Instant) {
        let max_retransmit = self.config.max_retransmit;
        let mut due = Vec::new();
        self.separate.retain_mut(|repeated| match repeated.repeat(now, max_retransmit) {
            Repetition::NotYet => true,
            Repetition::Due(message) => {
                due.push(message);
                true
            }
            Repetition::GivenUp => false,
        });
        self.retransmit(now, due);
    }

    fn repeat_notifications(&mut self, now: Instant) {
        let max_retransmit = self.config.max_retransmit;
        let (mut due, mut ended) = (Vec::new(), Vec::new());
        for observation in &mut self.observations {
            match observation.in_flight.as_mut().map(|repeated| repeated.repeat(now, max_retransmit)) {
                Some(Repetition::Due(message)) => due.push(message),
                Some(Repetition::GivenUp) => ended.push(observation.token.clone()),
                _ => {}
            }
        }
        self.retransmit(now, due);
        for token in ended {
            self.end_observation(now, &token, EndCause::Unacknowledged);
        }
    }

    fn retransmit(&mut self, now: Instant, messages: Vec<Message>) {
        self.counters.retransmissions += messages.len() as u64;
        for message in messages {
            self.transmit(now, &message);
        }
    }

    // Receiving.

    /// Takes a datagram from the socket through the lossy link.
    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8]) {
        self.counters.received += 1;
        let arrivals = self.link_in.arrivals(now);
        self.counters.lost += u64::from(arrivals.is_empty());
        for at in arrivals {
            if at <= now { self.handle_arrival(now, bytes) } else { self.inbox.push((at, bytes.to_vec())) }
        }
    }

    fn handle_arrival(&mut self, now: Instant, bytes: &[u8]) {
        if self.asleep {
            self.counters.missed_asleep += 1;
            self.note(now, Event::MissedAsleep(bytes.to_vec()));
            return;
        }
        self.last_message = now;
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(_) => return self.note(now, Event::Undecodable(bytes.to_vec())),
        };
        self.note(now, Event::Received(message.clone()));
        match message.kind {
            Kind::Reset => self.handle_reset(now, message.message_id),
            Kind::Acknowledgement if message.code == Code::EMPTY => self.handle_ack(now, message.message_id),
            _ if message.code == Code::EMPTY => self.transmit(now, &Message::reset(message.message_id)),
            _ if message.code.is_response() => self.handle_response(now, message),
            Kind::Acknowledgement => {}
            _ => self.handle_request(now, message),
        }
    }

    fn handle_reset(&mut self, now: Instant, message_id: u16) {
        self.counters.resets += 1;
        self.separate.retain(|repeated| repeated.message.message_id != message_id);
        if let Some(index) = self.exchanges.iter().position(|exchange| exchange.message_id == message_id) {
            let exchange = self.exchanges.swap_remove(index);
            if let Some(reply) = exchange.reply {
                let _ = reply.send(Err(ExchangeError::Reset));
            }
        }
        if let Some(token) = self
            .observations
            .iter()
            .find(|observation| observation.message_ids.contains(&message_id))
            .map(|observation| observation.token.clone())
        {
            self.end_observation(now, &token, EndCause::Reset);
        }
    }

    fn handle_ack(&mut self, now: Instant, message_id: u16) {
        self.separate.retain(|repeated| repeated.message.message_id != message_id);
        if let Some(exchange) = self.exchanges.iter_mut().find(|exchange| exchange.message_id == message_id) {
            exchange.repeated = None;
        }
        if self.acknowledge_notification(message_id) {
            self.counters.acknowledged += 1;
            self.note(now, Event::NotificationAcknowledged { message_id });
        }
    }

    fn handle_response(&mut self, now: Instant, message: Message) {
        let found = self.exchanges.iter().position(|exchange| {
            exchange.token == message.token
                && (message.kind != Kind::Acknowledgement || exchange.message_id == message.message_id)
        });
        if message.kind == Kind::Confirmable {
            let reaction = match found {
                Some(_) => Message::empty_ack(message.message_id),
                None => Message::reset(message.message_id),
            };
            self.transmit(now, &reaction);
        }
        if let Some(index) = found {
            let exchange = self.exchanges.swap_remove(index);
            if let Some(reply) = exchange.reply {
                let _ = reply.send(Ok(message));
            }
        }
    }

    fn handle_request(&mut self, now: Instant, message: Message) {
        if let Some((_, _, datagrams)) = self.answered.iter().find(|(_, id, _)| *id == message.message_id) {
            let datagrams = datagrams.clone();
            self.counters.duplicates += 1;
            self.note(now, Event::Duplicate(message.message_id));
            for bytes in datagrams {
                self.transmit_bytes(now, bytes);
            }
            return;
        }
        let rule = self.rules.iter_mut().find_map(|rule| rule.take(&message).then(|| rule.clone()));
        let rule = rule.unwrap_or_else(Rule::any);
        let first = self.outbox.len();
        self.reaction = Some(Vec::new());
        self.react(now, &message, &rule);
        let reaction = self.reaction.take().unwrap_or_default();
        let sent: Vec<Timed> = self.outbox[first..].to_vec();
        for _ in 1..rule.copies {
            self.outbox.extend(sent.iter().cloned());
        }
        if self.answered.len() == REMEMBERED {
            self.answered.pop_front();
        }
        // Only what belongs to this exchange: a repeated request must not repeat a notification. What the network has lost counts: the
        // request is repeated because of that.
        let replies = reaction
            .into_iter()
            .filter(|bytes| {
                Message::decode(bytes).is_ok_and(|sent| {
                    sent.message_id == message.message_id || (sent.token == message.token && !message.token.is_empty())
                })
            })
            .collect();
        self.answered.push_back((now, message.message_id, replies));
    }

    fn react(&mut self, now: Instant, request: &Message, rule: &Rule) {
        match &rule.delivery {
            Delivery::Silent => {}
            Delivery::Reset => self.transmit(now, &Message::reset(request.message_id)),
            Delivery::AcknowledgedOnly => self.transmit(now, &Message::empty_ack(request.message_id)),
            Delivery::Raw(datagrams) => {
                for bytes in datagrams(request) {
                    if let Ok(message) = Message::decode(&bytes) {
                        self.note(now, Event::Sent(message));
                    }
                    self.transmit_bytes(now, bytes);
                }
            }
            Delivery::Piggybacked(delay) => {
                let Some(answer) = self.answer(now, request, rule.answer.clone()) else { return };
                let message = if request.kind == Kind::Confirmable {
                    response(&answer, Kind::Acknowledgement, request.message_id, request)
                } else {
                    let id = self.next_message_id();
                    response(&answer, Kind::NonConfirmable, id, request)
                };
                self.transmit_at(now, now + *delay, &message);
            }
            Delivery::Separate { acknowledge, answer: delay, confirmable } => {
                let Some(answer) = self.answer(now, request, rule.answer.clone()) else { return };
                if let Some(after) = acknowledge {
                    self.transmit_at(now, now + *after, &Message::empty_ack(request.message_id));
                }
                let id = self.next_message_id();
                let kind = if *confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
                let message = response(&answer, kind, id, request);
                self.transmit_at(now, now + *delay, &message);
                if *confirmable {
                    let timeout = self.config.ack_timeout;
                    let next = now + *delay + timeout;
                    self.separate.push(Repeated { message, next, timeout, attempts: 0 });
                }
            }
        }
    }
}

type Reply = Result<Message, ExchangeError>;

fn response(answer: &Answer, kind: Kind, message_id: u16, request: &Message) -> Message {
    Message {
        kind,
        code: answer.code,
        message_id,
        token: request.token.clone(),
        options: answer.options.clone(),
        payload: answer.payload.clone(),
    }
}

fn take_due(queue: &mut Vec<Timed>, now: Instant) -> Vec<Vec<u8>> {
    let mut due: Vec<Timed> = queue.extract_if(.., |(at, _)| *at <= now).collect();
    due.sort_by_key(|(at, _)| *at);
    due.into_iter().map(|(_, bytes)| bytes).collect()
}

/// Whether an option with this number is critical and unknown to the device (RFC 7252 §5.4.1).
pub(super) fn is_unknown_critical(number: u16) -> bool {
    let known = [1, 3, 5, 7, option::URI_PATH, option::URI_QUERY, option::ACCEPT, option::BLOCK2, option::BLOCK1];
    number % 2 == 1 && !known.contains(&number)
}
