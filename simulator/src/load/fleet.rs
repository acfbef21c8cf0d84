//! Many lean devices driven by one thread.

use super::member::{Member, Observed, Pending, Purpose};
use super::network::{Batch, Network};
use super::statistics::Statistics;
use crate::message::{Code, Kind, Message, option};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What the devices of a fleet are.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where they register.
    pub gateway: SocketAddr,
    /// Endpoint names are this and a number.
    pub prefix: String,
    /// Number of the first device.
    pub first: usize,
    /// Lifetime in seconds.
    pub lifetime: u32,
    /// `lwm2m=`.
    pub version: String,
    /// More query members, such as `b=UQ`.
    pub query: Vec<String>,
    /// Payload of Register.
    pub object_list: String,
    /// What a GET of this path gives (Uri-Path with leading slash, Content-Format, payload); the first one for any
    /// other path too.
    pub contents: Vec<(String, u16, Vec<u8>)>,
    /// ACK_TIMEOUT, without random factor: the first retransmission leaves after it.
    pub ack_timeout: Duration,
    /// MAX_RETRANSMIT.
    pub max_retransmit: u32,
}

impl Plan {
    /// Thermometers: object 3303 answering one 32-bit float in TLV, and a ten-resource Device object.
    pub fn thermometers(gateway: SocketAddr) -> Plan {
        Plan {
            gateway,
            prefix: "load-".to_owned(),
            first: 0,
            lifetime: 3600,
            version: "1.0".to_owned(),
            query: Vec::new(),
            object_list: "</1/0>,</3/0>,</3303/0>".to_owned(),
            contents: vec![
                ("/3303/0/5700".to_owned(), 11542, one_float()),
                ("/3/0".to_owned(), 11542, ten_resources()),
            ],
            ack_timeout: Duration::from_secs(2),
            max_retransmit: 4,
        }
    }
}

/// TLV of resource 5700 holding the 32-bit float 20.02.
fn one_float() -> Vec<u8> {
    let mut bytes = vec![0xe4, 0x16, 0x44];
    bytes.extend_from_slice(&20.02f32.to_be_bytes());
    bytes
}

/// TLV of ten resources of the Device object: four strings, five integers, a time.
fn ten_resources() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, text) in [(0u8, "Acme"), (1, "GW-1"), (2, "345000123"), (3, "1.2.3")] {
        if text.len() < 8 {
            bytes.extend([0xc0 | text.len() as u8, id]);
        } else {
            bytes.extend([0xc8, id, text.len() as u8]);
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend([0x86, 6, 0x41, 0, 1, 0x41, 1, 5]);
    bytes.extend([0xc1, 9, 100, 0xc1, 10, 15, 0xc1, 20, 0, 0xc1, 21, 64]);
    bytes.extend([0xc4, 13, 0x51, 0x82, 0x42, 0x8f]);
    bytes
}

/// How fast and how long a flow of messages runs.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Messages per second; `None`: as fast as `window` allows.
    pub rate: Option<f64>,
    /// CON messages without acknowledgement at any time, at most.
    pub window: usize,
    /// Ends after this time even if not all messages are out.
    pub at_most: Duration,
}

/// All devices of one run. Dropping it closes their sockets.
pub struct Fleet {
    plan: Plan,
    network: Network,
    batch: Batch,
    members: Vec<Member>,
    timers: BinaryHeap<Reverse<(Instant, usize, u16)>>,
    outstanding: usize,
    statistics: Statistics,
    next_notifier: usize,
}

impl Fleet {
    /// Provides for so many devices; nothing is sent yet.
    ///
    /// # Errors
    /// When a socket cannot be bound, or more would be needed than may be open.
    pub fn new(plan: Plan, devices: usize) -> io::Result<Fleet> {
        let mut fleet = Fleet {
            network: Network::new(plan.gateway)?,
            plan,
            batch: Batch::default(),
            members: Vec::new(),
            timers: BinaryHeap::new(),
            outstanding: 0,
            statistics: Statistics::default(),
            next_notifier: 0,
        };
        fleet.grow(devices)?;
        Ok(fleet)
    }

