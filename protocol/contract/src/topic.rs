//! Topics: mountpoint, translators and their placeholders (contract chapter 1).
mod filter;
mod template;

use filter::CommandPattern;
use lwm2m::registration::Registration;
use lwm2m::session::Address;
use lwm2m::session::policy::Admission;
use std::sync::Arc;
use template::{Placeholder, Values};

/// One translator of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Translator {
    /// Topic tail.
    pub topic: String,
    /// 0, 1 or 2.
    pub qos: u8,
}

impl Translator {
    fn at(topic: &str) -> Translator {
        Translator { topic: topic.into(), qos: 0 }
    }
}

/// Configured topics of the gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the configuration's")]
pub struct Topics {
    pub mountpoint: String,
    /// Mountpoints of listeners that have their own, by [`Address::listener`].
    pub own_mountpoints: Vec<(u16, String)>,
    pub command: Translator,
    pub response: Translator,
    pub notify: Translator,
    pub register: Translator,
    pub update: Translator,
    pub send: Translator,
    pub event: Translator,
}

impl Default for Topics {
    /// The defaults of the contract.
    fn default() -> Topics {
        Topics {
            mountpoint: "lwm2m/${endpoint_name}/".into(),
            own_mountpoints: Vec::new(),
            command: Translator::at("dn/#"),
            response: Translator::at("up/resp"),
            notify: Translator::at("up/notify"),
            register: Translator::at("up/resp"),
            update: Translator::at("up/resp"),
            send: Translator::at("up/send"),
            event: Translator::at("up/event"),
        }
    }
}

/// Which translator a message uses; depends only on what the message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the configuration's")]
pub enum Kind {
    Response,
    Notify,
    Register,
    Update,
    Send,
    Event,
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Response, Kind::Notify, Kind::Register, Kind::Update, Kind::Send, Kind::Event];
}

/// The longest topic of MQTT (1.5.4: 16 bit length).
const LONGEST: usize = 65_535;

/// The topics of one device, placeholders expanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceTopics {
    /// Expanded mountpoint; commands are routed by it.
    pub mountpoint: Arc<str>,
    /// All expanded tails one after the other, and where each ends: one small block per device instead of six.
    tails: Arc<str>,
    ends: [u16; Kind::ALL.len()],
    qos: [u8; Kind::ALL.len()],
}

impl DeviceTopics {
    /// Full topic of a message.
    pub fn topic(&self, kind: Kind) -> Arc<str> {
        let index = kind as usize;
        let from = index.checked_sub(1).map_or(0, |before| usize::from(self.ends[before]));
        let tail = &self.tails[from..usize::from(self.ends[index])];
        let mut topic = String::with_capacity(self.mountpoint.len() + tail.len());
        topic.push_str(&self.mountpoint);
        topic.push_str(tail);
        topic.into()
    }
    /// QoS of a message.
    pub fn qos(&self, kind: Kind) -> u8 {
        self.qos[kind as usize]
    }
}

/// A command topic taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandTopic<'a> {
    /// The part before the command translator's topic: the mountpoint of the device addressed.
    pub mountpoint: &'a str,
}

