//! One session on virtual time, driven by datagrams as a device would send them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its part; a test may panic")]
use coap::{Code, Kind, Message, option};
use lwm2m::catalog::Catalog;
use lwm2m::registration::Registration;
use lwm2m::session::operation::{Operation, Subject, Target};
use lwm2m::session::policy::{Admission, AutoObserve};
use lwm2m::session::{
    Accepted, Address, Answer, Content, Event, Now, Outcome, Output, Patch, Policy, Refused, Session, Snapshot,
    Submission, Ticket,
};
use lwm2m::{Node, Path};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const SEED: [u8; 16] = *b"a session's seed";
pub const EPOCH: f64 = 1_700_000_000.0;

/// Lets everybody in but the names it was told not to.
#[derive(Debug, Default)]
pub struct Doorman {
    pub refuses: Vec<String>,
    pub bars: Vec<Address>,
}

impl Admission for Doorman {
    fn admit(&self, registration: &Registration, from: Address) -> Result<(), (Code, String)> {
        match self.refuses.contains(&registration.endpoint) || self.bars.contains(&from) {
            true => Err((Code::FORBIDDEN, "not on the list".to_owned())),
            false => Ok(()),
        }
    }
}

pub fn policy() -> Policy {
    Policy {
        coap: Arc::new(coap::Config::default()),
        lifetime_min: Duration::from_secs(1),
        lifetime_max: Duration::from_secs(86_400),
        awake_window: Duration::from_secs(22),
        queue_max: 100,
        auto_observe: AutoObserve::Off,
        auto_observe_ticket: |path| ticket(&format!("auto {path}")),
        admission: Arc::new(Doorman::default()),
        raw_unknown_objects: false,
        address_change: true,
    }
}

/// Device, Temperature, and an object of each type that tests need.
pub fn catalog() -> Arc<Catalog> {
    let item = |id: u16, operations: &str, multiple: &str, kind: &str| {
        format!(
            "<Item ID=\"{id}\"><Name>R{id}</Name><Operations>{operations}</Operations>\
             <MultipleInstances>{multiple}</MultipleInstances><Mandatory>Optional</Mandatory><Type>{kind}</Type>\
             <RangeEnumeration></RangeEnumeration><Units></Units></Item>"
        )
    };
    let object = |id: u16, items: &str| {
        format!(
            "<LWM2M><Object ObjectType=\"MODefinition\"><Name>O{id}</Name><ObjectID>{id}</ObjectID>\
             <ObjectURN>urn:oma:lwm2m:oma:{id}</ObjectURN><LWM2MVersion>1.0</LWM2MVersion>\
             <ObjectVersion>1.0</ObjectVersion><MultipleInstances>Multiple</MultipleInstances>\
             <Mandatory>Optional</Mandatory><Resources>{items}</Resources></Object></LWM2M>"
        )
    };
    let device = [
        item(0, "R", "Single", "String"),
        item(4, "E", "Single", ""),
        item(6, "R", "Multiple", "Integer"),
        item(9, "R", "Single", "Integer"),
        item(10, "R", "Single", "Integer"),
        item(13, "RW", "Single", "Time"),
        item(14, "RW", "Single", "String"),
        item(22, "RW", "Multiple", "Objlnk"),
    ];
    let location = [item(0, "R", "Single", "Float"), item(4, "R", "Single", "Opaque")];
    let files =
        [object(3, &device.concat()), object(6, &location.concat()), object(3303, &item(5700, "R", "Single", "Float"))];
    let (catalog, findings) = Catalog::load(files.iter().map(|file| ("test.xml", file.as_bytes())));
    assert_eq!(findings, []);
    Arc::new(catalog)
}

pub fn ticket(name: &str) -> Ticket {
    Ticket(name.as_bytes().into())
}

pub fn name(ticket: &Ticket) -> String {
    String::from_utf8(ticket.0.to_vec()).unwrap()
}

pub fn address(port: u16) -> Address {
    Address { socket: ([127, 0, 0, 1], port).into(), listener: 0, association: None }
}

