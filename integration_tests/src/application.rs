//! An MQTT application.
use crate::{PATIENCE, hex};
use paho_mqtt as mqtt;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// One received message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload as JSON, `Null` where it is not JSON.
    pub json: Value,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service of the delivery.
    pub qos: i32,
    /// Delivered from the broker's memory.
    pub retained: bool,
    /// MQTT 5 properties.
    pub properties: mqtt::Properties,
}

impl Message {
    /// `msgType`.
    pub fn kind(&self) -> &str {
        self.json["msgType"].as_str().unwrap_or("")
    }

    /// The gateway's own status: online or offline.
    pub fn is_status(&self) -> bool {
        self.json["status"].is_string() && self.json["msgType"].is_null()
    }

    /// A member of `data`.
    pub fn data(&self, member: &str) -> &Value {
        &self.json["data"][member]
    }
}

type Inbox = Arc<(Mutex<VecDeque<Message>>, Condvar)>;

/// A connected MQTT client that keeps all it receives until a test takes it.
pub struct Application {
    client: mqtt::AsyncClient,
    inbox: Inbox,
    version: u32,
}

impl Application {
    /// Connects with MQTT 5 (`version` 5) or 3.1.1 (4) to a port of the loopback interface, and subscribes to everything.
    pub fn connect(port: u16, version: u32) -> Application {
        let application = Application::without_subscription(port, version);
        application.subscribe("#");
        application
    }

    /// Connects without any subscription.
    pub fn without_subscription(port: u16, version: u32) -> Application {
        let inbox: Inbox = Arc::default();
        let client = mqtt::CreateOptionsBuilder::new()
            .server_uri(format!("mqtt://127.0.0.1:{port}"))
            .client_id(format!("application-{}-{:08x}", std::process::id(), rand::random::<u32>()))
            .mqtt_version(version)
            .persistence(None)
            .create_client()
            .expect("an MQTT client");
        let keep = Arc::clone(&inbox);
        client.set_message_callback(move |_, message| {
            // MQTT 3.1.1 has no word for "not my own": there the commands come back with the rest.
            let own = |message: &mqtt::Message| version != 5 && message.topic().split('/').any(|level| level == "dn");
            if let Some(message) = message.filter(|message| !own(message)) {
                let (queue, bell) = &*keep;
                queue.lock().expect("nobody panics with the inbox").push_back(Message {
                    topic: message.topic().to_owned(),
                    json: serde_json::from_slice(message.payload()).unwrap_or(Value::Null),
                    payload: message.payload().to_vec(),
                    qos: message.qos() as i32,
                    retained: message.retained(),
                    properties: message.properties().clone(),
                });
                bell.notify_all();
            }
        });
        let application = Application { client, inbox, version };
        application.reconnect();
        application
    }

    /// Connects again after an outage of the broker.
    pub fn reconnect(&self) {
        let mut options = mqtt::ConnectOptionsBuilder::with_mqtt_version(self.version);
        options.keep_alive_interval(Duration::from_secs(30)).connect_timeout(Duration::from_secs(5));
        if self.version == 5 {
            options.clean_start(true);
        } else {
            options.clean_session(true);
        }
        let options = options.finalize();
        let connected = crate::eventually(PATIENCE, || self.client.connect(options.clone()).wait_for(PATIENCE).is_ok());
        assert!(connected, "the application cannot connect to the broker");
    }

    /// Subscribes, QoS 2 (so that the delivery shows the publisher's QoS), without its own messages where the protocol allows to say so.
    pub fn subscribe(&self, filter: &str) {
        if self.version == 5 {
            let options = mqtt::SubscribeOptions::new(true, true, None);
            self.client.subscribe_with_options(filter, 2, options, None).wait_for(PATIENCE).expect("a subscription");
        } else {
            self.client.subscribe(filter, 2).wait_for(PATIENCE).expect("a subscription");
        }
    }

