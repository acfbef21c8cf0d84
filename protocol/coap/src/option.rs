//! Option numbers and the rules that go with them (RFC 7252 §5.4, §5.10; RFC 7641, 7959, 7967, 8768, 9175).
use crate::Message;

/// If-Match
pub const IF_MATCH: u16 = 1;
/// Uri-Host
pub const URI_HOST: u16 = 3;
/// ETag
pub const ETAG: u16 = 4;
/// If-None-Match
pub const IF_NONE_MATCH: u16 = 5;
/// Observe
pub const OBSERVE: u16 = 6;
/// Uri-Port
pub const URI_PORT: u16 = 7;
/// Location-Path
pub const LOCATION_PATH: u16 = 8;
/// Uri-Path
pub const URI_PATH: u16 = 11;
/// Content-Format
pub const CONTENT_FORMAT: u16 = 12;
/// Max-Age
pub const MAX_AGE: u16 = 14;
/// Uri-Query
pub const URI_QUERY: u16 = 15;
/// Accept
pub const ACCEPT: u16 = 17;
/// Block2
pub const BLOCK2: u16 = 23;
/// Block1
pub const BLOCK1: u16 = 27;
/// Size2
pub const SIZE2: u16 = 28;
/// Proxy-Uri
pub const PROXY_URI: u16 = 35;
/// Proxy-Scheme
pub const PROXY_SCHEME: u16 = 39;
/// Size1
pub const SIZE1: u16 = 60;
/// Echo
pub const ECHO: u16 = 252;
/// No-Response
pub const NO_RESPONSE: u16 = 258;
/// Request-Tag
pub const REQUEST_TAG: u16 = 292;

/// An option with an odd number must be understood or the message be refused.
pub const fn is_critical(number: u16) -> bool {
    number & 1 == 1
}

/// What a critical option must keep to be recognised.
struct Rule {
    lengths: std::ops::RangeInclusive<usize>,
    repeatable: bool,
}

/// Critical options that a request may carry. Not among them: OSCORE, Q-Block1 and Q-Block2, which are not implemented.
fn request_rule(number: u16) -> Option<Rule> {
    let (lengths, repeatable) = match number {
        IF_MATCH => (0..=8, true),
        URI_HOST => (1..=255, false),
        IF_NONE_MATCH => (0..=0, false),
        URI_PORT => (0..=2, false),
        URI_PATH | URI_QUERY => (0..=255, true),
        ACCEPT => (0..=2, false),
        BLOCK1 | BLOCK2 => (0..=3, false),
        PROXY_URI => (1..=1034, false),
        PROXY_SCHEME => (1..=255, false),
        _ => return None,
    };
    Some(Rule { lengths, repeatable })
}

/// Critical options that a response may carry.
fn response_rule(number: u16) -> Option<Rule> {
    matches!(number, BLOCK1 | BLOCK2).then_some(Rule { lengths: 0..=3, repeatable: false })
}

/// The first critical option that must be treated as unrecognised: unknown, repeated although it may not be, or of a length outside
/// its range (RFC 7252 §5.4.1, §5.4.3, §5.4.5).
pub(crate) fn unrecognised(message: &Message, request: bool) -> Option<u16> {
    let rule_of = if request { request_rule } else { response_rule };
    message.options().filter(|(number, _)| is_critical(*number)).find_map(|(number, mut values)| {
        let recognised = rule_of(number).is_some_and(|rule| {
            (rule.repeatable || values.len() <= 1) && values.all(|value| rule.lengths.contains(&value.len()))
        });
        (!recognised).then_some(number)
    })
}