pub fn secure(port: u16) -> Address {
    Address { association: std::num::NonZeroU64::new(7), ..address(port) }
}

pub fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub fn target(text: &str) -> Target {
    Target { path: path(text), query: Vec::new() }
}

pub fn read(text: &str) -> Operation {
    Operation::Read { target: target(text), format: None }
}

pub fn execute(text: &str) -> Operation {
    Operation::Execute { target: target(text), arguments: None }
}

pub fn observe(text: &str) -> Operation {
    Operation::Observe { target: target(text), format: None }
}

pub fn cancel(text: &str, passive: bool) -> Operation {
    Operation::CancelObserve { target: target(text), passive }
}

pub fn subject(text: &str) -> Subject {
    Subject::Target(target(text))
}

/// What came out of one step.
#[derive(Debug, Default)]
pub struct Step {
    pub outputs: Vec<Output>,
}

impl Step {
    pub fn sent(&self) -> Vec<Message> {
        self.sent_to().into_iter().map(|(_, message)| message).collect()
    }
    pub fn sent_to(&self) -> Vec<(Address, Message)> {
        let sent = self.outputs.iter().filter_map(|output| match output {
            Output::Transmit(to, datagram) => Some((*to, Message::decode(datagram).unwrap())),
            _ => None,
        });
        sent.collect()
    }
    /// The one datagram that was sent.
    pub fn message(&self) -> Message {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{:?}", self.outputs);
        sent.into_iter().next().unwrap()
    }
    pub fn events(&self) -> Vec<&Event> {
        let events = self.outputs.iter().filter_map(|output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    }
    /// Kinds of the outputs in order, patches left out: `→2.01 Registered →GET`.
    pub fn story(&self) -> String {
        let words = self.outputs.iter().filter_map(|output| match output {
            Output::Transmit(_, datagram) => {
                let message = Message::decode(datagram).unwrap();
                Some(match (message.method(), message.kind(), message.code()) {
                    (Some(method), ..) => format!("→{method:?}"),
                    (None, Kind::Reset, _) => "→RST".to_owned(),
                    (None, _, Code::EMPTY) => "→ACK".to_owned(),
                    (None, _, code) => format!("→{code}"),
                })
            }
            Output::Event(event) => {
                let debug = format!("{event:?}");
                Some(debug.split([' ', '(', '{']).next().unwrap().to_owned())
            }
            Output::Persist(_) | Output::Timeout(_) => None,
        });
        words.collect::<Vec<_>>().join(" ")
    }
    pub fn finished(&self) -> Vec<(String, Outcome, Option<u32>)> {
        let finished = self.events().into_iter().filter_map(|event| match event {
            Event::Finished { ticket, outcome, observing } => Some((name(ticket), outcome.clone(), *observing)),
            _ => None,
        });
        finished.collect()
    }
    /// The one answer.
    pub fn answer(&self) -> Answer {
        match &self.finished()[..] {
            [(_, Outcome::Answered(answer), _)] => answer.clone(),
            other => panic!("{other:?} in {:?}", self.outputs),
        }
    }
    pub fn notified(&self) -> Vec<(String, u32, Answer, Option<lwm2m::session::Delivery>)> {
        let notified = self.events().into_iter().filter_map(|event| match event {
            Event::Notified { ticket, sequence, answer, delivery } => {
                Some((name(ticket), *sequence, answer.clone(), *delivery))
            }
            _ => None,
        });
        notified.collect()
    }
    pub fn patches(&self) -> Vec<Patch> {
        let patches = self.outputs.iter().filter_map(|output| match output {
            Output::Persist(patch) => Some(patch.clone()),
            _ => None,
        });
        patches.collect()
    }
}

pub struct Bench {
    pub session: Session,
    pub now: Instant,
    pub start: Instant,
    pub device_id: u16,
    pub stored: Option<Snapshot>,
    pub home: Address,
    /// What the clock on the wall was set ahead by.
    pub wall: f64,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(policy())
    }
    #[allow(clippy::disallowed_methods, reason = "only a starting point: all that follows is virtual time")]
    pub fn with(policy: Policy) -> Bench {
        let now = Instant::now();
        let session = Session::new("ep1", Arc::new(policy), catalog(), SEED);
        Bench { session, now, start: now, device_id: 0x7000, stored: None, home: address(40_000), wall: 0.0 }
    }
    /// A bench with a registered device.
    pub fn registered(query: &[&str], links: &str) -> Bench {
        Bench::registered_with(policy(), query, links)
    }
    pub fn registered_with(policy: Policy, query: &[&str], links: &str) -> Bench {
        let mut bench = Bench::with(policy);
        let step = bench.register(query, links);
        assert_eq!(step.sent()[0].code(), Code::CREATED, "{:?}", step.outputs);
        bench
    }
    /// The usual 1.0 device.
    pub fn usual() -> Bench {
        Bench::registered(&["ep=ep1", "lt=300", "lwm2m=1.0", "b=U"], "</3/0>,</6/0>,</3303/0>,</3303/1>")
    }

