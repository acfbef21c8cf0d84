//! Commands from the broker: taken apart and judged on the MQTT library's own thread, then handed to the registry.
//!
//! The library acknowledges a message (QoS 1 and 2) when the callback returns: before that the command is in the journal. A full
//! registry holds the callback back, and so the broker, for a while. What still finds no room is answered 5.03: every command gets its
//! terminal message.
use super::duplicates::Delivery;
use super::journal::{Accepted, Journal};
use super::publisher::Publisher;
use super::record::Arrival;
use crate::clock;
use crate::custody::Custody;
use crate::event::{CommandDuplicate, CommandIgnored, CommandRefused, Event, StoreAvailable, StoreUnavailable};
use crate::mailbox::{self, Refused};
use crate::registry::{ClearRetained, Command, Registry};
use actix::Addr;
use contract::command::{Command as Parsed, Envelope};
use contract::message::{Problem, without_device};
use contract::topic::Topics;
use paho_mqtt::{Message, PropertyCode, QoS};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a full registry may hold the broker back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where incoming messages go.
#[derive(Debug)]
pub(crate) struct Intake {
    topics: Arc<Topics>,
    registry: Addr<Registry>,
    publisher: Publisher,
    journal: Option<Arc<Journal>>,
    draining: AtomicBool,
    /// The store was seen to take nothing.
    store_failed: AtomicBool,
}

impl Intake {
    pub(crate) fn new(
        topics: Arc<Topics>,
        registry: Addr<Registry>,
        publisher: Publisher,
        journal: Option<Arc<Journal>>,
    ) -> Intake {
        let (draining, store_failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Intake { topics, registry, publisher, journal, draining, store_failed }
    }

    /// From now on no command is carried out: those of QoS 1 and 2 stay in the journal for the next start, the others are answered 5.03.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// A connection to the broker is about to be made; repetitions may come before anything else.
    pub(crate) fn connecting(&self) {
        if let Some(journal) = &self.journal {
            journal.connecting();
        }
    }

    /// Says once when the store takes nothing any more, and once when it does again.
    pub(crate) fn watch_store(&self) {
        let Some(journal) = &self.journal else { return };
        let failed = !journal.is_healthy();
        match (self.store_failed.swap(failed, Relaxed), failed) {
            (false, true) => StoreUnavailable.emit(),
            (true, false) => StoreAvailable.emit(),
            _ => {}
        }
    }

    /// One message. `stale_retained`: retained messages are repetitions of a renewed subscription.
    pub(crate) fn receive(&self, message: Message, stale_retained: bool) {
        let (topic, payload, retained) = (message.topic(), message.payload(), message.retained());
        if retained && stale_retained {
            return;
        }
        let Some(parsed_topic) = self.topics.parse_command_topic(topic) else {
            return CommandIgnored { topic, cause: &"not a command topic" }.emit();
        };
        let mountpoint = parsed_topic.mountpoint;
        if payload.is_empty() && retained {
            // Nobody repeats it, but without it a later registration merely receives the command once more.
            let _ = mailbox::offer(&self.registry, ClearRetained { topic: topic.into() });
            return;
        }
        let command = match Parsed::parse(payload, envelope(&message)) {
            Ok(command) => command,
            Err(cause) => return CommandIgnored { topic, cause: &cause }.emit(),
        };
        let number = match self.write(&message) {
            Ok(Some(Accepted::New(number))) => Some(number),
            Ok(Some(Accepted::Repetition)) => return CommandDuplicate { topic, req: command.request_id() }.emit(),
            Ok(None) => None,
            Err(why) => return self.unavailable(mountpoint, &command, None, &why),
        };
        if self.draining.load(Relaxed) {
            if number.is_none() {
                self.unavailable(mountpoint, &command, None, "the gateway is stopping");
            }
            return;
        }
        // A bad command is answered now, not kept until its device registers.
        let topic = (retained && command.check().is_ok() && !command.is_cancel()).then(|| topic.into());
        let mountpoint = mountpoint.into();
        // One of QoS 0 may have to be kept yet, when its device sleeps.
        let message = (number.is_none() && self.journal.is_some()).then(|| Box::new(message));
        let custody = Custody { number, message, ..Custody::default() };
        let command = Box::new(command);
        self.hand_over(Command { topic, mountpoint, command, received: Instant::now(), custody });
    }

    /// Writes a command of QoS 1 or 2 into the journal. `Err`: commands are not taken, and why.
    fn write(&self, message: &Message) -> Result<Option<Accepted>, String> {
        let Some(journal) = &self.journal else { return Ok(None) };
        if !journal.is_healthy() {
            return Err("the store of the gateway takes nothing: disk full or failed".to_owned());
        }
        let delivery = delivery(message);
        if delivery.qos == 0 {
            return Ok(None);
        }
        let envelope = envelope(message);
        let accepted = journal.accept(&arrival(message, &envelope, clock::now().unix), delivery);
        accepted.map(Some).map_err(|error| format!("the command cannot be stored: {error}"))
    }

    fn hand_over(&self, mut command: Command) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (back, why) = match mailbox::offer(&self.registry, command) {
                Ok(()) => return,
                Err(Refused::Full(back)) if Instant::now() < deadline => {
                    command = back;
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                Err(Refused::Full(back)) => (back, "the gateway is overloaded"),
                Err(Refused::Gone(back)) => (back, "the gateway is stopping"),
            };
            return self.unavailable(&back.mountpoint, &back.command, back.custody.number, why);
        }
    }

