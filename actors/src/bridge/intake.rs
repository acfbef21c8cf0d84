//! Commands from the broker: taken apart and judged on the MQTT library's own thread, then handed to the registry.
//!
//! The library acknowledges a message (QoS 1 and 2) when the callback returns; a full registry therefore holds the callback back, and so
//! the broker, for a while. What still finds no room is answered 5.03: every command gets its terminal message.
use super::publisher::Publisher;
use crate::event::{CommandIgnored, CommandRefused, Event};
use crate::mailbox::{self, Refused};
use crate::registry::{ClearRetained, Command, Registry};
use actix::Addr;
use contract::command::{Command as Parsed, Envelope};
use contract::message::{Problem, without_device};
use contract::topic::Topics;
use paho_mqtt::{Message, PropertyCode};
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
    draining: AtomicBool,
}

impl Intake {
    pub(crate) fn new(topics: Arc<Topics>, registry: Addr<Registry>, publisher: Publisher) -> Intake {
        Intake { topics, registry, publisher, draining: AtomicBool::new(false) }
    }

    /// From now on every command is answered 5.03.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// One message. `stale_retained`: retained messages are repetitions of a renewed subscription.
    pub(crate) fn receive(&self, message: &Message, stale_retained: bool) {
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
        let command = match Parsed::parse(payload, envelope(message)) {
            Ok(command) => command,
            Err(cause) => return CommandIgnored { topic, cause: &cause }.emit(),
        };
        if self.draining.load(Relaxed) {
            return self.unavailable(mountpoint, &command, "the gateway is stopping");
        }
        self.hand_over(Command {
            // A bad command is answered now, not kept until its device registers.
            topic: (retained && command.check().is_ok()).then(|| topic.into()),
            mountpoint: mountpoint.into(),
            command: Box::new(command),
            received: Instant::now(),
        });
    }

    fn hand_over(&self, mut command: Command) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match mailbox::offer(&self.registry, command) {
                Ok(()) => return,
                Err(Refused::Full(back)) if Instant::now() < deadline => command = back,
                Err(Refused::Full(back)) => {
                    return self.unavailable(&back.mountpoint, &back.command, "the gateway is overloaded");
                }
                Err(Refused::Gone(back)) => {
                    return self.unavailable(&back.mountpoint, &back.command, "the gateway is stopping");
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn unavailable(&self, mountpoint: &str, command: &Parsed, why: &str) {
        CommandRefused { endpoint: mountpoint, cause: &why }.emit();
        self.answer(mountpoint, command, &Problem::Unavailable(why.to_owned()));
    }

    fn answer(&self, mountpoint: &str, command: &Parsed, problem: &Problem) {
        let publication = without_device(&self.topics, mountpoint, &command.ticket(), problem);
        // Refused only by an outbox full of other answers; counted there.
        let _ = self.publisher.publish(publication, None, false);
    }
}

fn envelope(message: &Message) -> Envelope {
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
