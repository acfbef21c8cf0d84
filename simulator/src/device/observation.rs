//! Observations: when a notification leaves (RFC 7641; OMA TS Core 7.3, attributes).

use super::engine::{Engine, Repeated};
use super::log::{EndCause, Event, Request};
use super::script::Answer;
use crate::format::Node;
use crate::message::{Code, Kind, Message, option};
use crate::path::Path;
use crate::value::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Message ids of recent notifications by which RST can cancel.
const RECENT: usize = 16;

/// One observed path, or several for a composite.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) token: Vec<u8>,
    pub(super) paths: Vec<Path>,
    /// The observe request without payload: format, path and block size of the notifications follow it.
    request: Message,
    pub(super) sequence: u32,
    last_sent: Instant,
    last_nodes: Vec<Node>,
    /// What a lone Boolean was when it was last looked at, for `edge`.
    last_look: Option<bool>,
    /// Something changed enough to be told.
    dirty: bool,
    pub(super) in_flight: Option<Repeated>,
    pub(super) message_ids: VecDeque<u16>,
}

/// Attributes in force for one observation.
struct Periods {
    pmin: Duration,
    pmax: Option<Duration>,
}

impl Engine {
    /// Starts, ends or leaves observations as the Observe option of `request` says; adds the option to the answer.
    pub(super) fn observed(
        &mut self,
        now: Instant,
        request: &Request,
        paths: Vec<Path>,
        nodes: Vec<Node>,
        answer: Answer,
    ) -> Answer {
        let token = &request.message.token;
        match request.observe() {
            Some(0) => {
                let same = |o: &Observation| o.token == *token || o.paths == paths;
                if let Some(old) = self.observations.iter().find(|o| same(o)).map(|o| o.token.clone()) {
                    self.end_observation(now, &old, EndCause::Replaced);
                }
                let mut message = request.message.clone();
                message.payload.clear();
                self.counters.observations += 1;
                self.note(now, Event::ObserveStarted { paths: paths.clone(), token: token.clone() });
                self.observations.push(Observation {
                    token: token.clone(),
                    paths,
                    request: message,
                    sequence: 1,
                    last_sent: now,
                    last_look: lone_boolean(&nodes),
                    last_nodes: nodes,
                    dirty: false,
                    in_flight: None,
                    message_ids: VecDeque::new(),
                });
                self.schedule_evaluation(now);
                answer.option_uint(option::OBSERVE, 0)
            }
            Some(_) => {
                let matching = |o: &Observation| o.token == *token || o.paths == paths;
                if let Some(old) = self.observations.iter().find(|o| matching(o)).map(|o| o.token.clone()) {
                    self.end_observation(now, &old, EndCause::Cancelled);
                }
                answer
            }
            None => answer,
        }
    }

    pub(super) fn end_observation(&mut self, now: Instant, token: &[u8], cause: EndCause) {
        if let Some(index) = self.observations.iter().position(|o| o.token == token) {
            let ended = self.observations.swap_remove(index);
            self.note(now, Event::ObserveEnded { token: ended.token, cause });
        }
    }

    pub(super) fn end_observations_below(&mut self, now: Instant, path: &Path, cause: EndCause) {
        let below = |o: &Observation| o.paths.iter().all(|observed| path.contains(observed));
        let ended: Vec<Vec<u8>> = self.observations.iter().filter(|o| below(o)).map(|o| o.token.clone()).collect();
        for token in ended {
            self.end_observation(now, &token, cause);
        }
    }

    pub(super) fn acknowledge_notification(&mut self, message_id: u16) -> bool {
        let in_flight = |o: &&mut Observation| {
            o.in_flight.as_ref().is_some_and(|repeated| repeated.message.message_id == message_id)
        };
        self.observations.iter_mut().find(in_flight).is_some_and(|o| o.in_flight.take().is_some())
    }

    fn schedule_evaluation(&mut self, now: Instant) {
        if self.next_evaluation.is_none() && self.objects.has_living() {
            self.next_evaluation = Some(now + self.evaluation_period());
        }
    }

    /// How long living values are not looked at: the device's habit, within the evaluation periods of what is observed (LwM2M 1.1).
    fn evaluation_period(&self) -> Duration {
        let seconds = |name| {
            let paths = self.observations.iter().flat_map(|observation| &observation.paths);
            paths
                .filter_map(move |path| self.attribute(path, name))
                .filter_map(|value| Duration::try_from_secs_f64(value).ok())
        };
        let longest = seconds("epmax").min().unwrap_or(Duration::MAX);
        self.config.evaluation.max(seconds("epmin").max().unwrap_or_default()).min(longest)
    }

