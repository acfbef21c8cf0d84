//! Shapes of TLV content (contract 6.1).
use integration_tests::datagram::option;
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{World, hex, unhex};
use serde_json::{Value, json};

/// Path and value of each element; `None`: the answer is 4.00.
type Elements = Option<Vec<(&'static str, Value)>>;

/// Path read, payload in hex, elements; `None`: 4.00.
fn table() -> Vec<(&'static str, String, Elements)> {
    let text = |id: u8, text: &str| format!("c8{id:02x}{:02x}{}", text.len(), hex(text.as_bytes()));
    let three =
        format!("{}{}{}", text(0, "Open Mobile Alliance"), text(1, "Lightweight M2M Client"), text(2, "345000123"));
    let long = "ab".repeat(300);
    let elements = vec![
        ("/3/0/0", json!("Open Mobile Alliance")),
        ("/3/0/1", json!("Lightweight M2M Client")),
        ("/3/0/2", json!("345000123")),
    ];
    vec![
        // one object instance
        ("/3/0", format!("08003c{three}"), Some(elements.clone())),
        ("/3", format!("08003c{three}"), Some(elements.clone())),
        // several resources
        ("/3/0", three, Some(elements)),
        (
            "/3/0",
            "c40d0000000a 88160c 440000010002 440100010003".to_owned(),
            Some(vec![("/3/0/13", json!(10)), ("/3/0/22/0", json!("1:2")), ("/3/0/22/1", json!("1:3"))]),
        ),
        // a multiple resource, ids of 8 and 16 bit
        ("/2/0/2", "8702 417f07 61013601".to_owned(), Some(vec![("/2/0/2/127", json!(7)), ("/2/0/2/310", json!(1))])),
        ("/2/0", "8702 417f07 61013601".to_owned(), Some(vec![("/2/0/2/127", json!(7)), ("/2/0/2/310", json!(1))])),
        // one resource
        ("/3/0/13", "c10d0a".to_owned(), Some(vec![("/3/0/13", json!(10))])),
        ("/3/0", "c10d0a".to_owned(), Some(vec![("/3/0/13", json!(10))])),
        ("/3", "c10d0a".to_owned(), None),
        ("/3", "c10d0a c10901".to_owned(), None),
        // several object instances
        (
            "/3303",
            "0700e4164441a00000 0701e4164441b00000".to_owned(),
            Some(vec![("/3303/0/5700", json!(20.0)), ("/3303/1/5700", json!(22.0))]),
        ),
        // object instance with 16 bit id
        ("/3303", "270100e4164441a00000".to_owned(), Some(vec![("/3303/256/5700", json!(20.0))])),
        // resource instances on top, answer to a resource instance
        ("/3/0/6/1", "410105".to_owned(), Some(vec![("/3/0/6/1", json!(5))])),
        ("/33000/0/10/300", "62012c4849".to_owned(), Some(vec![("/33000/0/10/300", json!("HI"))])),
        // empty
        ("/3/0", String::new(), Some(vec![])),
        ("/3", String::new(), Some(vec![])),
        // lengths of 16 and 24 bit
        ("/33000/0/0", format!("d0000258{}", hex(long.as_bytes())), Some(vec![("/33000/0/0", json!(long))])),
        ("/33000/0/0", format!("d8000002 58{}", hex(long.as_bytes())), Some(vec![("/33000/0/0", json!(long))])),
        // refused as a whole: unknown resource, wrong length, truncated, trailing rubbish
        ("/3/0", "c10d0a c1 c8 01".to_owned(), None),
        ("/3/0", "c1c801".to_owned(), None),
        ("/3/0", "c30d01".to_owned(), None),
        ("/3/0", "c8".to_owned(), None),
        ("/3/0", "d00d01".to_owned(), None),
        ("/3/0", "c10d0a ff".to_owned(), None),
        ("/3303/0", "e3164441a000".to_owned(), None),
    ]
}

#[test]
fn each_shape_gets_its_paths() {
    let world = World::start();
    let device = world.device("ep1");
    for (path, payload, elements) in table() {
        for format in [&[0x2d, 0x16][..], &[0x06, 0x06]] {
            // 11542 and the pre-standard 1542
            let command = json!({"reqID": 1, "msgType": "read", "data": {"path": path}});
            let message =
                world.round_trip(&device, &command, "2.05", &[(option::CONTENT_FORMAT, format)], unhex(&payload));
            let data =
                elements.as_ref().map_or_else(|| plain("4.00", path), |elements| content("2.05", path, elements));
            assert_message(&message, &json!({"reqID": 1, "msgType": "read", "data": data}));
            if elements.is_none() {
                let diagnostic = message.data("diagnostic").as_str().unwrap_or("");
                assert!(diagnostic.starts_with("undecodable"), "{path} {payload}: {}", message.json);
            }
        }
    }
}
