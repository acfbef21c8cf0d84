//! What LwM2M 1.1 and 1.2 add, as an application sees it: formats, negotiation, times, the root, resource instances, registration.
use integration_tests::lab::{reference, values};
use integration_tests::{Lab, World, datagram};
use serde_json::{Value, json};
use simulator::{DeviceBuilder, Format, Node, Resource, Value as DeviceValue};

const FORMATS: [(&str, u32); 6] =
    [("tlv", 11542), ("json", 11543), ("senml-json", 110), ("senml-cbor", 112), ("lwm2m-cbor", 11544), ("cbor", 60)];

/// Temperature, an integer that may be anything, and a package.
fn device(endpoint: &str) -> DeviceBuilder {
    reference(endpoint)
        .version("1.2")
        .resource([3303, 0, 5700], Resource::value(20.5))
        .resource([1, 0, 5], Resource::value(0i64).writable())
        .resource([5, 0, 0], Resource::value(Vec::<u8>::new()).write_only())
        .resource([19, 0, 0], Resource::value(vec![0u8, 255, 7]).writable())
}

#[test]
fn integers_of_64_bits_pass_in_every_format_and_both_ways() {
    let lab = Lab::start(device("ints"));
    for (name, number) in FORMATS.into_iter().chain([("text", 0)]) {
        for integer in [i64::MIN, -(1 << 53) - 1, -1, 0, 127, 128, (1 << 53) + 1, i64::MAX] {
            let write = json!({"path": "/1/0/5", "type": "Integer", "value": integer, "format": name});
            lab.expect("2.04", "write", &write);
            assert_eq!(lab.last().content_format(), Some(number), "{name}");
            assert_eq!(lab.device.get([1u16, 0, 5])[0].value, Some(DeviceValue::Integer(integer)), "{name}");
            assert_eq!(lab.read_as((name, number), "/1/0/5")["/1/0/5"], json!(integer), "{name}");
        }
    }
}

#[test]
fn bytes_and_floats_pass_in_every_format() {
    let lab = Lab::start(device("bytes"));
    for (name, number) in FORMATS.into_iter().chain([("text", 0), ("opaque", 42)]) {
        assert_eq!(lab.read_as((name, number), "/19/0/0")["/19/0/0"], "AP8H", "{name}");
        let write = json!({"path": "/19/0/0", "type": "Opaque", "value": "AP8H", "format": name});
        lab.expect("2.04", "write", &write);
        assert_eq!(lab.device.get([19u16, 0, 0])[0].value, Some(DeviceValue::Opaque(vec![0, 255, 7])), "{name}");
        if name != "opaque" {
            assert_eq!(lab.read_as((name, number), "/3303/0/5700")["/3303/0/5700"], json!(20.5), "{name}");
        }
    }
}

/// A device that knows neither TLV nor what it would be asked for by default: asked once more, and remembered.
#[test]
fn a_format_that_the_device_refuses_is_replaced_once_and_remembered() {
    let lab = Lab::start(device("picky").formats(&[Format::Text, Format::SenmlCbor]));
    let write = |value: i64| {
        let message = lab.expect("2.04", "write", &json!({"path": "/1/0/5", "type": "Integer", "value": value}));
        assert_eq!(message.kind(), "write");
    };
    write(1);
    let formats = |from: usize| -> Vec<Option<u32>> {
        lab.device.requests()[from..].iter().map(simulator::Request::content_format).collect()
    };
    assert_eq!(formats(0), [Some(11542), Some(112)]);
    write(2);
    assert_eq!(formats(2), [Some(112)]);
    // What the application asks for itself is not replaced.
    lab.expect("4.15", "write", &json!({"path": "/1/0/5", "type": "Integer", "value": 3, "format": "tlv"}));
}

#[test]
fn the_announced_formats_are_used() {
    for (ct, format) in [("112", 112), ("\"110 60\"", 110), ("11544", 11544)] {
        let announced = simulator::Format::from_number(format).unwrap();
        let lab =
            Lab::start(device("announcing").root_attributes(&format!(";ct={ct}")).formats(&[announced, Format::Text]));
        lab.expect("2.04", "write", &json!({"path": "/1/0/5", "type": "Integer", "value": 7}));
        assert_eq!(lab.last().content_format(), Some(format), "{ct}");
        assert_eq!(lab.read("/1/0")["/1/0/5"], 7);
        assert_eq!(lab.last().accept(), Some(format), "{ct}");
    }
}

#[test]
fn the_root_is_read_in_bulk() {
    for (name, number) in [("senml-cbor", 112), ("senml-json", 110), ("lwm2m-cbor", 11544)] {
        let lab = Lab::start(device("root").block_size(256));
        let found = lab.read_as((name, number), "/");
        assert_eq!((&found["/3/0/0"], &found["/1/0/1"]), (&json!("Open Mobile Alliance"), &json!(86400)), "{name}");
        assert!(found.keys().all(|path| !path.starts_with("/0/")), "{name}: Security is nobody's business");
        assert_eq!(found.len(), lab.truth("/").len(), "{name}");
    }
}

