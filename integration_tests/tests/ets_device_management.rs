//! OMA interoperability test cases 200–299, device management and service enablement, driven through the gateway. docs/ets.md lists them all.
use integration_tests::Lab;
use integration_tests::lab::{reference, values};
use serde_json::{Value, json};
use simulator::{Event, Update};
use std::collections::BTreeMap;

const TEXT: (&str, u32) = ("text", 0);
const CBOR: (&str, u32) = ("cbor", 60);
const SENML_JSON: (&str, u32) = ("senml-json", 110);
const SENML_CBOR: (&str, u32) = ("senml-cbor", 112);
const TLV: (&str, u32) = ("tlv", 11542);
const JSON: (&str, u32) = ("json", 11543);
const SENML: [(&str, u32); 2] = [SENML_JSON, SENML_CBOR];

/// Compares by path; the integer 10 and the float 10.0 are different.
#[track_caller]
fn assert_values(actual: &BTreeMap<String, Value>, expected: &[(&str, Value)]) {
    let expected: BTreeMap<String, Value> =
        expected.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect();
    assert_eq!(*actual, expected);
}

fn device_object() -> Vec<(&'static str, Value)> {
    vec![
        ("/3/0/0", json!("Open Mobile Alliance")),
        ("/3/0/1", json!("Lightweight M2M Client")),
        ("/3/0/2", json!("345000123")),
        ("/3/0/3", json!("1.0")),
        ("/3/0/6/0", json!(1)),
        ("/3/0/6/1", json!(5)),
        ("/3/0/7/0", json!(3800)),
        ("/3/0/7/1", json!(5000)),
        ("/3/0/8/0", json!(125)),
        ("/3/0/8/1", json!(900)),
        ("/3/0/9", json!(100)),
        ("/3/0/11/0", json!(0)),
        ("/3/0/13", json!(1_367_491_215)),
        ("/3/0/14", json!("+02:00")),
        ("/3/0/15", json!("Europe/Berlin")),
        ("/3/0/16", json!("U")),
    ]
}

fn server_object() -> Vec<(&'static str, Value)> {
    vec![
        ("/1/0/0", json!(1)),
        ("/1/0/1", json!(86400)),
        ("/1/0/2", json!(1)),
        ("/1/0/3", json!(10)),
        ("/1/0/5", json!(86400)),
        ("/1/0/6", json!(false)),
        ("/1/0/7", json!("U")),
        ("/1/0/23", json!(false)),
    ]
}

/// The Server object with some values replaced.
fn server_object_with(changed: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut values = server_object();
    for (path, value) in changed {
        values.iter_mut().find(|(at, _)| at == path).expect("a resource of the Server object").1 = value.clone();
    }
    values
}

#[test]
fn ets_201_query_in_plain_text() {
    let lab = Lab::start(reference("ets201"));
    for (path, value) in device_object().into_iter().take(3) {
        assert_values(&lab.read_as(TEXT, path), &[(path, value)]);
    }
}

#[test]
fn ets_203_query_in_tlv() {
    let lab = Lab::start(reference("ets203"));
    assert_values(&lab.read_as(TLV, "/3/0"), &device_object());
}

#[test]
fn ets_204_query_in_json() {
    let lab = Lab::start(reference("ets204"));
    assert_values(&lab.read_as(JSON, "/3/0"), &device_object());
}

/// Writes single values in a format, and checks the Content-Format and what is read back.
fn set_single(lab: &Lab, format: (&str, u32), writes: &[(&str, &str, Value)]) {
    for (path, data_type, value) in writes {
        lab.expect("2.04", "write", &json!({"path": path, "type": data_type, "value": value, "format": format.0}));
        assert_eq!(lab.last().content_format(), Some(format.1), "Content-Format of {path}");
        assert_eq!(lab.value(path), *value);
    }
}

#[test]
fn ets_205_set_in_plain_text() {
    let lab = Lab::start(reference("ets205"));
    let integer = |path, value: i32| (path, "Integer", json!(value));
    set_single(&lab, TEXT, &[integer("/1/0/2", 101), integer("/1/0/3", 1010), integer("/1/0/5", 2000)]);
    set_single(&lab, TEXT, &[integer("/1/0/2", 1), integer("/1/0/3", 10), integer("/1/0/5", 86400)]);
    assert_values(&lab.read("/1/0"), &server_object());
}

