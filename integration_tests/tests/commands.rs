//! Every row of the command table (contract chapter 4): what goes to the device, byte by byte, and what comes back.
use integration_tests::datagram::{code, option};
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{World, unhex};
use serde_json::{Value, json};

/// One command and its life.
struct Row {
    msg_type: &'static str,
    data: Value,
    /// Method code and hex of options and payload.
    sent: (u8, &'static str),
    /// The device's answer: code, Content-Format, payload in hex.
    answer: (&'static str, Option<u16>, &'static str),
    /// `data` of the answer message.
    published: Value,
}

const GET: u8 = 1;
const POST: u8 = 2;
const PUT: u8 = 3;
const DELETE: u8 = 4;

fn row(
    msg_type: &'static str,
    data: Value,
    sent: (u8, &'static str),
    answer: (&'static str, Option<u16>, &'static str),
    published: Value,
) -> Row {
    Row { msg_type, data, sent, answer, published }
}

/// All for a device with alternate path `/lwm2m`.
fn table() -> Vec<Row> {
    let ok = ("2.04", None, "");
    vec![
        // 4.1
        row(
            "read",
            json!({"path":"/3/0/0"}),
            (GET, "b56c776d326d 0133 0130 0130"),
            ("2.05", Some(0), "454d51"),
            content("2.05", "/3/0/0", &[("/3/0/0", json!("EMQ"))]),
        ),
        row(
            "read",
            json!({"path":"/3/0"}),
            (GET, "b56c776d326d 0133 0130"),
            ("2.05", Some(11542), "c800024849c90961"),
            json!({"code":"4.00","codeMsg":"bad_request","reqPath":"/3/0"}),
        ),
        row(
            "read",
            json!({"path":"/3/0"}),
            (GET, "b56c776d326d 0133 0130"),
            ("2.05", Some(11542), "c2004849c10961"),
            content("2.05", "/3/0", &[("/3/0/0", json!("HI")), ("/3/0/9", json!(97))]),
        ),
        row(
            "read",
            json!({"path":"/3"}),
            (GET, "b56c776d326d 0133"),
            ("2.05", Some(11542), "0400 c2004849"),
            content("2.05", "/3", &[("/3/0/0", json!("HI"))]),
        ),
        row(
            "read",
            json!({"path":"/3/0/6/1"}),
            (GET, "b56c776d326d 0133 0130 0136 0131"),
            ("2.05", Some(11542), "410105"),
            content("2.05", "/3/0/6/1", &[("/3/0/6/1", json!(5))]),
        ),
        row(
            "read",
            json!({"path":"/3303/0/5700"}),
            (GET, "b56c776d326d 0433333033 0130 0435373030"),
            ("2.05", Some(11542), "e4164441a00000"),
            content("2.05", "/3303/0/5700", &[("/3303/0/5700", json!(20.0))]),
        ),
        // slashes in front and behind are optional; reqPath is as sent, and so is the path of a text
        row(
            "read",
            json!({"path":"3/0/0"}),
            (GET, "b56c776d326d 0133 0130 0130"),
            ("2.05", Some(0), "4849"),
            content("2.05", "3/0/0", &[("3/0/0", json!("HI"))]),
        ),
        row(
            "read",
            json!({"path":"/3/0/0/"}),
            (GET, "b56c776d326d 0133 0130 0130"),
            ("2.05", Some(0), "4849"),
            content("2.05", "/3/0/0/", &[("/3/0/0/", json!("HI"))]),
        ),
        row(
            "read",
            json!({"path":"3/0"}),
            (GET, "b56c776d326d 0133 0130"),
            ("2.05", Some(11542), "c2004849"),
            content("2.05", "3/0", &[("/3/0/0", json!("HI"))]),
        ),
        // a query becomes Uri-Query options; reqPath ends before it
        row(
            "read",
            json!({"path":"/3/0/0?a=1&b=2"}),
            (GET, "b56c776d326d 0133 0130 0130 43613d31 03623d32"),
            ("2.05", Some(0), "58"),
            content("2.05", "/3/0/0", &[("/3/0/0", json!("X"))]),
        ),
        row(
            "discover",
            json!({"path":"/3/0"}),
            (GET, "b56c776d326d 0133 0130 6128"),
            ("2.05", Some(40), "3c2f332f303e3b64696d3d382c3c2f332f302f303e"),
            json!({"code":"2.05","codeMsg":"content","reqPath":"/3/0","content":["</3/0>;dim=8","</3/0/0>"]}),
        ),
        row(
            "discover",
            json!({"path":"/3/0?depth=1"}),
            (GET, "b56c776d326d 0133 0130 4764657074683d31 2128"),
            ("2.05", Some(40), "3c2f332f303e"),
            json!({"code":"2.05","codeMsg":"content","reqPath":"/3/0","content":["</3/0>"]}),
        ),
        row(
            "delete",
            json!({"path":"/3303/1"}),
            (DELETE, "b56c776d326d 0433333033 0131"),
            ("2.02", None, ""),
            plain("2.02", "/3303/1"),
        ),
        row(
            "cancel-observe",
            json!({"path":"/3/0/0"}),
            (GET, "6101 556c776d326d 0133 0130 0130"),
            ("2.05", Some(0), "58"),
            content("2.05", "/3/0/0", &[("/3/0/0", json!("X"))]),
        ),
        // 4.2
        row(
            "write",
            json!({"path":"/3/0/13","type":"Integer","value":"12345"}),
            (PUT, "b56c776d326d 0133 0130 023133 122d16 ff c20d3039"),
            ok,
            plain("2.04", "/3/0/13"),
        ),
        row(
            "write",
            json!({"basePath":"/","path":"/3/0/13","type":"Integer","value":"12345"}),
            (PUT, "b56c776d326d 0133 0130 023133 122d16 ff c20d3039"),
            ok,
            plain("2.04", "/3/0/13"),
        ),
        row(
            "write",
            json!({"path":"/3/0/13","type":"Float","value":"12345.0"}),
            (PUT, "b56c776d326d 0133 0130 023133 122d16 ff c80d0840c81c8000000000"),
            ok,
            plain("2.04", "/3/0/13"),
        ),
        row(
            "write",
            json!({"path":"/3/0/1","type":"String","value":"Hello"}),
            (PUT, "b56c776d326d 0133 0130 0131 122d16 ff c50148656c6c6f"),
            ok,
            plain("2.04", "/3/0/1"),
        ),
        row(
            "write",
            json!({"path":"/3/0/22","type":"Objlnk","value":"1:2"}),
            (PUT, "b56c776d326d 0133 0130 023232 122d16 ff c41600010002"),
            ok,
            plain("2.04", "/3/0/22"),
        ),
        row(
            "write",
            json!({"path":"/3/0/13?x=1","type":"Integer","value":1}),
            (PUT, "b56c776d326d 0133 0130 023133 122d16 33783d31 ff c10d01"),
            ok,
            plain("2.04", "/3/0/13"),
        ),
        // a resource instance: multiple-resource TLV with that one instance, to the resource (1.0)
        row(
            "write",
            json!({"path":"/33000/0/11/2","type":"Integer","value":7}),
            (PUT, "b56c776d326d 053333303030 0130 023131 122d16 ff 830b410207"),
            ok,
            plain("2.04", "/33000/0/11/2"),
        ),
        // 4.3
        row(
            "write",
            json!({"basePath":"/3/0/","content":[{"path":"13","type":"Integer","value":"12345"},{"path":"14","type":"String","value":"87x"},{"path":"6/0","type":"Integer","value":"1"}]}),
            (POST, "b56c776d326d 0133 0130 122d16 ff c20d3039 c30e383778 8306410001"),
            ok,
            plain("2.04", "/3/0/"),
        ),
        row(
            "write",
            json!({"basePath":"/3/0","content":[{"path":"/13","type":"Integer","value":1}]}),
            (POST, "b56c776d326d 0133 0130 122d16 ff c10d01"),
            ok,
            plain("2.04", "/3/0"),
        ),
        // instances of one resource are collected at the place of the first
        row(
            "write",
            json!({"basePath":"/33000/0","content":[{"path":"11/0","type":"Integer","value":1},{"path":"0","type":"String","value":"a"},{"path":"11/1","type":"Integer","value":2}]}),
            (POST, "b56c776d326d 053333303030 0130 122d16 ff 860b410001410102 c10061"),
            ok,
            plain("2.04", "/33000/0"),
        ),
        // a repeated element replaces the earlier one
        row(
            "write",
            json!({"basePath":"/33000/0","content":[{"path":"1","type":"Integer","value":1},{"path":"1","type":"Integer","value":2}]}),
            (POST, "b56c776d326d 053333303030 0130 122d16 ff c10102"),
            ok,
            plain("2.04", "/33000/0"),
        ),
        row(
            "write",
            json!({"basePath":"/3/0/22","content":[{"path":"0","type":"Objlnk","value":"1:2"},{"path":"1","type":"Objlnk","value":"1:3"},{"path":"1","type":"Objlnk","value":"1:4"}]}),
            (PUT, "b56c776d326d 0133 0130 023232 122d16 ff 88160c 440000010002 440100010004"),
            ok,
            plain("2.04", "/3/0/22"),
        ),
        // one element on a resource: a plain value, its path is ignored and may be missing
        row(
            "write",
            json!({"basePath":"/3/0/14","content":[{"type":"String","value":"x"}]}),
            (PUT, "b56c776d326d 0133 0130 023134 122d16 ff c10e78"),
            ok,
            plain("2.04", "/3/0/14"),
        ),
        row(
            "write",
            json!({"basePath":"/3/0/14","content":[{"path":"9","type":"String","value":"x"}]}),
            (PUT, "b56c776d326d 0133 0130 023134 122d16 ff c10e78"),
            ok,
            plain("2.04", "/3/0/14"),
        ),
        // replacement of the instance
        row(
            "write",
            json!({"basePath":"/3/0","mode":"replace","content":[{"path":"14","type":"String","value":"x"}]}),
            (PUT, "b56c776d326d 0133 0130 122d16 ff c10e78"),
            ok,
            plain("2.04", "/3/0"),
        ),
        row(
            "write",
            json!({"basePath":"/3/0","mode":"update","content":[{"path":"14","type":"String","value":"x"}]}),
            (POST, "b56c776d326d 0133 0130 122d16 ff c10e78"),
            ok,
            plain("2.04", "/3/0"),
        ),
        // 4.4
        row(
            "create",
            json!({"basePath":"/6","content":[{"path":"0/0","type":"Float","value":"1.5"},{"path":"0/4","type":"Opaque","value":"AQID"},{"path":"1/0","type":"Float","value":"2.5"}]}),
            (
                POST,
                "b56c776d326d 0136 122d16 ff 080010 c800083ff8000000000000 c304010203 08010b c800084004000000000000",
            ),
            ("2.01", None, ""),
            plain("2.01", "/6"),
        ),
        row(
            "create",
            json!({"basePath":"/6","content":[]}),
            (POST, "b56c776d326d 0136 122d16"),
            ("2.01", None, ""),
            plain("2.01", "/6"),
        ),
        row(
            "create",
            json!({"basePath":"/6"}),
            (POST, "b56c776d326d 0136 122d16"),
            ("2.01", None, ""),
            plain("2.01", "/6"),
        ),
        row(
            "create",
            json!({"basePath":"/6/3","content":[{"path":"0","type":"Float","value":"1.5"}]}),
            (POST, "b56c776d326d 0136 0133 122d16 ff c800083ff8000000000000"),
            ("2.01", None, ""),
            plain("2.01", "/6/3"),
        ),
        row(
            "create",
            json!({"basePath":"/33000","content":[{"path":"0/11/0","type":"Integer","value":1},{"path":"0/11/1","type":"Integer","value":2}]}),
            (POST, "b56c776d326d 053333303030 122d16 ff 080008 860b410001410102"),
            ("2.01", None, ""),
            plain("2.01", "/33000"),
        ),
        // 4.5 (one attribute, so that the order is fixed; more in the test below)
        row(
            "write-attr",
            json!({"path":"/3/0/9","pmin":10}),
            (PUT, "b56c776d326d 0133 0130 0139 47706d696e3d3130"),
            ok,
            plain("2.04", "/3/0/9"),
        ),
        row(
            "write-attr",
            json!({"path":"/3/0","pmax":"60"}),
            (PUT, "b56c776d326d 0133 0130 47706d61783d3630"),
            ok,
            plain("2.04", "/3/0"),
        ),
        row(
            "write-attr",
            json!({"path":"/3/0/9","gt":42.5}),
            (PUT, "b56c776d326d 0133 0130 0139 4767743d34322e35"),
            ok,
            plain("2.04", "/3/0/9"),
        ),
        row(
            "write-attr",
            json!({"path":"/3/0/9","lt":10.0}),
            (PUT, "b56c776d326d 0133 0130 0139 456c743d3130"),
            ok,
            plain("2.04", "/3/0/9"),
        ),
        row(
            "write-attr",
            json!({"path":"/3/0/9","st":"0.5","pmin":null,"other":1}),
            (PUT, "b56c776d326d 0133 0130 0139 4673743d302e35"),
            ok,
            plain("2.04", "/3/0/9"),
        ),
        // 4.6
        row(
            "execute",
            json!({"path":"/3/0/4","args":"0='1'"}),
            (POST, "b56c776d326d 0133 0130 0134 10 ff 303d273127"),
            ok,
            plain("2.04", "/3/0/4"),
        ),
        row("execute", json!({"path":"/3/0/4"}), (POST, "b56c776d326d 0133 0130 0134 10"), ok, plain("2.04", "/3/0/4")),
        row(
            "execute",
            json!({"path":"/3/0/4","args":null}),
            (POST, "b56c776d326d 0133 0130 0134 10"),
            ok,
            plain("2.04", "/3/0/4"),
        ),
        row(
            "execute",
            json!({"path":"/3/0/4","args":"undefined"}),
            (POST, "b56c776d326d 0133 0130 0134 10"),
            ok,
            plain("2.04", "/3/0/4"),
        ),
        row(
            "execute",
            json!({"path":"/3/0/4","args":5}),
            (POST, "b56c776d326d 0133 0130 0134 10 ff 35"),
            ok,
            plain("2.04", "/3/0/4"),
        ),
        row(
            "execute",
            json!({"path":"/3/0/4?k=v"}),
            (POST, "b56c776d326d 0133 0130 0134 10 336b3d76"),
            ok,
            plain("2.04", "/3/0/4"),
        ),
    ]
}

#[test]
fn each_command_travels_as_the_contract_says() {
    let world = World::start();
    let links = "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>,</lwm2m/6/0>,</lwm2m/3303/1>,</lwm2m/33000/0>";
    let device = world.device_with("ep1", &[], links);
    for (at, row) in table().into_iter().enumerate() {
        let command = json!({"reqID": at, "msgType": row.msg_type, "data": row.data});
        let request = world.command(&device, &command);
        let sent = (row.sent.0, row.sent.1.replace(' ', ""));
        assert_eq!((request.code, request.tail()), sent, "the request of {command} is {request:?}");
        let format = row.answer.1.map(|format| integration_tests::datagram::uint(u32::from(format)));
        let options: Vec<(u16, &[u8])> =
            format.iter().map(|format| (option::CONTENT_FORMAT, format.as_slice())).collect();
        device.answer(&request, row.answer.0, &options, unhex(row.answer.2));
        let message = world.application.answer("ep1");
        assert_message(&message, &json!({"reqID": at, "msgType": row.msg_type, "data": row.published}));
    }
    device.expect_quiet();
}

#[test]
fn without_alternate_path_nothing_is_put_in_front() {
    let world = World::start();
    let device = world.device_with("ep1", &[], "</3/0>");
    let request = world.command(&device, &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
    assert_eq!(request.tail(), "b13301300130");
}

#[test]
fn alternate_path_of_two_segments_is_split() {
    let world = World::start();
    let device = world.device_with("ep1", &[], "</a/b>;rt=\"oma.lwm2m\",</a/b/3/0>");
    let request = world.command(&device, &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
    assert_eq!(request.tail(), "b161016201330130".to_owned() + "0130");
}

#[test]
fn write_attr_sends_every_attribute_and_the_query_of_the_path() {
    let world = World::start();
    let device = world.device("ep1");
    let rows = [
        (json!({"path":"/3/0/9","pmin":10,"pmax":60}), vec!["pmax=60", "pmin=10"]),
        (
            json!({"path":"/3/0/9","pmin":"1","pmax":"2","gt":"7.5","lt":4,"st":0.25}),
            vec!["gt=7.5", "lt=4", "pmax=2", "pmin=1", "st=0.25"],
        ),
        (json!({"path":"/3/0/9?ssid=1","pmin":10}), vec!["pmin=10", "ssid=1"]),
        (json!({"path":"/3/0/9","gt":-5}), vec!["gt=-5"]),
        (json!({"path":"/3/0/9","st":1e3}), vec!["st=1000"]),
    ];
    for (data, expected) in rows {
        let request = world.command(&device, &json!({"reqID": 1, "msgType": "write-attr", "data": data}));
        let mut queries = request.texts(option::URI_QUERY);
        queries.sort();
        assert_eq!((request.code, queries), (3, expected.into_iter().map(str::to_owned).collect()), "{data}");
        assert!(request.payload.is_empty() && request.option(option::CONTENT_FORMAT).is_none(), "{request:?}");
        device.answer(&request, "2.04", &[], "");
        assert_message(
            &world.application.answer("ep1"),
            &json!({"reqID": 1, "msgType": "write-attr", "data": plain("2.04", data["path"].as_str().unwrap().split('?').next().unwrap())}),
        );
    }
}

#[test]
fn write_to_a_resource_instance_of_a_1_1_device_goes_to_the_instance() {
    let world = World::start();
    let device = world.device_with("ep1", &["lwm2m=1.1"], "</33000/0>");
    let request = world.command(
        &device,
        &json!({"reqID": 1, "msgType": "write", "data": {"path": "/33000/0/11/2", "type": "Integer", "value": 7}}),
    );
    assert_eq!(
        (request.code, request.tail()),
        (PUT, "b53333303030".to_owned() + "0130" + "023131" + "0132" + "122d16" + "ff" + "410207")
    );
}

#[test]
fn created_instance_is_named_by_its_location() {
    let world = World::start();
    let device = world.device_with("ep1", &[], "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/6/0>");
    for location in [&["6", "3"][..], &["lwm2m", "6", "3"]] {
        let request = world
            .command(&device, &json!({"reqID": 1, "msgType": "create", "data": {"basePath": "/6", "content": []}}));
        let options: Vec<(u16, &[u8])> =
            location.iter().map(|segment| (option::LOCATION_PATH, segment.as_bytes())).collect();
        device.answer(&request, "2.01", &options, "");
        let expected = json!({"code": "2.01", "codeMsg": "created", "reqPath": "/6", "location": "/6/3"});
        assert_message(&world.application.answer("ep1"), &json!({"reqID": 1, "msgType": "create", "data": expected}));
    }
}

#[test]
fn every_member_of_the_command_comes_back_unchanged() {
    let world = World::start();
    let device = world.device("ep1");
    let echoes = [
        json!({"reqID": 7}),
        json!({"reqID": "seven"}),
        json!({"reqID": 1.5}),
        json!({"reqID": null}),
        json!({"reqID": {"deep": [1, 2, {"x": null}]}}),
        json!({"reqID": 18_446_744_073_709_551_615_u64}),
        json!({"reqID": -9_223_372_036_854_775_808_i64}),
        json!({"requestID": 1, "cacheID": "c", "imei": "i", "imsi": "s", "encoding": "plain", "mheaders": {"ttl": 7200}, "anything": [true]}),
        json!({"mheaders": "not an object"}),
        json!({}),
    ];
    for echo in echoes {
        let mut command = echo.clone();
        command["msgType"] = json!("read");
        command["data"] = json!({"path": "/3/0/0"});
        let message = world.round_trip(&device, &command, "2.05", &[], "v");
        let mut expected = echo;
        expected["msgType"] = json!("read");
        expected["data"] = content("2.05", "/3/0/0", &[("/3/0/0", json!("v"))]);
        assert_message(&message, &expected);
    }
}

#[test]
fn imei_and_imsi_of_the_registration_are_filled_in() {
    let world = World::start();
    let device = world.device_with("ep1", &["imei=111", "imsi=222"], "</3/0>");
    let message = world.round_trip(
        &device,
        &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}),
        "2.05",
        &[],
        "v",
    );
    assert_message(
        &message,
        &json!({"reqID": 1, "imei": "111", "imsi": "222", "msgType": "read", "data": content("2.05", "/3/0/0", &[("/3/0/0", json!("v"))])}),
    );
    let command = json!({"reqID": 1, "imei": "of the command", "msgType": "read", "data": {"path": "/3/0/0"}});
    let message = world.round_trip(&device, &command, "2.05", &[], "v");
    assert_eq!((&message.json["imei"], &message.json["imsi"]), (&json!("of the command"), &json!("222")));
}

#[test]
fn any_topic_level_behind_dn_is_served() {
    let world = World::start();
    let device = world.device("ep1");
    for tail in ["dn", "dn/dm", "dn/any/depth", "dn/3/0/1"] {
        world
            .application
            .publish(&format!("lwm2m/ep1/{tail}"), r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
        let request = device.expect_request();
        assert_eq!(request.uri_path(), "/3/0/0", "the path is taken from the JSON alone ({tail})");
        device.answer(&request, "2.05", &[], "v");
        assert_eq!(world.application.answer("ep1").data("code"), "2.05");
    }
    world.application.publish("lwm2m/ep1/command", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    world.application.publish("lwm2m/ep1/dnx", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    device.expect_quiet();
}

#[test]
fn plain_command_topic_serves_only_itself() {
    let world = World::with(&[("lwm2m.translators.command", "{ topic = \"dn\", qos = 0 }")]);
    let device = world.device("ep1");
    world.application.publish("lwm2m/ep1/dn/dm", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    device.expect_quiet();
    world.application.publish("lwm2m/ep1/dn", r#"{"reqID":2,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    device.answer(&device.expect_request(), "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").json["reqID"], 2);
}

#[test]
fn all_requests_are_confirmable_with_unique_unguessable_tokens() {
    let world = World::start();
    let device = world.device("ep1");
    let mut tokens = std::collections::BTreeSet::new();
    let mut mids = std::collections::BTreeSet::new();
    for at in 0..100 {
        let request = world.command(&device, &json!({"reqID": at, "msgType": "read", "data": {"path": "/3/0/0"}}));
        assert!(request.token.len() >= 4, "a token of at least 4 bytes: {request:?}");
        assert!(tokens.insert(request.token.clone()), "the same token twice: {request:?}");
        assert!(mids.insert(request.mid), "the same message id twice: {request:?}");
        device.answer(&request, "2.05", &[], "v");
        world.application.answer("ep1");
    }
    let ones: u32 = tokens.iter().flatten().map(|byte| byte.count_ones()).sum();
    let bits = u32::try_from(tokens.iter().map(Vec::len).sum::<usize>()).unwrap() * 8;
    assert!(ones * 100 > bits * 40 && ones * 100 < bits * 60, "{ones} of {bits} bits are set: not random");
    assert_eq!(code("2.05"), 0x45);
}