    pub(super) fn observation_deadline(&self, observation: &Observation) -> Option<Instant> {
        if let Some(in_flight) = &observation.in_flight {
            return Some(in_flight.next);
        }
        let periods = self.periods(&observation.paths);
        let dirty = observation.dirty.then(|| observation.last_sent + periods.pmin);
        let pmax = periods.pmax.map(|pmax| observation.last_sent + pmax);
        dirty.into_iter().chain(pmax).min()
    }

    /// Notifications that time asks for.
    pub(super) fn evaluate(&mut self, now: Instant) {
        if self.next_evaluation.is_some_and(|at| now >= at) {
            self.next_evaluation = (!self.observations.is_empty()).then(|| now + self.evaluation_period());
            self.mark_changes(now);
        }
        self.notify_due(now);
    }

    /// Notifications that a change asks for.
    pub(super) fn evaluate_changes(&mut self, now: Instant) {
        self.mark_changes(now);
        self.notify_due(now);
    }

    fn mark_changes(&mut self, now: Instant) {
        let elapsed = now - self.started;
        for index in 0..self.observations.len() {
            let nodes = self.read_all(&self.observations[index].paths, elapsed);
            let observation = &self.observations[index];
            let look = lone_boolean(&nodes);
            let tell = match (observation.last_look, look, self.edge(&observation.paths)) {
                // Only this way around (LwM2M 1.2); the other way is not even remembered as told.
                (Some(before), Some(after), Some(edge)) => before != after && after == edge,
                _ => nodes != observation.last_nodes && self.passes_attributes(observation, &nodes),
            };
            let observation = &mut self.observations[index];
            observation.dirty |= tell;
            observation.last_look = look;
        }
    }

    fn notify_due(&mut self, now: Instant) {
        for index in 0..self.observations.len() {
            let observation = &self.observations[index];
            if observation.in_flight.is_some() || self.is_asleep() {
                continue;
            }
            if self.observation_deadline(observation).is_some_and(|at| now >= at) {
                self.notify(now, index, None);
            }
        }
    }

    /// Notifies every observation that `path` touches, whether or not anything changed.
    pub(super) fn notify_path(&mut self, now: Instant, path: &Path, confirmable: Option<bool>) -> usize {
        let touches = |o: &Observation| o.paths.iter().any(|p| p.contains(path) || path.contains(p));
        let indices: Vec<usize> = (0..self.observations.len()).filter(|i| touches(&self.observations[*i])).collect();
        for index in &indices {
            self.notify(now, *index, confirmable);
        }
        indices.len()
    }

    /// Sets the Observe option that the next notification of `path` carries.
    pub(super) fn set_sequence(&mut self, path: &Path, sequence: u32) {
        for observation in self.observations.iter_mut().filter(|o| o.paths.contains(path)) {
            observation.sequence = sequence & 0x00ff_ffff;
        }
    }

    fn notify(&mut self, now: Instant, index: usize, confirmable: Option<bool>) {
        let elapsed = now - self.started;
        let observation = &self.observations[index];
        let nodes = self.read_all(&observation.paths, elapsed);
        let composite = observation.request.code == Code::FETCH;
        let base = if composite { Path::root() } else { observation.paths.first().cloned().unwrap_or_default() };
        let accept = observation.request.uint(option::ACCEPT);
        let accept = accept.or_else(|| composite.then(|| observation.request.uint(option::CONTENT_FORMAT)).flatten());
        let request = observation.request.clone();
        let (token, sequence) = (observation.token.clone(), observation.sequence);
        let confirmable = confirmable.or_else(|| self.con_attribute(&observation.paths));
        let answer = self.content(&base, &nodes, accept).unwrap_or_else(Answer::code);
        let answer = if answer.code.is_success() { answer.option_uint(option::OBSERVE, sequence) } else { answer };
        let answer = self.first_block(&request, answer);
        let confirmable = confirmable.unwrap_or(self.config.confirmable_notifications);
        let kind = if confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
        let message_id = self.next_message_id();
        let message = Message {
            kind,
            code: answer.code,
            message_id,
            token: token.clone(),
            options: answer.options,
            payload: answer.payload,
        };
        self.counters.notifications += 1;
        self.note(now, Event::Notified { token: token.clone(), message_id, sequence, kind });
        let in_flight = if confirmable {
            Some(self.repeated(now, message))
        } else {
            self.transmit(now, &message);
            None
        };
        let observation = &mut self.observations[index];
        observation.sequence = (sequence + 1) & 0x00ff_ffff;
        observation.last_sent = now;
        observation.last_nodes = nodes;
        observation.dirty = false;
        observation.in_flight = in_flight;
        if observation.message_ids.len() == RECENT {
            observation.message_ids.pop_front();
        }
        observation.message_ids.push_back(message_id);
        if !answer.code.is_success() {
            self.end_observation(now, &token, EndCause::Gone);
        }
    }

