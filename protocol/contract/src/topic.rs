//! Topics: mountpoint, translators and their placeholders (contract chapter 1).
use lwm2m::registration::Registration;
use lwm2m::session::Address;
use std::sync::Arc;

/// One translator of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Translator {
    /// Topic tail.
    pub topic: String,
    /// 0, 1 or 2.
    pub qos: u8,
}

/// Configured topics of the gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the configuration's")]
pub struct Topics {
    pub mountpoint: String,
    pub command: Translator,
    pub response: Translator,
    pub notify: Translator,
    pub register: Translator,
    pub update: Translator,
    pub send: Translator,
    pub event: Translator,
}

/// The topics of one device, placeholders expanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceTopics {
    /// Expanded mountpoint; commands are routed by it.
    pub mountpoint: Arc<str>,
    // one shared expansion for all translators without placeholders of their own; laid out by the implementation
}

/// A command topic taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandTopic<'a> {
    /// The part before the command translator's topic: the mountpoint of the device addressed.
    pub mountpoint: &'a str,
}

impl Topics {
    /// The one filter that receives the commands of all devices: placeholder levels become `+`.
    pub fn command_filter(&self) -> String {
        todo!()
    }
    /// Takes an incoming command topic apart; `None` if it is not one.
    pub fn parse_command_topic<'a>(&self, _topic: &'a str) -> Option<CommandTopic<'a>> {
        todo!()
    }
    /// Expands for one device. `Err`: an unsafe topic (`+`, `#`, NUL, or `/` inside a placeholder value), in words.
    pub fn expand(&self, _registration: &Registration, _from: Address) -> Result<DeviceTopics, String> {
        todo!()
    }
}
