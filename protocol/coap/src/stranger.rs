//! Stateless answers to datagrams of addresses that have no [`crate::Peer`]: nothing is kept, and an answer is never more than about
//! three times as long as the datagram that asked for it.
use crate::message::empty;
use crate::peer::refusal;
use crate::{Code, Kind, Message, MessageError, Method, Response, option};

/// The resources of the gateway as a link list (RFC 6690; LwM2M Transport §6.3), for `GET /.well-known/core`.
pub const RESOURCES: &str = r#"</rd>;rt="core.rd",</dp>"#;
const LINK_FORMAT: u16 = 40;

/// Answers a request with a bare code: piggybacked on the ACK of a CON, as NON to a NON; `None` if it is no request.
pub fn answer(message: &Message, code: Code) -> Option<Vec<u8>> {
    answer_with(message, Response::new(code))
}

/// Answers a datagram that is not a CoAP message: RST for a CON with a format error, else nothing.
pub fn reject(error: MessageError) -> Option<Vec<u8>> {
    match error {
        MessageError::Format { kind: Kind::Confirmable, id } => Some(empty(Kind::Reset, id)),
        _ => None,
    }
}

/// Answers any message that is no Register: there is neither a registration nor an exchange that it could belong to.
pub fn respond(message: &Message) -> Option<Vec<u8>> {
    if message.kind() == Kind::Confirmable && !message.code().is_request() {
        return Some(empty(Kind::Reset, message.id()));
    }
    if let Some(refusal) = refusal(message) {
        let silent = message.kind() == Kind::NonConfirmable && refusal.code == Code::BAD_OPTION;
        return if silent { None } else { answer_with(message, refusal) };
    }
    let path = message.uri_path();
    let code = match (path.as_slice(), message.method()?) {
        ([b".well-known", b"core"], Method::Get) => return answer_with(message, resources(message)),
        ([b".well-known", b"core"] | [b"rd"] | [b"dp"], Method::Fetch | Method::Patch | Method::IPatch) => {
            Code::METHOD_NOT_ALLOWED
        }
        // Send needs a registration (LwM2M Core §6.4.6); a Register that came here had nothing to register.
        ([b"rd"] | [b"dp"], Method::Post) => Code::BAD_REQUEST,
        ([b".well-known", b"core"] | [b"rd"] | [b"dp"], _) => Code::METHOD_NOT_ALLOWED,
        _ => Code::NOT_FOUND,
    };
    answer(message, code)
}

/// The answer to `GET /.well-known/core`, filtered by the query (RFC 6690 §4.1).
pub fn resources(message: &Message) -> Response {
    if message.accept().is_some_and(|format| format != LINK_FORMAT) {
        return Response::new(Code::NOT_ACCEPTABLE);
    }
    let query = message.uri_query();
    let links = RESOURCES.split(',').filter(|link| query.iter().all(|member| selects(member, link)));
    Response {
        content_format: Some(LINK_FORMAT),
        payload: links.collect::<Vec<_>>().join(",").into_bytes(),
        ..Response::new(Code::CONTENT)
    }
}

/// `href=/rd`, `rt=core.rd` or `rt=core*`; parameters that a link does not have select nothing.
fn selects(member: &[u8], link: &str) -> bool {
    let Some((name, wanted)) = std::str::from_utf8(member).ok().and_then(|member| member.split_once('=')) else {
        return false;
    };
    let (target, attributes) = link.split_once(';').unwrap_or((link, ""));
    let value = match name {
        "href" => Some(target.trim_matches(['<', '>'])),
        _ => attributes.split(';').find_map(|attribute| attribute.strip_prefix(name)?.strip_prefix('=')),
    };
    value.map(|value| value.trim_matches('"')).is_some_and(|value| match wanted.strip_suffix('*') {
        Some(prefix) => value.starts_with(prefix),
        None => value == wanted,
    })
}

fn answer_with(message: &Message, response: Response) -> Option<Vec<u8>> {
    if !message.code().is_request() {
        return None;
    }
    let kind = match message.kind() {
        Kind::Confirmable => Kind::Acknowledgement,
        Kind::NonConfirmable => Kind::NonConfirmable,
        Kind::Acknowledgement | Kind::Reset => return None,
    };
    let unwanted = message.uint(option::NO_RESPONSE, 1).unwrap_or(0) >> (response.code.class() - 1) & 1 == 1;
    if unwanted {
        return (kind == Kind::Acknowledgement).then(|| empty(kind, message.id()));
    }
    let mut answer = Message::new(kind, response.code, message.id(), message.token());
    response.write_options(&mut answer);
    answer.set_payload(response.payload);
    Some(answer.encode())
}