    pub fn clock(&self) -> Now {
        Now { instant: self.now, unix: EPOCH + self.wall + (self.now - self.start).as_secs_f64() }
    }
    pub fn drain(&mut self) -> Step {
        let mut outputs = Vec::new();
        loop {
            match self.session.poll_output() {
                Output::Timeout(_) => break,
                output => outputs.push(output),
            }
        }
        let step = Step { outputs };
        for patch in step.patches() {
            Snapshot::apply(&mut self.stored, patch);
        }
        step
    }
    fn timeout(&mut self) -> Option<Instant> {
        match self.session.poll_output() {
            Output::Timeout(timeout) => timeout,
            other => panic!("not drained: {other:?}"),
        }
    }
    /// Time passes, and every timer fires when it is due.
    pub fn wait(&mut self, seconds: f64) -> Step {
        let end = self.now + Duration::from_secs_f64(seconds);
        let mut outputs = self.drain().outputs;
        let mut fired = 0;
        while let Some(due) = self.timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let now = self.clock();
            self.session.handle_timeout(now);
            outputs.extend(self.drain().outputs);
            fired += 1;
            assert!(fired < 10_000, "a timer that never comes to rest");
        }
        self.now = end;
        Step { outputs }
    }
    pub fn datagram_from(&mut self, from: Address, datagram: &[u8]) -> Step {
        let now = self.clock();
        self.session.handle_datagram(now, from, datagram);
        self.drain()
    }
    pub fn datagram(&mut self, datagram: &[u8]) -> Step {
        self.datagram_from(self.home, datagram)
    }
    pub fn deliver(&mut self, message: &Message) -> Step {
        self.datagram(&message.encode())
    }
    pub fn next_id(&mut self) -> u16 {
        self.device_id += 1;
        self.device_id
    }
    /// A confirmable request of the device.
    pub fn request(&mut self, method: Code, path: &[&str], query: &[&str], payload: &[u8]) -> Message {
        let id = self.next_id();
        request(id, method, path, query, payload)
    }
    pub fn register(&mut self, query: &[&str], links: &str) -> Step {
        let message = self.request(POST, &["rd"], query, links.as_bytes());
        self.deliver(&message)
    }
    pub fn location(&self) -> Vec<String> {
        self.session.registration().unwrap().location.clone()
    }
    pub fn update(&mut self, query: &[&str], links: &str) -> Step {
        let message = self.update_message(query, links);
        self.deliver(&message)
    }
    pub fn update_message(&mut self, query: &[&str], links: &str) -> Message {
        let location = self.location();
        let location: Vec<_> = location.iter().map(String::as_str).collect();
        self.request(POST, &location, query, links.as_bytes())
    }
    pub fn deregister(&mut self) -> Step {
        let location = self.location();
        let location: Vec<_> = location.iter().map(String::as_str).collect();
        let message = self.request(DELETE, &location, &[], b"");
        self.deliver(&message)
    }
    pub fn submit(&mut self, name: &str, operation: Operation) -> (Result<Accepted, Refused>, Step) {
        self.submit_as(Submission { operation, ticket: ticket(name), expires: None, immediate: false })
    }
    pub fn submit_as(&mut self, submission: Submission) -> (Result<Accepted, Refused>, Step) {
        let now = self.clock();
        let accepted = self.session.submit(now, submission);
        (accepted, self.drain())
    }
    /// Submits and yields the request on the wire.
    pub fn send(&mut self, name: &str, operation: Operation) -> Message {
        let (accepted, step) = self.submit(name, operation);
        assert_eq!(accepted, Ok(Accepted::Sent));
        step.message()
    }
    /// The device answers with its ACK.
    pub fn answer(&mut self, request: &Message, code: Code, format: Option<u16>, payload: &[u8]) -> Step {
        self.deliver(&response(request, code, format, payload))
    }
    pub fn observe(&mut self, name: &str, text: &str) -> Message {
        let request = self.send(name, observe(text));
        let mut answer = response(&request, Code::CONTENT, Some(0), b"1");
        answer.add_uint(option::OBSERVE, 1);
        let step = self.deliver(&answer);
        assert_eq!(step.finished().len(), 1, "{:?}", step.outputs);
        request
    }
    pub fn notification(
        &mut self,
        observe: &Message,
        kind: Kind,
        code: Code,
        sequence: Option<u32>,
        payload: &[u8],
    ) -> Message {
        let id = self.next_id();
        let mut message = Message::new(kind, code, id, observe.token());
        if let Some(sequence) = sequence {
            message.add_uint(option::OBSERVE, sequence);
        }
        if code.is_success() {
            message.add_uint(option::CONTENT_FORMAT, 0);
        }
        message.set_payload(payload);
        message
    }
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.session.snapshot(self.clock())
    }
}