impl Topics {
    /// The filters that together receive the commands of all devices, each topic once: placeholder levels become `+`. One, unless
    /// listeners have mountpoints of their own.
    pub fn command_filters(&self) -> Vec<String> {
        let mut filters = Vec::new();
        for mountpoint in self.mountpoints() {
            let filter = match self.pattern(mountpoint) {
                Ok(pattern) => pattern.filter(),
                // refused by `validate`; as it stands the broker will refuse it too
                Err(_) => format!("{mountpoint}{}", self.command.topic),
            };
            if !filters.contains(&filter) {
                filters.push(filter);
            }
        }
        filters
    }
    /// Takes an incoming command topic apart; `None` if it is not one.
    pub fn parse_command_topic<'a>(&self, topic: &'a str) -> Option<CommandTopic<'a>> {
        let mountpoint =
            self.mountpoints().find_map(|template| Some(self.pattern(template).ok()?.find(topic)?.mountpoint));
        mountpoint.map(|mountpoint| CommandTopic { mountpoint })
    }
    /// Expands for one device. `Err`: an unsafe topic (`+`, `#`, NUL, or `/` inside a placeholder value), in words.
    pub fn expand(&self, registration: &Registration, from: Address) -> Result<DeviceTopics, String> {
        self.expand_values(self.mountpoint_of(from), &Values::of(registration, from))
    }
    /// Expands for a peer of which only the identity is known (a refused DTLS handshake).
    pub fn expand_identity(&self, identity: &str, from: Address) -> Result<DeviceTopics, String> {
        self.expand_values(self.mountpoint_of(from), &Values::of_identity(identity, from))
    }
    /// What makes these topics unusable, in words naming the key: for the check of the configuration.
    pub fn validate(&self) -> Result<(), String> {
        for mountpoint in self.mountpoints() {
            self.pattern(mountpoint)?;
        }
        let filters = self.command_filters();
        for (index, filter) in filters.iter().enumerate() {
            // the broker may deliver what fits two subscriptions twice (MQTT 5 §3.3.4), and its device would be uncertain
            if let Some(other) = filters[..index].iter().find(|other| filter::overlap(other, filter)) {
                return Err(format!(
                    "commands for {filter:?} would also be received by {other:?} of another mountpoint"
                ));
            }
        }
        if self.command.qos > 2 {
            return Err("command qos must be 0, 1 or 2".into());
        }
        for kind in Kind::ALL {
            let name = format!("{kind:?}").to_lowercase();
            let translator = self.translator(kind);
            if translator.qos > 2 {
                return Err(format!("{name} qos must be 0, 1 or 2"));
            }
            if let Some(c) =
                translator.topic.chars().find(|c| matches!(c, '+' | '#') || template::breaks_connection(*c))
            {
                return Err(format!("{name} topic {:?} contains {c:?}", translator.topic));
            }
            // what we publish must not come back as a command: it would be answered, and the answer answered
            let sample = |template: &str| {
                let literal = |part: &template::Part<'_>| match part {
                    template::Part::Literal(text) => (*text).to_owned(),
                    template::Part::Placeholder(_) => "x".to_owned(),
                };
                template::parts(template).iter().map(literal).collect::<String>()
            };
            for mountpoint in self.mountpoints() {
                let topic = sample(mountpoint) + &sample(&translator.topic);
                if topic.is_empty() {
                    return Err(format!("{name} topic is empty"));
                }
                if self.parse_command_topic(&topic).is_some() {
                    return Err(format!("{name} topic {:?} would be received as a command", translator.topic));
                }
            }
        }
        let templates = self.mountpoints().chain([self.command.topic.as_str()]);
        match templates.flat_map(str::chars).find(|c| template::breaks_connection(*c)) {
            Some(c) => Err(format!("mountpoint or command topic contains {c:?}")),
            None => Ok(()),
        }
    }

    pub(crate) fn translator(&self, kind: Kind) -> &Translator {
        match kind {
            Kind::Response => &self.response,
            Kind::Notify => &self.notify,
            Kind::Register => &self.register,
            Kind::Update => &self.update,
            Kind::Send => &self.send,
            Kind::Event => &self.event,
        }
    }

    /// Response topic and endpoint name for a mountpoint under which no device is registered. Where they cannot be concluded
    /// from the mountpoint, placeholders of the tail stay as they are and the mountpoint serves as the name.
    pub(crate) fn response_without_device(&self, mountpoint: &str) -> (Arc<str>, Arc<str>) {
        // a pattern that ends with the mountpoint tells what stood in place of its placeholders
        let probe = format!("{mountpoint}x");
        let captured = self
            .mountpoints()
            .find_map(|template| Some(CommandPattern::new(template, "x").ok()?.find(&probe)?.captured))
            .unwrap_or_default();
        let value = |wanted| captured.iter().find(|(placeholder, _)| *placeholder == wanted).map(|(_, value)| *value);
        let mut topic = mountpoint.to_owned();
        for part in template::parts(&self.response.topic) {
            match part {
                template::Part::Literal(text) => topic.push_str(text),
                template::Part::Placeholder(placeholder) => match value(placeholder) {
                    Some(value) => topic.push_str(value),
                    None => topic.push_str(match placeholder {
                        Placeholder::Endpoint => "%e",
                        Placeholder::ClientId => "${clientid}",
                        Placeholder::Username => "${username}",
                        Placeholder::PeerHost => "%a",
                    }),
                },
            }
        }
        let endpoint = value(Placeholder::Endpoint).or_else(|| value(Placeholder::ClientId));
        (topic.into(), endpoint.unwrap_or_else(|| mountpoint.trim_end_matches('/')).into())
    }

    /// The common one first.
    fn mountpoints(&self) -> impl Iterator<Item = &str> {
        let own = self.own_mountpoints.iter().map(|(_, mountpoint)| mountpoint.as_str());
        std::iter::once(self.mountpoint.as_str()).chain(own)
    }

    fn mountpoint_of(&self, from: Address) -> &str {
        let own = self.own_mountpoints.iter().find(|(listener, _)| *listener == from.listener);
        own.map_or(&self.mountpoint, |(_, mountpoint)| mountpoint)
    }

    fn pattern<'a>(&'a self, mountpoint: &'a str) -> Result<CommandPattern<'a>, String> {
        CommandPattern::new(mountpoint, &self.command.topic)
    }

    fn expand_values(&self, mountpoint: &str, values: &Values<'_>) -> Result<DeviceTopics, String> {
        values.check_endpoint()?;
        let mountpoint = values.expand(mountpoint)?;
        let mut tails = String::new();
        let mut ends = [0; Kind::ALL.len()];
        let mut qos = [0; Kind::ALL.len()];
        for kind in Kind::ALL {
            let translator = self.translator(kind);
            tails.push_str(&values.expand(&translator.topic)?);
            let end = tails.len();
            ends[kind as usize] = u16::try_from(end).map_err(|_| "topics are too long".to_owned())?;
            qos[kind as usize] = translator.qos;
        }
        let topic = mountpoint.len() + tails.len();
        if topic > LONGEST || mountpoint.contains(['+', '#', '\0']) || tails.contains(['+', '#', '\0']) {
            return Err("topic is too long or contains a wildcard".into());
        }
        Ok(DeviceTopics { mountpoint: mountpoint.into(), tails: tails.into(), ends, qos })
    }
}

impl Admission for Topics {
    /// Refuses with 4.00 what would give an unsafe topic.
    fn admit(&self, registration: &Registration, from: Address) -> Result<(), (coap::Code, String)> {
        self.expand(registration, from).map(drop).map_err(|why| (coap::Code::BAD_REQUEST, why))
    }
}

/// The gateway's own status topic: `template` with `${client_id}` expanded. `Err`: not a topic to publish to, in words.
pub fn status_topic(template: &str, client_id: &str) -> Result<String, String> {
    let topic = template.replace("${client_id}", client_id);
    check_publish(&topic).map_err(|why| format!("status topic {why}"))?;
    Ok(topic)
}

/// Whether something may be published there at all: not empty, not too long, no wildcard, no forbidden character.
pub(crate) fn check_publish(topic: &str) -> Result<(), String> {
    if topic.is_empty() {
        return Err("is empty".into());
    }
    if topic.len() > LONGEST {
        return Err("is too long".into());
    }
    if topic.starts_with('$') {
        return Err("starts with '$'".into());
    }
    match topic.chars().find(|c| matches!(c, '+' | '#') || template::breaks_connection(*c)) {
        Some(c) => Err(format!("contains {c:?}")),
        None => Ok(()),
    }
}