#[test]
fn ets_211_query_in_cbor() {
    let lab = Lab::start(reference("ets211"));
    for (path, value) in [("/1/0/0", json!(1)), ("/1/0/6", json!(false)), ("/1/0/7", json!("U"))] {
        assert_values(&lab.read_as(CBOR, path), &[(path, value)]);
    }
}

#[test]
fn ets_212_set_in_cbor() {
    let lab = Lab::start(reference("ets212"));
    let writes =
        [("/1/0/2", "Integer", json!(101)), ("/1/0/3", "Integer", json!(1010)), ("/1/0/6", "Boolean", json!(true))];
    set_single(&lab, CBOR, &writes);
    // CBOR holds one value only: the instance is read in another format.
    let expected = server_object_with(&[("/1/0/2", json!(101)), ("/1/0/3", json!(1010)), ("/1/0/6", json!(true))]);
    assert_values(&lab.read_as(TLV, "/1/0"), &expected);
}

/// 215 and 220: a partial update, then a replacement by what was there before.
fn set_instance(format: (&str, u32)) {
    let lab = Lab::start(reference("ets-set"));
    let before = lab.read("/1/0");
    let update = json!({"basePath": "/1/0", "format": format.0, "content": [
        {"path": "2", "type": "Integer", "value": 101}, {"path": "3", "type": "Integer", "value": 1010},
        {"path": "5", "type": "Integer", "value": 2000}, {"path": "6", "type": "Boolean", "value": true},
        {"path": "7", "type": "String", "value": "U"}]});
    lab.expect("2.04", "write", &update);
    assert_eq!((lab.last().method().to_string().as_str(), lab.last().content_format()), ("0.02", Some(format.1)));
    let changed = server_object_with(&[
        ("/1/0/2", json!(101)),
        ("/1/0/3", json!(1010)),
        ("/1/0/5", json!(2000)),
        ("/1/0/6", json!(true)),
    ]);
    assert_values(&lab.read("/1/0"), &changed);
    let replace = json!({"basePath": "/1/0", "format": format.0, "mode": "replace", "content": [
        {"path": "1", "type": "Integer", "value": before["/1/0/1"]}, {"path": "2", "type": "Integer", "value": before["/1/0/2"]},
        {"path": "3", "type": "Integer", "value": before["/1/0/3"]}, {"path": "5", "type": "Integer", "value": before["/1/0/5"]},
        {"path": "6", "type": "Boolean", "value": before["/1/0/6"]}, {"path": "7", "type": "String", "value": before["/1/0/7"]},
        {"path": "23", "type": "Boolean", "value": before["/1/0/23"]}]});
    lab.expect("2.04", "write", &replace);
    assert_eq!((lab.last().method().to_string().as_str(), lab.last().content_format()), ("0.03", Some(format.1)));
    assert_eq!(lab.read("/1/0"), before);
}

#[test]
fn ets_215_set_in_tlv() {
    set_instance(TLV);
}

#[test]
fn ets_220_set_in_json() {
    set_instance(JSON);
}

#[test]
fn ets_221_attempt_to_operate_on_security() {
    let lab = Lab::start(reference("ets221"));
    let before = lab.device.get([0]);
    lab.expect("4.01", "read", &json!({"path": "/0/0"}));
    lab.expect("4.01", "write", &json!({"path": "/0/0/0", "type": "String", "value": "coap://other"}));
    lab.expect("4.01", "write-attr", &json!({"path": "/0", "pmin": 10}));
    assert_eq!(lab.device.get([0]), before);
    assert_eq!(lab.device.requests().len(), 3, "the gateway passes them on");
}

#[test]
fn ets_222_read_on_object() {
    let lab = Lab::start(reference("ets222"));
    assert_values(&lab.read("/1"), &server_object());
    assert_values(&lab.read("/3"), &device_object());
}

#[test]
fn ets_223_read_on_object_instance() {
    let lab = Lab::start(reference("ets223"));
    assert_values(&lab.read("/1/0"), &server_object());
    assert_values(&lab.read("/3/0"), &device_object());
}

