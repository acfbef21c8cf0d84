//! Response codes and their names (contract 5.1).
use coap::Code;

/// Code and `codeMsg`.
pub(crate) const NAMES: [(Code, &str); 27] = [
    (Code::new(2, 1), "created"),
    (Code::new(2, 2), "deleted"),
    (Code::new(2, 3), "valid"),
    (Code::new(2, 4), "changed"),
    (Code::new(2, 5), "content"),
    (Code::new(2, 31), "continue"),
    (Code::new(4, 0), "bad_request"),
    (Code::new(4, 1), "unauthorized"),
    (Code::new(4, 2), "bad_option"),
    (Code::new(4, 3), "forbidden"),
    (Code::new(4, 4), "not_found"),
    (Code::new(4, 5), "method_not_allowed"),
    (Code::new(4, 6), "not_acceptable"),
    (Code::new(4, 8), "request_entity_incomplete"),
    (Code::new(4, 9), "conflict"),
    (Code::new(4, 12), "precondition_failed"),
    (Code::new(4, 13), "request_entity_too_large"),
    (Code::new(4, 15), "unsupported_content_format"),
    (Code::new(4, 22), "unprocessable_entity"),
    (Code::new(4, 29), "too_many_requests"),
    (Code::new(5, 0), "internal_server_error"),
    (Code::new(5, 1), "not_implemented"),
    (Code::new(5, 2), "bad_gateway"),
    (Code::new(5, 3), "service_unavailable"),
    (Code::new(5, 4), "gateway_timeout"),
    (Code::new(5, 5), "proxying_not_supported"),
    (Code::new(5, 8), "hop_limit_reached"),
];

/// `codeMsg` of a code.
pub fn name(code: Code) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == code).map_or("unknown", |(_, name)| name)
}

/// `"code":"2.05","codeMsg":"content"`
pub(super) fn write(out: &mut Vec<u8>, code: Code) {
    let digit = |n: u8| b'0' + n;
    let detail = code.detail();
    out.extend_from_slice(b"\"code\":\"");
    out.extend_from_slice(&[digit(code.class()), b'.', digit(detail / 10), digit(detail % 10)]);
    out.extend_from_slice(b"\",\"codeMsg\":\"");
    out.extend_from_slice(name(code).as_bytes());
    out.push(b'"');
}