    /// Adds devices, not registered yet.
    ///
    /// # Errors
    /// As [`Fleet::new`].
    pub fn grow(&mut self, devices: usize) -> io::Result<()> {
        let total = self.members.len() + devices;
        self.network.grow(total)?;
        // Message ids of neighbours lie far apart, so that no one is taken for another's.
        let members = (self.members.len()..total).map(|index| Member::new((index as u16).wrapping_mul(40_503)));
        self.members.extend(members);
        Ok(())
    }

    /// Number of devices.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no devices.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Everything counted since the start or the last [`Fleet::take_statistics`].
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The counters, which begin anew.
    pub fn take_statistics(&mut self) -> Statistics {
        std::mem::take(&mut self.statistics)
    }

    /// The endpoint name of a device.
    pub fn endpoint(&self, index: usize) -> String {
        format!("{}{}", self.plan.prefix, self.plan.first + index)
    }

    /// Devices that have a registration.
    pub fn registered(&self) -> usize {
        self.members.iter().filter(|member| member.location.is_some()).count()
    }

    /// Observations of all devices together.
    pub fn observations(&self) -> usize {
        self.members.iter().map(|member| member.observed.len()).sum()
    }

    /// Registers every device that is not registered, and waits for the answers.
    ///
    /// # Errors
    /// When waiting for the sockets fails.
    pub fn register(&mut self, flow: Flow) -> io::Result<()> {
        let indices: Vec<usize> = (0..self.len()).filter(|i| self.members[*i].location.is_none()).collect();
        self.run(&indices, flow, Purpose::Register)
    }

    /// Updates every registration.
    ///
    /// # Errors
    /// When waiting for the sockets fails.
    pub fn update(&mut self, flow: Flow) -> io::Result<()> {
        let indices: Vec<usize> = (0..self.len()).filter(|i| self.members[*i].location.is_some()).collect();
        self.run(&indices, flow, Purpose::Update)
    }

    /// Ends every registration.
    ///
    /// # Errors
    /// When waiting for the sockets fails.
    pub fn deregister(&mut self, flow: Flow) -> io::Result<()> {
        let indices: Vec<usize> = (0..self.len()).filter(|i| self.members[*i].location.is_some()).collect();
        self.run(&indices, flow, Purpose::Deregister)
    }

    fn run(&mut self, indices: &[usize], flow: Flow, purpose: Purpose) -> io::Result<()> {
        let start = Instant::now();
        let mut next = 0;
        while (next < indices.len() || self.outstanding > 0) && start.elapsed() < flow.at_most {
            let due = pace(flow.rate, start.elapsed(), indices.len());
            while next < due && self.outstanding < flow.window {
                self.send_own(indices[next], purpose);
                next += 1;
                if next % 64 == 0 {
                    break;
                }
            }
            self.turn(if next < due && self.outstanding < flow.window { Duration::ZERO } else { TICK })?;
        }
        Ok(())
    }

    /// Sends up to `count` notifications of content `content` (index in [`Plan::contents`]) from the devices that
    /// are observed for it, in turn, and waits until the CON ones are acknowledged. `gate` says before each one
    /// whether it may leave now. Gives the number sent.
    ///
    /// # Errors
    /// When waiting for the sockets fails.
    pub fn notify(
        &mut self,
        content: usize,
        confirmable: bool,
        count: usize,
        flow: Flow,
        mut gate: impl FnMut(u64) -> bool,
    ) -> io::Result<usize> {
        let observed = |m: &Member| m.observed.iter().any(|o| usize::from(o.content) == content);
        let indices: Vec<usize> = (0..self.len()).filter(|i| observed(&self.members[*i])).collect();
        let start = Instant::now();
        let mut sent = 0;
        while (sent < count || self.outstanding > 0) && start.elapsed() < flow.at_most && !indices.is_empty() {
            let due = pace(flow.rate, start.elapsed(), count);
            let mut blocked = true;
            while sent < due && self.outstanding < flow.window && gate(sent as u64) {
                let index = indices[self.next_notifier % indices.len()];
                self.next_notifier += 1;
                if self.members[index].pending.is_some() {
                    break;
                }
                self.send_notification(index, content, confirmable);
                sent += 1;
                if sent % 64 == 0 {
                    blocked = false;
                    break;
                }
            }
            self.turn(if blocked { TICK } else { Duration::ZERO })?;
        }
        Ok(sent)
    }