#[test]
fn ets_224_read_on_resource() {
    let lab = Lab::start(reference("ets224"));
    for (path, value) in
        [("/1/0/0", json!(1)), ("/1/0/1", json!(86400)), ("/1/0/6", json!(false)), ("/1/0/7", json!("U"))]
    {
        assert_eq!(lab.value(path), value);
    }
}

#[test]
fn ets_225_read_on_resource_instance() {
    let lab = Lab::start(reference("ets225"));
    assert_eq!(lab.value("/3/0/11/0"), 0);
}

#[test]
fn ets_226_write_partial_update_on_object_instance() {
    let lab = Lab::with(&[("lwm2m.update_msg_publish_condition", "\"always\"")], reference("ets226"));
    let update = json!({"basePath": "/1/0", "content": [
        {"path": "1", "type": "Integer", "value": 60}, {"path": "6", "type": "Boolean", "value": true}]});
    lab.expect("2.04", "write", &update);
    assert_eq!(lab.last().method().to_string(), "0.02");
    assert_values(&lab.read("/1/0"), &server_object_with(&[("/1/0/1", json!(60)), ("/1/0/6", json!(true))]));
    lab.update(Update::default().lifetime(60)).expect("the update is accepted");
    assert_eq!(lab.message("update").data("lt"), 60);
}

#[test]
fn ets_227_write_replace_on_resource() {
    let lab = Lab::with(&[("lwm2m.update_msg_publish_condition", "\"always\"")], reference("ets227"));
    lab.write("/1/0/1", "Integer", &json!(63));
    assert_eq!(lab.last().method().to_string(), "0.03");
    lab.update(Update::default().lifetime(63)).expect("the update is accepted");
    assert_eq!(lab.message("update").data("lt"), 63);
    assert_eq!(lab.value("/1/0/1"), 63);
}

#[test]
fn ets_228_write_on_resource_instance() {
    let lab = Lab::start(reference("ets228"));
    let create = json!({"basePath": "/16", "content": [{"path": "1/0/0", "type": "String", "value": "first"}]});
    lab.expect("2.01", "create", &create);
    lab.write("/16/1/0/0", "String", &json!("test"));
    assert_eq!(lab.last().path, "/16/1/0/0");
    assert_eq!(lab.value("/16/1/0/0"), "test");
}

/// Reads several paths at once; gives the values and checks how that was asked.
#[track_caller]
fn read_composite(lab: &Lab, format: (&str, u32), paths: &[&str]) -> BTreeMap<String, Value> {
    let message = lab.expect("2.05", "read-composite", &json!({"paths": paths, "format": format.0}));
    assert_eq!((message.data("reqPath"), message.data("reqPaths")), (&Value::Null, &json!(paths)));
    let request = lab.last();
    assert_eq!((request.method().to_string().as_str(), request.path.as_str()), ("0.05", "/"));
    assert_eq!((request.content_format(), request.accept()), (Some(format.1), Some(format.1)));
    values(&message)
}

#[test]
fn ets_229_read_composite() {
    let lab = Lab::start(reference("ets229"));
    for format in SENML {
        let expected: Vec<_> = device_object().into_iter().chain(server_object()).collect();
        assert_values(&read_composite(&lab, format, &["/3", "/1/0"]), &expected);
        let expected = [("/1/0/1", json!(86400)), ("/3/0/11/0", json!(0))];
        assert_values(&read_composite(&lab, format, &["/1/0/1", "/3/0/11/0"]), &expected);
    }
}