    /// Publishes, QoS 0.
    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(mqtt::MessageBuilder::new().topic(topic).payload(payload).qos(0).finalize());
    }

    /// Publishes any message and waits until the broker has it (QoS ≥ 1) or the socket (QoS 0).
    pub fn send(&self, message: mqtt::Message) {
        self.client.publish(message).wait_for(PATIENCE).expect("a message can be published");
    }

    /// Publishes a command with QoS 1 to `lwm2m/<endpoint>/dn`, and waits until the broker has it.
    pub fn command_qos_1(&self, endpoint: &str, command: &Value) {
        let topic = format!("lwm2m/{endpoint}/dn");
        self.send(mqtt::MessageBuilder::new().topic(topic).payload(command.to_string()).qos(1).finalize());
    }

    /// Publishes a command to `lwm2m/<endpoint>/dn`.
    pub fn command(&self, endpoint: &str, command: &Value) {
        self.publish(&format!("lwm2m/{endpoint}/dn"), command.to_string());
    }

    /// Waits for the first message that fits, and takes it out of the inbox.
    pub fn expect(&self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        self.take(PATIENCE, fits)
            .unwrap_or_else(|| panic!("no {what} within {PATIENCE:?}; in the inbox:\n{}", self.dump()))
    }

    /// As [`Application::expect`], with a time limit and without a failure.
    pub fn take(&self, limit: Duration, fits: impl Fn(&Message) -> bool) -> Option<Message> {
        let end = Instant::now() + limit;
        let (queue, bell) = &*self.inbox;
        let mut queue = queue.lock().expect("nobody panics with the inbox");
        loop {
            if let Some(at) = queue.iter().position(&fits) {
                return queue.remove(at);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            queue = bell.wait_timeout(queue, left).expect("nobody panics with the inbox").0;
        }
    }

    /// Watches for a while that no such message comes. The gateway's own status (online, offline) does not count.
    pub fn expect_none(&self, limit: Duration, what: &str, fits: impl Fn(&Message) -> bool) {
        if let Some(message) = self.take(limit, |message| !message.is_status() && fits(message)) {
            panic!("{what} must not come, but {} {} did", message.topic, String::from_utf8_lossy(&message.payload));
        }
    }

    /// The next message of this endpoint (default topics) with this `msgType`.
    pub fn message(&self, endpoint: &str, kind: &str) -> Message {
        let prefix = format!("lwm2m/{endpoint}/up/");
        self.expect(&format!("{kind:?} of {endpoint}"), |message| {
            message.topic.starts_with(&prefix) && message.kind() == kind
        })
    }

    /// The next message on the response topic of this endpoint that is neither a registration message nor an ack.
    pub fn answer(&self, endpoint: &str) -> Message {
        let topic = format!("lwm2m/{endpoint}/up/resp");
        self.expect(&format!("answer of {endpoint}"), |message| {
            message.topic == topic && !["register", "update", "ack"].contains(&message.kind())
        })
    }

    /// Gives a command and waits, with patience for slow devices, for its terminal message.
    pub fn ask(&self, endpoint: &str, command: &Value) -> Message {
        self.command(endpoint, command);
        let topic = format!("lwm2m/{endpoint}/up/resp");
        let terminal = |message: &Message| {
            message.topic == topic && message.json["reqID"] == command["reqID"] && message.kind() != "ack"
        };
        let message = self.take(crate::leshan::PATIENCE, terminal);
        message.unwrap_or_else(|| panic!("no answer to {command}; in the inbox:\n{}", self.dump()))
    }

    /// Forgets all that is in the inbox.
    pub fn clear(&self) {
        self.inbox.0.lock().expect("nobody panics with the inbox").clear();
    }

    /// Takes all that is in the inbox but the gateway's own status.
    pub fn drain(&self) -> Vec<Message> {
        let mut queue = self.inbox.0.lock().expect("nobody panics with the inbox");
        queue.drain(..).filter(|message| !message.is_status()).collect()
    }

    /// The inbox in words.
    pub fn dump(&self) -> String {
        let queue = self.inbox.0.lock().expect("nobody panics with the inbox");
        let line = |message: &Message| match std::str::from_utf8(&message.payload) {
            Ok(text) => format!("  {} {text}\n", message.topic),
            Err(_) => format!("  {} (hex) {}\n", message.topic, hex(&message.payload)),
        };
        queue.iter().take(40).map(line).collect()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.client.disconnect(None).wait_for(Duration::from_millis(500));
    }
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application").field("version", &self.version).finish_non_exhaustive()
    }
}
