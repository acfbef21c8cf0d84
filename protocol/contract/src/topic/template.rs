//! Placeholders of mountpoint and translators (contract 1.1): `${endpoint_name}` and `%e` with their values for one device.
use lwm2m::registration::Registration;
use lwm2m::session::Address;

/// What a placeholder stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Placeholder {
    Endpoint,
    ClientId,
    Username,
    PeerHost,
}

/// Every spelling. Whatever else looks like a placeholder stays in the topic literally.
const SPELLINGS: [(&str, Placeholder); 6] = [
    ("${endpoint_name}", Placeholder::Endpoint),
    ("${clientid}", Placeholder::ClientId),
    ("${username}", Placeholder::Username),
    ("${peerhost}", Placeholder::PeerHost),
    ("%e", Placeholder::Endpoint),
    ("%a", Placeholder::PeerHost),
];

/// A piece of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part<'a> {
    Literal(&'a str),
    Placeholder(Placeholder),
}

/// Takes a template apart. Neighbouring literals may come in several pieces.
pub(super) fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    let mut from = 0;
    while let Some(found) = rest[from..].find(['$', '%']) {
        let at = from + found;
        if let Some((spelling, placeholder)) = SPELLINGS.iter().find(|(s, _)| rest[at..].starts_with(s)) {
            if at > 0 {
                parts.push(Part::Literal(&rest[..at]));
            }
            parts.push(Part::Placeholder(*placeholder));
            rest = &rest[at + spelling.len()..];
            from = 0;
        } else {
            from = at + 1;
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    parts
}

/// The values of one device.
pub(super) struct Values<'a> {
    endpoint: &'a str,
    client_id: &'a str,
    username: &'a str,
    peer_host: String,
}

impl<'a> Values<'a> {
    pub(super) fn of(registration: &'a Registration, from: Address) -> Values<'a> {
        let endpoint = registration.endpoint.as_str();
        let member = |name| registration.member(name).filter(|value| !value.is_empty()).unwrap_or(endpoint);
        Values {
            endpoint,
            client_id: member("device_id"),
            username: member("imei"),
            peer_host: from.socket.ip().to_canonical().to_string(),
        }
    }
    /// Where only the identity of a peer is known.
    pub(super) fn of_identity(endpoint: &'a str, from: Address) -> Values<'a> {
        let peer_host = from.socket.ip().to_canonical().to_string();
        Values { endpoint, client_id: endpoint, username: endpoint, peer_host }
    }
    fn get(&self, placeholder: Placeholder) -> (&'static str, &str) {
        match placeholder {
            Placeholder::Endpoint => ("endpoint name", self.endpoint),
            Placeholder::ClientId => ("client id", self.client_id),
            Placeholder::Username => ("user name", self.username),
            Placeholder::PeerHost => ("peer address", &self.peer_host),
        }
    }
    /// The endpoint name goes out as a user property even where no topic holds it.
    pub(super) fn check_endpoint(&self) -> Result<(), String> {
        match self.endpoint.chars().find(|c| breaks_connection(*c)) {
            Some(c) => Err(format!("endpoint name contains {c:?}")),
            None => Ok(()),
        }
    }
    /// Expands a template. Values are inserted once: a placeholder inside a value stays text.
    pub(super) fn expand(&self, template: &str) -> Result<String, String> {
        let mut topic = String::with_capacity(template.len() + self.endpoint.len());
        for part in parts(template) {
            match part {
                Part::Literal(text) => topic.push_str(text),
                Part::Placeholder(placeholder) => {
                    let (name, value) = self.get(placeholder);
                    check_value(name, value, topic.is_empty())?;
                    topic.push_str(value);
                }
            }
        }
        Ok(topic)
    }
}

fn check_value(name: &str, value: &str, at_start: bool) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("{name} is empty"));
    }
    // `$SYS` and its like belong to the broker; a device must not choose to speak there
    if at_start && value.starts_with('$') {
        return Err(format!("{name} starts with '$'"));
    }
    match value.chars().find(|c| matches!(c, '/' | '+' | '#') || breaks_connection(*c)) {
        Some(c) => Err(format!("{name} contains {c:?}")),
        None => Ok(()),
    }
}

/// Characters that MQTT forbids (NUL) or that brokers answer by closing the connection (MQTT 5 §1.5.4: control and non-characters).
pub(super) fn breaks_connection(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_taken_apart_and_unknown_placeholders_stay() {
        use Part::{Literal as L, Placeholder as P};
        let cases: [(&str, &[Part<'_>]); 7] = [
            ("", &[]),
            ("lwm2m/${endpoint_name}/", &[L("lwm2m/"), P(Placeholder::Endpoint), L("/")]),
            ("%e%a", &[P(Placeholder::Endpoint), P(Placeholder::PeerHost)]),
            ("a%b$c/%e", &[L("a%b$c/"), P(Placeholder::Endpoint)]),
            ("${zone}/${client_attrs.x}/", &[L("${zone}/${client_attrs.x}/")]),
            ("${clientid}-${username}", &[P(Placeholder::ClientId), L("-"), P(Placeholder::Username)]),
            ("%", &[L("%")]),
        ];
        for (template, expected) in cases {
            assert_eq!(parts(template), expected, "{template}");
        }
    }
}
