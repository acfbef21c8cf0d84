//! An MQTT application like any other: sees all topics of all devices, and gives commands.
use super::screen::Screen;
use super::words;
use paho_mqtt::{AsyncClient, ConnectOptionsBuilder, CreateOptionsBuilder, Message, PersistenceType};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Front of all topics; the demo's configuration keeps the default mountpoint.
const ALL_TOPICS: &str = "lwm2m/#";

/// A message as it passed.
pub(super) struct Passed {
    /// Endpoint name: the second level of the topic.
    pub(super) endpoint: String,
    /// The JSON.
    pub(super) json: Value,
}

/// The connected application. Everything that passes is printed.
pub(super) struct Application<'a> {
    client: AsyncClient,
    messages: UnboundedReceiver<Message>,
    screen: &'a Screen,
}

impl<'a> Application<'a> {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// In words.
    pub(super) async fn connect(broker: SocketAddr, screen: &'a Screen) -> Result<Application<'a>, String> {
        let in_words = |error: paho_mqtt::Error| format!("the demo's own MQTT connection failed: {error}");
        let options = CreateOptionsBuilder::new()
            .server_uri(format!("mqtt://{}", super::loopback(broker)))
            .client_id("lwm2m-gateway-demo")
            // The default would write files into the working directory.
            .persistence(PersistenceType::None)
            .finalize();
        let client = AsyncClient::new(options).map_err(in_words)?;
        // One person watches a few messages per second: this queue does not grow.
        let (passed_on, messages) = unbounded_channel();
        client.set_message_callback(move |_, message| {
            if let Some(message) = message {
                let _demo_is_ending = passed_on.send(message);
            }
        });
        let options =
            ConnectOptionsBuilder::new().automatic_reconnect(Duration::from_secs(1), Duration::from_secs(5)).finalize();
        client.connect(options).await.map_err(in_words)?;
        client.subscribe(ALL_TOPICS, 0).await.map_err(in_words)?;
        Ok(Application { client, messages, screen })
    }

    /// Gives a command.
    ///
    /// # Errors
    /// In words.
    pub(super) async fn command(&self, endpoint: &str, json: &Value) -> Result<(), String> {
        let message = Message::new(format!("lwm2m/{endpoint}/dn"), json.to_string(), 0);
        self.client.publish(message).await.map_err(|error| format!("a command could not be published: {error}"))
    }

    /// Prints what passes until `wanted` says yes, at most for `patience`.
    pub(super) async fn watch_until(&mut self, patience: Duration, mut wanted: impl FnMut(&Passed) -> bool) -> bool {
        let look = async {
            while let Some(passed) = self.next().await {
                if wanted(&passed) {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(patience, look).await.unwrap_or(false)
    }

    /// Prints what passes.
    pub(super) async fn watch_for_ever(&mut self) {
        while self.next().await.is_some() {}
        // The client never goes before this does.
        std::future::pending().await
    }

    async fn next(&mut self) -> Option<Passed> {
        let message = self.messages.recv().await?;
        let (topic, payload) = (message.topic(), message.payload_str());
        let endpoint = topic.split('/').nth(1).unwrap_or_default().to_owned();
        let json: Value = serde_json::from_str(&payload).unwrap_or(Value::Null);
        let to_device = topic.contains("/dn");
        self.screen.message(&endpoint, to_device, &words::of(to_device, &json), topic, &payload);
        Some(Passed { endpoint, json })
    }
}
