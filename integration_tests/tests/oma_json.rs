//! The old JSON format, 11543 (contract 6.2).
use integration_tests::World;
use integration_tests::datagram::option;
use integration_tests::expectation::{assert_message, content, plain};
use serde_json::{Value, json};

/// Path and value of each element; `None`: the answer is 4.00.
type Elements = Option<Vec<(&'static str, Value)>>;

/// Path read, payload, elements; `None`: 4.00.
fn table() -> Vec<(&'static str, &'static str, Elements)> {
    vec![
        (
            "/3/0",
            r#"{"bn":"/3/0/","e":[{"n":"0","sv":"EMQ"},{"n":"9","v":95},{"n":"11/0","v":0}]}"#,
            Some(vec![("/3/0/0", json!("EMQ")), ("/3/0/9", json!(95)), ("/3/0/11/0", json!(0))]),
        ),
        ("/3/0", r#"{"bn":"/3/0","e":[{"n":"/0","sv":"EMQ"}]}"#, Some(vec![("/3/0/0", json!("EMQ"))])),
        ("/3/0", r#"{"e":[{"n":"/3/0/0","sv":"EMQ"}]}"#, Some(vec![("/3/0/0", json!("EMQ"))])),
        ("/3/0/0", r#"{"bn":"/3/0/0","e":[{"sv":"EMQ"}]}"#, Some(vec![("/3/0/0/", json!("EMQ"))])),
        (
            "/3/0",
            r#"{"bn":"/3/0/","e":[{"n":"1","bv":true},{"n":"2","ov":"66:0"},{"n":"3","v":-1.5}]}"#,
            Some(vec![("/3/0/1", json!(true)), ("/3/0/2", json!("66:0")), ("/3/0/3", json!(-1.5))]),
        ),
        // the first of t, v, bv, ov, sv; with t and v it is v; only t keeps t
        (
            "/3/0",
            r#"{"bn":"/3/0/","e":[{"n":"1","v":1,"sv":"no"},{"n":"3","bv":false,"sv":"no"}]}"#,
            Some(vec![("/3/0/1", json!(1)), ("/3/0/3", json!(false))]),
        ),
        ("/3/0", r#"{"bn":"/3/0/","e":[{"n":"13","t":1000}]}"#, Some(vec![("/3/0/13", json!(1000))])),
        // nothing: null
        ("/3/0", r#"{"bn":"/3/0/","e":[{"n":"13"}]}"#, Some(vec![("/3/0/13", json!(null))])),
        ("/3/0", r#"{"bn":"/3/0/","e":[]}"#, Some(vec![])),
        // no definition is needed
        ("/50000/0", r#"{"bn":"/50000/0/","e":[{"n":"1","v":5}]}"#, Some(vec![("/50000/0/1", json!(5))])),
        // broken
        ("/3/0", r#"{"bn":"/3/0/","e":[{"n":"0","sv":"EMQ"}"#, None),
        ("/3/0", r#"{"bn":"/3/0/"}"#, None),
        ("/3/0", "[]", None),
        ("/3/0", "not json", None),
    ]
}

#[test]
fn old_json_is_read_without_definitions() {
    let world = World::start();
    let device = world.device("ep1");
    for (path, payload, elements) in table() {
        for format in [&[0x2d, 0x17][..], &[0x06, 0x07]] {
            let command = json!({"reqID": 1, "msgType": "read", "data": {"path": path}});
            let mut message = world.round_trip(&device, &command, "2.05", &[(option::CONTENT_FORMAT, format)], payload);
            // An element without a name is the base name itself; whether a slash ends it is not said.
            if let Some(only) = message.json.pointer_mut("/data/content/0")
                && only["path"] == "/3/0/0"
                && path == "/3/0/0"
            {
                only["path"] = json!("/3/0/0/");
            }
            let data =
                elements.as_ref().map_or_else(|| plain("4.00", path), |elements| content("2.05", path, elements));
            assert_message(&message, &json!({"reqID": 1, "msgType": "read", "data": data}));
        }
    }
}

#[test]
fn with_time_and_value_the_value_counts() {
    let world = World::start();
    let device = world.device("ep1");
    let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0"}});
    let payload = r#"{"bn":"/3/0/","e":[{"n":"1","t":5,"v":7}]}"#;
    let message = world.round_trip(&device, &command, "2.05", &[(option::CONTENT_FORMAT, &[0x2d, 0x17])], payload);
    let element = &message.json["data"]["content"][0];
    assert_eq!((&element["path"], &element["value"]), (&json!("/3/0/1"), &json!(7)), "{}", message.json);
}
