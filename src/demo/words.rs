//! What a message says, in plain words.
use serde_json::Value;

/// Elements of `content` that are spelled out.
const SPELLED_OUT: usize = 4;

/// One line for a command or for what comes back.
pub(super) fn of(to_device: bool, json: &Value) -> String {
    let kind = json["msgType"].as_str().unwrap_or("something unreadable");
    let data = &json["data"];
    if to_device {
        let path = ["path", "basePath"].iter().find_map(|key| data[*key].as_str()).unwrap_or("");
        return match &data["value"] {
            Value::Null => format!("please {kind} {path}"),
            value => format!("please {kind} {path} = {value}"),
        };
    }
    match kind {
        "register" | "update" => {
            let objects: Vec<&str> =
                data["objectList"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let word = if kind == "register" { "registered" } else { "updated its registration" };
            format!("{word} for {} s with {}", data["lt"], objects.join(" "))
        }
        "deregister" => "deregistered".to_owned(),
        "notify" => format!("tells {}", values(&data["content"])),
        "ack" => "has the request, the answer follows".to_owned(),
        "coap_timeout" => "did not answer".to_owned(),
        "coap_reset" => "answered with a reset".to_owned(),
        _ => {
            let (code, words) = (text(&data["code"]), text(&data["codeMsg"]));
            let content = values(&data["content"]);
            if content.is_empty() {
                format!("{kind}: {code} {words}")
            } else {
                format!("{kind}: {code} {words}, {content}")
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `/3/0/9 = 87, /3/0/13 = 1763825000 and 3 more`
fn values(content: &Value) -> String {
    let elements: Vec<String> = content
        .as_array()
        .into_iter()
        .flatten()
        .map(|element| match element {
            Value::String(link) => link.clone(),
            element => format!("{} = {}", text(&element["path"]), element["value"]),
        })
        .collect();
    let shown = elements.iter().take(SPELLED_OUT).cloned().collect::<Vec<_>>().join(", ");
    match elements.len().saturating_sub(SPELLED_OUT) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_are_put_into_words() {
        for (to_device, message, expected) in [
            (true, json!({"reqID":1,"msgType":"read","data":{"path":"/3/0/9"}}), "please read /3/0/9"),
            (
                true,
                json!({"msgType":"write","data":{"path":"/3/0/14","type":"String","value":"+02:00"}}),
                "please write /3/0/14 = \"+02:00\"",
            ),
            (
                false,
                json!({"msgType":"register","data":{"lt":60,"objectList":["/3/0","/6/0"]}}),
                "registered for 60 s with /3/0 /6/0",
            ),
            (
                false,
                json!({"msgType":"read","data":{"code":"2.05","codeMsg":"content","content":[{"path":"/3/0/9","value":87}]}}),
                "read: 2.05 content, /3/0/9 = 87",
            ),
            (false, json!({"msgType":"execute","data":{"code":"2.04","codeMsg":"changed"}}), "execute: 2.04 changed"),
            (
                false,
                json!({"msgType":"notify","data":{"content":[
                    {"path":"/6/0/0","value":1.5},{"path":"/6/0/1","value":2},{"path":"/6/0/2","value":3},
                    {"path":"/6/0/3","value":4},{"path":"/6/0/5","value":5}]}}),
                "tells /6/0/0 = 1.5, /6/0/1 = 2, /6/0/2 = 3, /6/0/3 = 4 and 1 more",
            ),
            (false, Value::Null, "something unreadable:  "),
        ] {
            assert_eq!(of(to_device, &message), expected);
        }
    }
}