#[test]
fn ets_230_write_composite() {
    for format in SENML {
        let lab = Lab::start(reference("ets230"));
        let identity =
            |id: u32| json!({"path": format!("/16/0/0/{id}"), "type": "String", "value": format!("new {id}")});
        let write = json!({"format": format.0, "content": [
            {"path": "/1/0/1", "type": "Integer", "value": 60}, {"path": "/1/0/6", "type": "Boolean", "value": true},
            identity(0), identity(1), identity(2), identity(3)]});
        lab.expect("2.04", "write-composite", &write);
        let request = lab.last();
        assert_eq!((request.method().to_string().as_str(), request.path.as_str()), ("0.07", "/"));
        assert_eq!(request.content_format(), Some(format.1));
        assert_values(&lab.read("/1/0"), &server_object_with(&[("/1/0/1", json!(60)), ("/1/0/6", json!(true))]));
        let expected = [
            ("/16/0/0/0", json!("new 0")),
            ("/16/0/0/1", json!("new 1")),
            ("/16/0/0/2", json!("new 2")),
            ("/16/0/0/3", json!("new 3")),
        ];
        assert_values(&lab.read("/16/0"), &expected);
    }
}

fn query_in(format: (&str, u32)) {
    let lab = Lab::start(reference("ets-query"));
    assert_values(&lab.read_as(format, "/1"), &server_object());
    assert_values(&lab.read_as(format, "/3/0"), &device_object());
    assert_values(&lab.read_as(format, "/3/0/16"), &[("/3/0/16", json!("U"))]);
    assert_values(&lab.read_as(format, "/3/0/11/0"), &[("/3/0/11/0", json!(0))]);
}

#[test]
fn ets_231_query_in_senml_json() {
    query_in(SENML_JSON);
}

#[test]
fn ets_232_query_in_senml_cbor() {
    query_in(SENML_CBOR);
}

fn set_in(format: (&str, u32)) {
    let lab = Lab::start(reference("ets-set"));
    let update = json!({"basePath": "/1/0", "format": format.0, "content": [
        {"path": "1", "type": "Integer", "value": 61}, {"path": "6", "type": "Boolean", "value": true}]});
    lab.expect("2.04", "write", &update);
    assert_eq!(lab.last().content_format(), Some(format.1));
    assert_values(&lab.read("/1/0"), &server_object_with(&[("/1/0/1", json!(61)), ("/1/0/6", json!(true))]));
    set_single(&lab, format, &[("/16/0/0/0", "String", json!("host")), ("/1/0/1", "Integer", json!(63))]);
}

#[test]
fn ets_233_set_in_senml_cbor() {
    set_in(SENML_CBOR);
}

#[test]
fn ets_234_set_in_senml_json() {
    set_in(SENML_JSON);
}

#[test]
fn ets_235_read_composite_on_root() {
    let lab = Lab::start(reference("ets235").block_size(128));
    let found = read_composite(&lab, SENML_CBOR, &["/"]);
    let identities = [
        ("/16/0/0/0", json!("identity 0")),
        ("/16/0/0/1", json!("identity 1")),
        ("/16/0/0/2", json!("identity 2")),
        ("/16/0/0/3", json!("identity 3")),
    ];
    let expected: Vec<_> = device_object().into_iter().chain(server_object()).chain(identities).collect();
    assert_values(&found, &expected);
}

#[test]
fn ets_236_read_composite_with_partial_presence() {
    let lab = Lab::start(reference("ets236"));
    for format in SENML {
        let found = read_composite(&lab, format, &["/1/0", "/3/0/11/0", "/3339/0", "/3353/0/6030"]);
        let expected: Vec<_> = server_object().into_iter().chain([("/3/0/11/0", json!(0))]).collect();
        assert_values(&found, &expected);
    }
}

#[test]
fn ets_237_read_on_object_without_format() {
    for format in [simulator::Format::Tlv, simulator::Format::SenmlJson, simulator::Format::SenmlCbor] {
        let lab = Lab::start(reference("ets237").format(format));
        assert_values(&lab.read("/1"), &server_object());
        assert_eq!(lab.last().accept(), None, "no Accept option");
        assert_values(&lab.read("/3"), &device_object());
        assert_eq!(lab.last().accept(), None, "no Accept option");
    }
}

#[test]
fn ets_241_executable_resource_reboot() {
    let lab = Lab::start(reference("ets241"));
    let id = lab.publish("execute", &json!({"path": "/3/0/4"}));
    lab.wait("the reboot", |event| matches!(event, Event::Executed { .. }).then_some(()));
    lab.reboot();
    let next = lab.world.application.expect("any message", |message| !message.is_status());
    assert_eq!((next.kind(), &next.json["reqID"], next.data("code")), ("execute", &json!(id), &json!("2.04")));
    lab.message("register");
    assert_eq!(lab.value("/3/0/0"), "Open Mobile Alliance");
}

