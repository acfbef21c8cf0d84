//! Comparing messages with the contract.
use crate::Message;
use serde_json::{Value, json};

/// The message equals the expected one member by member. Only what the contract calls additive may be there beyond it:
/// `data.diagnostic` of an error, and `seqNum` of an observe answer.
#[track_caller]
pub fn assert_message(message: &Message, expected: &Value) {
    let mut actual = message.json.clone();
    let is_error = actual["data"]["code"].as_str().is_some_and(|code| code.starts_with(['4', '5']));
    if expected["data"].get("diagnostic").is_none()
        && (is_error || actual["data"].get("code").is_none())
        && let Some(data) = actual.get_mut("data").and_then(Value::as_object_mut)
    {
        data.remove("diagnostic");
    }
    if actual["msgType"] == "observe" && expected.get("seqNum").is_none() {
        actual.as_object_mut().expect("a message is an object").remove("seqNum");
    }
    assert!(
        same(&actual, expected),
        "on {}\n     came: {actual}\n expected: {expected}\n as bytes: {}",
        message.topic,
        String::from_utf8_lossy(&message.payload)
    );
}

/// Equal as JSON: the order of members does not matter, and `20` is `20.0`.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Number(left), Value::Number(right)) if left.is_f64() != right.is_f64() => {
            left.as_f64() == right.as_f64()
        }
        _ => left == right,
    }
}

/// `data` of an answer with content.
pub fn content(code: &str, path: &str, elements: &[(&str, Value)]) -> Value {
    let elements: Vec<Value> = elements.iter().map(|(path, value)| json!({"path": path, "value": value})).collect();
    json!({"code": code, "codeMsg": name_of(code), "reqPath": path, "content": elements})
}

/// `data` of an answer without content.
pub fn plain(code: &str, path: &str) -> Value {
    json!({"code": code, "codeMsg": name_of(code), "reqPath": path})
}

/// `codeMsg` of the contract's table 5.1 and of the codes that we add.
pub fn name_of(code: &str) -> &'static str {
    match code {
        "2.01" => "created",
        "2.02" => "deleted",
        "2.03" => "valid",
        "2.04" => "changed",
        "2.05" => "content",
        "2.31" => "continue",
        "4.00" => "bad_request",
        "4.01" => "unauthorized",
        "4.02" => "bad_option",
        "4.03" => "forbidden",
        "4.04" => "not_found",
        "4.05" => "method_not_allowed",
        "4.06" => "not_acceptable",
        "4.08" => "request_entity_incomplete",
        "4.09" => "conflict",
        "4.12" => "precondition_failed",
        "4.13" => "request_entity_too_large",
        "4.15" => "unsupported_content_format",
        "4.22" => "unprocessable_entity",
        "4.29" => "too_many_requests",
        "5.00" => "internal_server_error",
        "5.01" => "not_implemented",
        "5.02" => "bad_gateway",
        "5.03" => "service_unavailable",
        "5.04" => "gateway_timeout",
        "5.05" => "proxying_not_supported",
        "5.08" => "hop_limit_reached",
        _ => "unknown",
    }
}
