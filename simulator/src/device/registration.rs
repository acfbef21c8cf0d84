//! The client side of the registration interface (OMA TS Core 6.2) and Send (6.4.6).

use super::answer::Block;
use super::engine::ExchangeError;
use super::log::{Event, lock};
use super::{Device, Shared};
use crate::format::{Format, Node};
use crate::message::{Code, Kind, Message, option};
use crate::path::Path;
use crate::value::Value;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a device's own request failed.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The socket could not be bound.
    #[error("cannot bind a socket: {0}")]
    Socket(#[from] io::Error),
    /// The gateway answered with this code.
    #[error("refused with {code}: {diagnostic}")]
    Refused {
        /// The response code.
        code: Code,
        /// Its diagnostic payload.
        diagnostic: String,
    },
    /// No response.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// There is no registration to update or end.
    #[error("not registered")]
    NotRegistered,
    /// The server does not want Send (`/1/x/23`).
    #[error("Send is muted")]
    Muted,
    /// The values cannot be written in this format.
    #[error(transparent)]
    Format(#[from] crate::format::FormatError),
}

/// State of the registration.
#[derive(Debug, Default)]
pub(super) struct Registration {
    pub(super) location: Option<String>,
    lifetime: Duration,
    renewed: Option<Instant>,
}

impl Registration {
    pub(super) fn forget(&mut self) {
        *self = Registration::default();
    }

    /// When the next update by itself is due: well before the lifetime ends.
    fn next_update(&self) -> Option<Instant> {
        let margin = (self.lifetime / 10).max(Duration::from_millis(500)).min(Duration::from_secs(100));
        self.location.as_ref()?;
        Some(self.renewed? + self.lifetime.saturating_sub(margin))
    }
}

/// What an Update says; [`Update::default`] says nothing but "still here".
#[derive(Debug, Clone, Default)]
pub struct Update {
    lifetime: Option<u32>,
    query: Vec<String>,
    object_list: Option<Option<String>>,
}

impl Update {
    /// With a new lifetime in seconds.
    pub fn lifetime(mut self, seconds: u32) -> Update {
        self.lifetime = Some(seconds);
        self
    }

    /// With another query member.
    pub fn query(mut self, member: &str) -> Update {
        self.query.push(member.to_owned());
        self
    }

    /// With the object list as it stands now.
    pub fn with_objects(mut self) -> Update {
        self.object_list = Some(None);
        self
    }

    /// With this text as object list.
    pub fn object_list(mut self, links: &str) -> Update {
        self.object_list = Some(Some(links.to_owned()));
        self
    }
}

impl Device {
    /// Registers; gives the location.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] with the gateway's code, or no response.
    pub async fn register(&self) -> Result<String, DeviceError> {
        register(&self.shared).await
    }

    /// Updates the registration.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] with the gateway's code (a 4.04 does not register again by itself here), or no
    /// response.
    pub async fn update(&self, update: Update) -> Result<(), DeviceError> {
        update_registration(&self.shared, update).await
    }

    /// Deregisters.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] with the gateway's code, or no response.
    pub async fn deregister(&self) -> Result<(), DeviceError> {
        let location = self.location().ok_or(DeviceError::NotRegistered)?;
        let message = Message::new(Kind::Confirmable, Code::DELETE, 0).with_path(&location);
        let answer = checked(&self.shared, message).await?;
        lock(&self.shared.registration).forget();
        self.shared.registration_changed.notify_waiters();
        self.shared.with(|engine, now| {
            engine.forget_observations(now);
            engine.note(now, Event::Deregistered);
        });
        debug_assert_eq!(answer.code, Code::DELETED);
        Ok(())
    }

    /// Sends the current values of these paths to `/dp`.
    ///
    /// # Errors
    /// [`DeviceError::Muted`] while `/1/x/23` (Mute Send) is true, [`DeviceError::Refused`] with the gateway's code, or no response.
    pub async fn send(&self, paths: &[Path], format: Format) -> Result<(), DeviceError> {
        let nodes = self.shared.with(|engine, now| engine.read_all(paths, now - engine.started));
        self.send_nodes(&nodes, format).await
    }

    /// Sends these values, times included, to `/dp`.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] with the gateway's code, or no response.
    pub async fn send_nodes(&self, nodes: &[Node], format: Format) -> Result<(), DeviceError> {
        if self.is_muted() {
            return Err(DeviceError::Muted);
        }
        let payload = format.encode(&Path::root(), nodes)?;
        let message = Message::new(Kind::Confirmable, Code::POST, 0)
            .with_path("/dp")
            .with_uint(option::CONTENT_FORMAT, u32::from(format.number()))
            .with_payload(payload);
        checked(&self.shared, message).await.map(|_| ())
    }

    /// A Server object says Mute Send; one without that resource does not.
    fn is_muted(&self) -> bool {
        let server = self.get([1]);
        server.iter().any(|node| node.path.id(2) == Some(23) && node.value == Some(Value::Boolean(true)))
    }

    /// Sends any request to the gateway, in blocks if its payload is large; gives the response whatever its code.
    /// Message id and token are set here.
    ///
    /// # Errors
    /// No response.
    pub async fn request(&self, message: Message) -> Result<Message, ExchangeError> {
        exchange(&self.shared, message).await
    }
}

async fn register(shared: &Arc<Shared>) -> Result<String, DeviceError> {
    let (message, lifetime) = shared.with(|engine, _| {
        let config = &engine.config;
        let mut message = Message::new(Kind::Confirmable, Code::POST, 0)
            .with_path("/rd")
            .with_uint(option::CONTENT_FORMAT, 40)
            .with_query(&format!("ep={}", config.endpoint));
        if let Some(lifetime) = config.lifetime {
            message = message.with_query(&format!("lt={lifetime}"));
        }
        if let Some(version) = &config.version {
            message = message.with_query(&format!("lwm2m={version}"));
        }
        let old = config.version.as_deref().is_none_or(|version| version.starts_with("1.0") || version == "1");
        match &config.binding {
            Some(binding) => message = message.with_query(&format!("b={binding}")),
            None if config.queue_mode && old => message = message.with_query("b=UQ"),
            None => {}
        }
        if config.queue_mode && !old {
            message = message.with_query("Q");
        }
        for member in &config.query {
            message = message.with_query(member);
        }
        (message.with_payload(engine.object_list()), config.lifetime.unwrap_or(86_400))
    });
    let answer = checked(shared, message).await?;
    let location = answer.location().unwrap_or_default();
    let mut registration = lock(&shared.registration);
    registration.location = Some(location.clone());
    registration.lifetime = Duration::from_secs(u64::from(lifetime));
    registration.renewed = Some(Instant::now());
    drop(registration);
    shared.registration_changed.notify_waiters();
    shared.log.push(Instant::now(), Event::Registered { location: location.clone() });
    Ok(location)
}

async fn update_registration(shared: &Arc<Shared>, update: Update) -> Result<(), DeviceError> {
    let location = lock(&shared.registration).location.clone().ok_or(DeviceError::NotRegistered)?;
    let mut message = Message::new(Kind::Confirmable, Code::POST, 0).with_path(&location);
    if let Some(lifetime) = update.lifetime {
        message = message.with_query(&format!("lt={lifetime}"));
    }
    for member in &update.query {
        message = message.with_query(member);
    }
    if let Some(list) = update.object_list {
        let list = list.unwrap_or_else(|| shared.with(|engine, _| engine.object_list()));
        message = message.with_uint(option::CONTENT_FORMAT, 40).with_payload(list);
    }
    checked(shared, message).await?;
    let mut registration = lock(&shared.registration);
    if let Some(lifetime) = update.lifetime {
        registration.lifetime = Duration::from_secs(u64::from(lifetime));
    }
    registration.renewed = Some(Instant::now());
    drop(registration);
    shared.registration_changed.notify_waiters();
    shared.log.push(Instant::now(), Event::Updated);
    Ok(())
}

/// Sends a request and takes anything but 2.xx as an error.
async fn checked(shared: &Arc<Shared>, message: Message) -> Result<Message, DeviceError> {
    match exchange(shared, message).await {
        Ok(answer) if answer.code.is_success() => Ok(answer),
        Ok(answer) => {
            shared.log.push(Instant::now(), Event::Refused(answer.code));
            let diagnostic = String::from_utf8_lossy(&answer.payload).into_owned();
            Err(DeviceError::Refused { code: answer.code, diagnostic })
        }
        Err(error) => {
            shared.log.push(Instant::now(), Event::Unanswered);
            Err(error.into())
        }
    }
}

/// One request with its response; a payload larger than a block goes in Block1 pieces.
async fn exchange(shared: &Arc<Shared>, message: Message) -> Result<Message, ExchangeError> {
    let mut size = shared.with(|engine, _| engine.config.block_size);
    if message.payload.len() <= size {
        return one(shared, message).await;
    }
    let mut offset = 0;
    loop {
        let end = (offset + size).min(message.payload.len());
        let block = Block { number: (offset / size) as u32, more: end < message.payload.len(), size };
        let mut part = message.clone().with_uint(option::BLOCK1, block.value());
        part.payload = message.payload[offset..end].to_vec();
        let answer = one(shared, part).await?;
        if !block.more || answer.code != Code::CONTINUE {
            return Ok(answer);
        }
        offset = end;
        // A smaller size wished for by the gateway counts from here (RFC 7959 §2.3).
        if let Some(wished) = Block::read(&answer, option::BLOCK1) {
            size = size.min(wished.size);
        }
    }
}

async fn one(shared: &Arc<Shared>, message: Message) -> Result<Message, ExchangeError> {
    let reply = shared.with(|engine, now| engine.request(now, message));
    reply.await.unwrap_or(Err(ExchangeError::Aborted))
}

/// Keeps the registration alive: updates in time, registers again after 4.04 or silence.
pub(super) async fn keep(shared: Arc<Shared>) {
    loop {
        let changed = shared.registration_changed.notified();
        let due = lock(&shared.registration).next_update();
        let Some(due) = due else {
            changed.await;
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = changed => continue,
        }
        match update_registration(&shared, Update::default()).await {
            Ok(()) | Err(DeviceError::NotRegistered) => {}
            Err(_) => {
                // A failed attempt waits before the next, so that a dead gateway is not hammered.
                while lock(&shared.registration).location.is_some() && register(&shared).await.is_err() {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
        }
    }
}

impl super::engine::Engine {
    /// The payload of Register: root link, then objects and instances.
    pub(super) fn object_list(&self) -> String {
        if let Some(list) = &self.config.object_list {
            return list.clone();
        }
        let alternate = &self.config.alternate;
        let mut links = Vec::new();
        if alternate != "/" || !self.config.root_attributes.is_empty() {
            links.push(format!("<{alternate}>;rt=\"oma.lwm2m\"{}", self.config.root_attributes));
        }
        links.extend(self.objects.links(alternate));
        links.join(",")
    }
}