    /// Answers whatever comes until `until` says true or the time is over.
    ///
    /// # Errors
    /// When waiting for the sockets fails.
    pub fn serve(&mut self, at_most: Duration, mut until: impl FnMut(&Fleet) -> bool) -> io::Result<()> {
        let start = Instant::now();
        while start.elapsed() < at_most && !until(self) {
            self.turn(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Waits for datagrams at most `patience`, handles them all and the timers.
    fn turn(&mut self, patience: Duration) -> io::Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        let received = self.network.receive(patience, &mut batch);
        for (device, bytes) in batch.iter() {
            self.statistics.received += 1;
            if let Ok(message) = Message::decode(bytes)
                && device < self.members.len()
            {
                self.handle(device, &message);
            }
        }
        self.batch = batch;
        self.handle_timers(Instant::now());
        received
    }

    fn handle(&mut self, index: usize, message: &Message) {
        if message.code.is_request() {
            return self.handle_request(index, message);
        }
        let pending = self.members[index].pending.as_ref();
        let ours = pending.is_some_and(|pending| pending.message_id == message.message_id);
        match message.kind {
            Kind::Reset => {
                self.statistics.resets += 1;
                if ours {
                    self.settle(index);
                }
            }
            Kind::Acknowledgement if ours => {
                let Some(purpose) = self.settle(index) else { return };
                self.handle_answer(index, purpose, message);
            }
            // The fleet's requests are answered piggybacked or not at all.
            _ => {}
        }
    }

    fn settle(&mut self, index: usize) -> Option<Purpose> {
        let pending = self.members[index].pending.take()?;
        self.outstanding -= 1;
        self.statistics.latencies.add(pending.first_sent.elapsed());
        Some(pending.purpose)
    }

    fn handle_answer(&mut self, index: usize, purpose: Purpose, message: &Message) {
        let member = &mut self.members[index];
        let statistics = &mut self.statistics;
        match purpose {
            Purpose::Notify => statistics.acknowledged += 1,
            _ if !message.code.is_success() => {
                statistics.refused += 1;
                member.location = None;
            }
            Purpose::Register => {
                statistics.registered += 1;
                member.observed.clear();
                member.location = message.location().map(String::into_boxed_str);
            }
            Purpose::Update => statistics.updated += 1,
            Purpose::Deregister => {
                statistics.deregistered += 1;
                member.observed.clear();
                member.location = None;
            }
        }
    }

    fn handle_request(&mut self, index: usize, request: &Message) {
        let kind = if request.kind == Kind::Confirmable { Kind::Acknowledgement } else { Kind::NonConfirmable };
        let mut answer = Message::new(kind, Code::CHANGED, request.message_id).with_token(&request.token);
        match request.code {
            Code::GET => {
                let path = request.path();
                let content = self.plan.contents.iter().position(|(at, ..)| *at == path).unwrap_or(0);
                let Some((_, format, payload)) = self.plan.contents.get(content) else { return };
                answer.code = Code::CONTENT;
                if request.uint(option::OBSERVE) == Some(0) {
                    answer = answer.with_uint(option::OBSERVE, 0);
                    let observed = &mut self.members[index].observed;
                    observed.retain(|o| usize::from(o.content) != content);
                    observed.push(Observed { token: request.token.clone(), content: content as u16, sequence: 0 });
                    self.statistics.observed += 1;
                }
                answer = answer.with_uint(option::CONTENT_FORMAT, u32::from(*format)).with_payload(payload.clone());
            }
            Code::DELETE => answer.code = Code::DELETED,
            _ => {}
        }
        self.statistics.answered += 1;
        self.transmit(index, &answer.encode());
    }

    fn send_own(&mut self, index: usize, purpose: Purpose) {
        let endpoint = self.endpoint(index);
        let member = &mut self.members[index];
        let id = member.next_message_id();
        let location = member.location.as_deref().unwrap_or_default();
        let token = id.to_be_bytes();
        let message = match purpose {
            Purpose::Register => {
                let mut message = Message::new(Kind::Confirmable, Code::POST, id)
                    .with_path("/rd")
                    .with_uint(option::CONTENT_FORMAT, 40)
                    .with_query(&format!("ep={endpoint}"))
                    .with_query(&format!("lt={}", self.plan.lifetime))
                    .with_query(&format!("lwm2m={}", self.plan.version));
                for member in &self.plan.query {
                    message = message.with_query(member);
                }
                message.with_payload(self.plan.object_list.as_bytes())
            }
            Purpose::Update => Message::new(Kind::Confirmable, Code::POST, id).with_path(location),
            Purpose::Deregister => Message::new(Kind::Confirmable, Code::DELETE, id).with_path(location),
            Purpose::Notify => return,
        };
        self.send_confirmable(index, purpose, message.with_token(&token));
    }

    fn send_notification(&mut self, index: usize, content: usize, confirmable: bool) {
        let Some((_, format, payload)) = self.plan.contents.get(content) else { return };
        let member = &mut self.members[index];
        let id = member.next_message_id();
        let Some(observed) = member.observed.iter_mut().find(|o| usize::from(o.content) == content) else { return };
        observed.sequence = (observed.sequence + 1) & 0x00ff_ffff;
        let kind = if confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
        let message = Message::new(kind, Code::CONTENT, id)
            .with_token(&observed.token)
            .with_uint(option::OBSERVE, observed.sequence)
            .with_uint(option::CONTENT_FORMAT, u32::from(*format))
            .with_payload(payload.clone());
        self.statistics.notifications += 1;
        if confirmable {
            self.send_confirmable(index, Purpose::Notify, message);
        } else {
            self.transmit(index, &message.encode());
        }
    }

    fn send_confirmable(&mut self, index: usize, purpose: Purpose, message: Message) {
        let bytes = message.encode();
        self.transmit(index, &bytes);
        let now = Instant::now();
        let timeout = self.plan.ack_timeout;
        self.timers.push(Reverse((now + timeout, index, message.message_id)));
        let pending = Pending { purpose, message_id: message.message_id, bytes, first_sent: now, timeout, attempts: 0 };
        if self.members[index].pending.replace(Box::new(pending)).is_none() {
            self.outstanding += 1;
        }
    }

    fn handle_timers(&mut self, now: Instant) {
        while let Some(Reverse((at, index, id))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            let member = &mut self.members[index];
            let Some(pending) = member.pending.as_mut().filter(|pending| pending.message_id == id) else { continue };
            if pending.attempts == self.plan.max_retransmit {
                member.pending = None;
                self.outstanding -= 1;
                self.statistics.unanswered += 1;
                continue;
            }
            pending.attempts += 1;
            pending.timeout *= 2;
            self.timers.push(Reverse((now + pending.timeout, index, id)));
            let bytes = pending.bytes.clone();
            self.statistics.retransmissions += 1;
            self.transmit(index, &bytes);
        }
    }

    fn transmit(&mut self, index: usize, bytes: &[u8]) {
        match self.network.send(index, bytes) {
            Ok(()) => self.statistics.sent += 1,
            // As good as lost on the way: retransmission is what helps.
            Err(_) => self.statistics.send_errors += 1,
        }
    }
}

/// Longest wait for datagrams while more is to be sent.
const TICK: Duration = Duration::from_micros(500);

/// How many messages may be out after `elapsed`.
fn pace(rate: Option<f64>, elapsed: Duration, count: usize) -> usize {
    rate.map_or(count, |rate| ((rate * elapsed.as_secs_f64()) as usize + 1).min(count))
}

/// Registers `devices` devices evenly within `period`, waits for all answers, and gives the counters: a gateway that
/// stands the storm has registered them all with no retransmission. Blocks the calling thread.
///
/// # Errors
/// When sockets cannot be had.
pub fn registration_storm(gateway: SocketAddr, devices: usize, period: Duration) -> io::Result<(Fleet, Statistics)> {
    let mut fleet = Fleet::new(Plan { prefix: "storm-".to_owned(), ..Plan::thermometers(gateway) }, devices)?;
    let rate = devices as f64 / period.as_secs_f64();
    fleet.register(Flow { rate: Some(rate), window: usize::MAX, at_most: period + Duration::from_secs(65) })?;
    let statistics = fleet.take_statistics();
    Ok((fleet, statistics))
}

#[cfg(test)]
mod tests;