pub const GET: Code = Code(1);
pub const POST: Code = Code(2);
pub const PUT: Code = Code(3);
pub const DELETE: Code = Code(4);
pub const FETCH: Code = Code(5);
pub const IPATCH: Code = Code(7);

pub fn request(id: u16, method: Code, path: &[&str], query: &[&str], payload: &[u8]) -> Message {
    let mut message = Message::new(Kind::Confirmable, method, id, &id.to_be_bytes());
    for segment in path {
        message.add_option(option::URI_PATH, segment.as_bytes());
    }
    for member in query {
        message.add_option(option::URI_QUERY, member.as_bytes());
    }
    message.set_payload(payload);
    message
}

/// A piggybacked response.
pub fn response(request: &Message, code: Code, format: Option<u16>, payload: &[u8]) -> Message {
    let mut message = Message::new(Kind::Acknowledgement, code, request.id(), request.token());
    if let Some(format) = format {
        message.add_uint(option::CONTENT_FORMAT, format.into());
    }
    message.set_payload(payload);
    message
}

pub fn empty_ack(request: &Message) -> Message {
    Message::new(Kind::Acknowledgement, Code::EMPTY, request.id(), &[])
}

pub fn reset(message: &Message) -> Message {
    Message::new(Kind::Reset, Code::EMPTY, message.id(), &[])
}

pub fn segments(message: &Message) -> Vec<String> {
    message.uri_path().iter().map(|segment| String::from_utf8(segment.to_vec()).unwrap()).collect()
}

pub fn query(message: &Message) -> Vec<String> {
    message.uri_query().iter().map(|member| String::from_utf8(member.to_vec()).unwrap()).collect()
}

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub fn answered(outcome: &Outcome) -> Code {
    match outcome {
        Outcome::Answered(answer) => answer.code,
        other => panic!("{other:?}"),
    }
}

pub fn nodes(answer: &Answer) -> Vec<Node> {
    match &answer.content {
        Content::Nodes(nodes) => nodes.clone(),
        other => panic!("{other:?}"),
    }
}