    fn unavailable(&self, mountpoint: &str, command: &Parsed, number: Option<u64>, why: &str) {
        CommandRefused { endpoint: mountpoint, cause: &why }.emit();
        let problem = Problem::Unavailable(why.to_owned());
        self.publisher.conclude(without_device(&self.topics, mountpoint, &command.ticket(), &problem), number);
    }
}

/// A message as the journal wants it. `unix`: when it came.
pub(crate) fn arrival<'a>(message: &'a Message, envelope: &'a Envelope, unix: f64) -> Arrival<'a> {
    Arrival { topic: message.topic(), payload: message.payload(), envelope, retained: message.retained(), unix }
}

/// What MQTT says about the command beside its payload.
pub(crate) fn envelope(message: &Message) -> Envelope {
    let properties = message.properties();
    if properties.is_empty() {
        return Envelope::default();
    }
    Envelope {
        response_topic: properties.get(PropertyCode::ResponseTopic).and_then(|property| property.get_string()),
        correlation_data: properties.get_binary(PropertyCode::CorrelationData),
        expiry: properties.get(PropertyCode::MessageExpiryInterval).and_then(|property| property.get_u32()),
    }
}

/// QoS, DUP flag and packet identifier. The library keeps the last two to itself, but for its `Debug` text, at the front of which they
/// stand; the test sees to it that they are still there.
fn delivery(message: &Message) -> Delivery {
    let qos = match message.qos() {
        QoS::AtMostOnce => return Delivery::default(),
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    };
    let mut front = Front(String::new());
    // The error is the end of the front.
    let _ = write!(front, "{message:?}");
    let member = |name: &str| {
        let (_, rest) = front.0.split_once(name)?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u16>().ok()
    };
    Delivery { qos, again: member(" dup: ") == Some(1), packet: member(" msgid: ").unwrap_or(0) }
}

/// Takes the front of a long text.
struct Front(String);

impl Write for Front {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.push_str(text);
        if self.0.len() > 256 { Err(std::fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paho_mqtt::MessageBuilder;

    #[test]
    fn the_library_still_shows_packet_identifier_and_dup_flag() {
        let payload = "x".repeat(100_000);
        let message = MessageBuilder::new().topic("a/dn").payload(payload).qos(1).finalize();
        let mut front = Front(String::new());
        let _ = write!(front, "{message:?}");
        assert!(front.0.len() < 1_000);
        for member in [" qos: 1,", " dup: 0,", " msgid: 0,"] {
            assert!(front.0.contains(member), "{member} not in {}", front.0);
        }
        assert_eq!(delivery(&message), Delivery { qos: 1, again: false, packet: 0 });
    }
}