#[test]
fn ets_256_write_operation_failure() {
    let lab = Lab::start(reference("ets256"));
    lab.expect("4.05", "write", &json!({"path": "/1/0/0", "type": "Integer", "value": 123}));
    assert_eq!(lab.value("/1/0/0"), 1);
}

#[test]
fn ets_257_write_composite_2() {
    for format in SENML {
        let lab = Lab::start(reference("ets257"));
        let write = json!({"format": format.0, "content": [
            {"path": "/1/0/2", "type": "Integer", "value": 102}, {"path": "/1/0/6", "type": "Boolean", "value": true},
            {"path": "/3/0/13", "type": "Time", "value": 0}]});
        lab.expect("2.04", "write-composite", &write);
        let expected = [("/1/0/2", json!(102)), ("/1/0/6", json!(true)), ("/3/0/13", json!(0))];
        assert_values(&read_composite(&lab, format, &["/1/0/2", "/1/0/6", "/3/0/13"]), &expected);
    }
}

fn attributes(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn ets_260_discover() {
    let lab = Lab::start(reference("ets260"));
    let links = lab.discover("/3");
    let resources = [0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 13, 14, 15, 16].map(|id| format!("/3/0/{id}"));
    let mut targets = vec!["/3".to_owned(), "/3/0".to_owned()];
    targets.extend(resources);
    targets.sort();
    assert_eq!(links.keys().cloned().collect::<Vec<_>>(), targets);
    for multiple in ["/3/0/6", "/3/0/7", "/3/0/8"] {
        assert_eq!(links[multiple], ["dim=2"]);
    }
    lab.attributes("/3/0", &json!({"pmin": 10, "pmax": 200}));
    assert_eq!(lab.discover("/3")["/3/0"], attributes(&["pmax=200", "pmin=10"]));
    lab.attributes("/3/0/7", &json!({"lt": 1, "gt": 6, "st": 1}));
    let links = lab.discover("/3/0");
    assert_eq!(links["/3/0/7"], attributes(&["dim=2", "gt=6", "lt=1", "st=1"]));
    let links = lab.discover("/3/0/7");
    assert_eq!(links["/3/0/7"], attributes(&["dim=2", "gt=6", "lt=1", "pmax=200", "pmin=10", "st=1"]));
    assert_eq!(links.keys().collect::<Vec<_>>(), ["/3/0/7", "/3/0/7/0", "/3/0/7/1"]);
}

#[test]
fn ets_261_write_attributes_on_multiple_resource() {
    let lab = Lab::start(reference("ets261"));
    assert_eq!(lab.discover("/3/0/11")["/3/0/11"], ["dim=1"]);
    lab.attributes("/3", &json!({"pmin": 10, "pmax": 200}));
    lab.attributes("/3/0", &json!({"pmax": 320}));
    lab.attributes("/3/0/11/0", &json!({"pmax": 100, "epmin": 1, "epmax": 20}));
    let links = lab.discover("/3/0/11");
    assert_eq!(links["/3/0/11"], attributes(&["dim=1", "pmax=320", "pmin=10"]));
    assert_eq!(links["/3/0/11/0"], attributes(&["epmax=20", "epmin=1", "pmax=100"]));
}

#[test]
fn ets_280_successful_read_composite() {
    let lab = Lab::start(reference("ets280"));
    for format in SENML {
        let found = read_composite(&lab, format, &["/3/0/16", "/3/0/11/0", "/1/0"]);
        let expected: Vec<_> =
            server_object().into_iter().chain([("/3/0/16", json!("U")), ("/3/0/11/0", json!(0))]).collect();
        assert_values(&found, &expected);
    }
}

#[test]
fn ets_281_partially_successful_read_composite() {
    let lab = Lab::start(reference("ets281"));
    for format in SENML {
        let found = read_composite(&lab, format, &["/1/0/1", "/1/0/7", "/1/0/8"]);
        assert_values(&found, &[("/1/0/1", json!(86400)), ("/1/0/7", json!("U"))]);
    }
}