    // Attributes.

    pub(super) fn write_attributes(&mut self, now: Instant, path: &Path, query: Vec<String>) {
        let attributes = self.attributes.entry(path.clone()).or_default();
        for member in &query {
            match member.split_once('=') {
                Some((name, value)) => attributes.insert(name.to_owned(), value.to_owned()),
                None => attributes.remove(member),
            };
        }
        self.note(now, Event::AttributesWritten(path.clone(), query));
    }

    /// The attributes of exactly `path` as they stand in a Discover answer.
    pub(super) fn attribute_text(&self, path: &Path) -> String {
        let attributes = self.attributes.get(path).into_iter().flatten();
        attributes.map(|(name, value)| format!(";{name}={value}")).collect()
    }

    /// The same with what the levels above contribute: so it stands at the resource that a Discover is about (OMA TS Core 1.1, 6.3.2).
    pub(super) fn effective_attribute_text(&self, path: &Path) -> String {
        let mut effective = BTreeMap::new();
        for depth in 1..=path.depth() {
            effective.extend(self.attributes.get(&path.prefix(depth)).into_iter().flatten());
        }
        effective.into_iter().map(|(name, value)| format!(";{name}={value}")).collect()
    }

    /// An attribute with its inheritance: resource before instance before object.
    fn attribute(&self, path: &Path, name: &str) -> Option<f64> {
        let at = |depth: usize| self.attributes.get(&path.prefix(depth)).and_then(|a: &BTreeMap<_, _>| a.get(name));
        (1..=path.depth()).rev().find_map(at)?.parse().ok()
    }

    fn con_attribute(&self, paths: &[Path]) -> Option<bool> {
        self.attribute(paths.first()?, "con").map(|con| con == 1.0)
    }

    /// `edge`: which change of a lone Boolean is told.
    fn edge(&self, paths: &[Path]) -> Option<bool> {
        self.attribute(paths.first()?, "edge").map(|edge| edge == 1.0)
    }

    fn periods(&self, paths: &[Path]) -> Periods {
        // The strictest of the paths of a composite counts.
        let seconds = |name| {
            let values = paths.iter().filter_map(move |path| self.attribute(path, name));
            values.filter_map(|value| Duration::try_from_secs_f64(value).ok())
        };
        let pmin = seconds("pmin").max().unwrap_or(self.config.pmin);
        let pmax = seconds("pmax").min().unwrap_or(self.config.pmax);
        Periods { pmin, pmax: (!pmax.is_zero() && pmax >= pmin).then_some(pmax) }
    }

    /// Whether gt, lt and st let this change through; they look at single numeric resources only.
    fn passes_attributes(&self, observation: &Observation, nodes: &[Node]) -> bool {
        let ([path], [old], [new]) = (observation.paths.as_slice(), observation.last_nodes.as_slice(), nodes) else {
            return true;
        };
        let number = |node: &Node| node.value.as_ref().and_then(Value::as_number);
        let (Some(old), Some(new)) = (number(old), number(new)) else { return true };
        let [gt, lt, st] = ["gt", "lt", "st"].map(|name| self.attribute(path, name));
        if gt.is_none() && lt.is_none() && st.is_none() {
            return true;
        }
        let crosses = |limit: Option<f64>| limit.is_some_and(|limit| (old > limit) != (new > limit));
        crosses(gt) || crosses(lt) || st.is_some_and(|step| (new - old).abs() >= step)
    }
}

/// The value of a lone Boolean.
fn lone_boolean(nodes: &[Node]) -> Option<bool> {
    match nodes {
        [Node { value: Some(Value::Boolean(value)), .. }] => Some(*value),
        _ => None,
    }
}