#[test]
fn a_resource_instance_is_deleted() {
    let lab = Lab::start(device("delete"));
    lab.expect("2.02", "delete", &json!({"path": "/16/0/0/2"}));
    assert_eq!(lab.read("/16/0").into_keys().collect::<Vec<_>>(), ["/16/0/0/0", "/16/0/0/1", "/16/0/0/3"]);
    lab.expect("4.04", "delete", &json!({"path": "/16/0/0/2"}));
}

#[test]
fn a_new_instance_without_number_gets_the_devices() {
    let lab = Lab::start(device("create"));
    let message = lab.expect("2.01", "create", &json!({"basePath": "/16"}));
    assert_eq!(message.data("location"), "/16/1");
}

fn unix_now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// `time` of each element; a value of now has none.
fn times(content: &Value) -> Vec<(f64, Option<f64>)> {
    let element = |element: &Value| (element["value"].as_f64().expect("a number"), element["time"].as_f64());
    content.as_array().expect("content").iter().map(element).collect()
}

#[test]
fn stored_values_keep_their_times() {
    let lab = Lab::start(device("history"));
    for format in [Format::SenmlJson, Format::SenmlCbor] {
        let value = |value: f64, time: f64| Node::new([3303, 0, 5700], value).at(time);
        let nodes = [value(19.5, 1_700_000_000.0), value(20.0, 1_700_000_060.25), value(20.5, 1_700_000_120.0)];
        lab.run(lab.device.send_nodes(&nodes, format)).expect("2.04");
        let message = lab.message("send");
        let expected = [(19.5, Some(1_700_000_000.0)), (20.0, Some(1_700_000_060.25)), (20.5, Some(1_700_000_120.0))];
        assert_eq!(times(message.data("content")), expected, "{format:?}");
    }
}

#[test]
fn a_notification_with_several_times_is_one_message_oldest_first() {
    let world = World::start();
    let device = world.device_with("ep1", &["lwm2m=1.1"], "</3303/0>");
    let observed = world.observe(&device, 1, "/3303/0/5700", 0, "20");
    let records = r#"[{"bn":"/3303/0/5700","v":20.5},{"t":-20,"v":19.5},{"t":-10,"v":20.0}]"#;
    let format = datagram::uint(110);
    let options: [(u16, &[u8]); 2] = [(datagram::option::CONTENT_FORMAT, &format), (datagram::option::OBSERVE, &[5])];
    device.answer_separately(datagram::Kind::Non, &observed, "2.05", &options, records);
    let message = world.application.message("ep1", "notify");
    let found = times(message.data("content"));
    assert_eq!(found.iter().map(|(value, _)| *value).collect::<Vec<_>>(), [19.5, 20.0, 20.5]);
    let ages: Vec<Option<f64>> = found.iter().map(|(_, time)| time.map(|time| unix_now() - time)).collect();
    assert!(matches!(ages[..], [Some(20.0..80.0), Some(10.0..70.0), None]), "{ages:?}");
}

#[test]
fn registration_members_of_1_1_and_1_2_are_told() {
    let lab = Lab::unregistered(
        &[],
        device("members").binding("UT").query("pid=7").query("sms=+4912345").alternate_path("/a/b"),
    );
    let data = lab.register().json["data"].clone();
    assert_eq!(
        (&data["lwm2m"], &data["b"], &data["pid"], &data["sms"]),
        (&json!("1.2"), &json!("UT"), &json!("7"), &json!("+4912345"))
    );
    assert_eq!(data["alternatePath"], "/a/b");
    assert_eq!(lab.value("/3/0/0"), "Open Mobile Alliance");
    assert_eq!(lab.last().path, "/a/b/3/0/0");
    // Composites go to the alternate path, and their paths are without it.
    let message = lab.expect("2.05", "read-composite", &json!({"paths": ["/3/0/0", "/1/0/1"]}));
    assert_eq!(lab.last().path, "/a/b");
    assert_eq!(values(&message)["/1/0/1"], 86400);
}

#[test]
fn attributes_of_1_1_and_1_2_reach_the_device() {
    let lab = Lab::start(device("attributes"));
    lab.attributes("/3/0/9", &json!({"epmin": 1, "epmax": 20, "edge": true, "con": 1, "hqmax": 8, "gt": -10.5}));
    let mut query = lab.last().query();
    query.sort();
    assert_eq!(query, ["con=1", "edge=1", "epmax=20", "epmin=1", "gt=-10.5", "hqmax=8"]);
    let expected = ["con=1", "edge=1", "epmax=20", "epmin=1", "gt=-10.5", "hqmax=8"];
    assert_eq!(lab.discover("/3/0")["/3/0/9"], expected);
    // con=1 makes notifications confirmable, also those of a device that does not by itself.
    lab.expect("2.05", "observe", &json!({"path": "/3/0/9"}));
    let id = lab.last_id();
    lab.device.notify([3, 0, 9], None);
    lab.notification(id);
    lab.wait("the ACK", |event| matches!(event, simulator::Event::NotificationAcknowledged { .. }).then_some(()));
}
