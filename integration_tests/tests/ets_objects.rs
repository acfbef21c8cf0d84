//! OMA interoperability test cases on single objects (551 to 1635) and on several servers (950, 951), driven through the gateway.
//! docs/ets.md lists them all.
use integration_tests::Lab;
use integration_tests::lab::{reference, values};
use serde_json::{Value, json};
use simulator::{Code, DataType, DeviceBuilder, Event, Resource, Value as DeviceValue};

#[track_caller]
fn observe(lab: &Lab, path: &str) -> u64 {
    lab.expect("2.05", "observe", &json!({"path": path}));
    lab.last_id()
}

// Server object

#[test]
fn ets_551_querying_server_information() {
    let lab = Lab::start(reference("ets551"));
    let found = lab.read("/1/0");
    assert_eq!((&found["/1/0/0"], &found["/1/0/1"], &found["/1/0/7"]), (&json!(1), &json!(86400), &json!("U")));
}

#[test]
fn ets_555_setting_server_information() {
    let lab = Lab::start(reference("ets555"));
    let content = json!([{"path": "2", "type": "Integer", "value": 5}, {"path": "3", "type": "Integer", "value": 50}]);
    lab.expect("2.04", "write", &json!({"basePath": "/1/0", "content": content, "format": "tlv"}));
    let found = lab.read("/1/0");
    assert_eq!((&found["/1/0/2"], &found["/1/0/3"]), (&json!(5), &json!(50)));
}

#[test]
fn ets_560_observing_server_information() {
    let lab = Lab::start(reference("ets560"));
    let id = observe(&lab, "/1/0");
    lab.device.set([1, 0, 1], 60i64);
    assert_eq!(values(&lab.notification(id))["/1/0/1"], 60);
}

// Device object

#[test]
fn ets_651_querying_device_information() {
    let lab = Lab::start(reference("ets651"));
    let found = lab.read("/3/0");
    assert_eq!((&found["/3/0/0"], &found["/3/0/16"]), (&json!("Open Mobile Alliance"), &json!("U")));
}

#[test]
fn ets_652_querying_the_firmware_version() {
    // In the format that the client prefers.
    for format in [simulator::Format::Text, simulator::Format::Cbor, simulator::Format::SenmlCbor] {
        let lab = Lab::start(reference("ets652").format(format));
        assert_eq!(lab.value("/3/0/3"), "1.0");
        assert_eq!(lab.last().accept(), None);
    }
}

#[test]
fn ets_655_setting_device_information() {
    let lab = Lab::start(reference("ets655"));
    let content = |offset: &str, zone: &str| {
        json!([{"path": "13", "type": "Time", "value": 1_367_491_215}, {"path": "14", "type": "String", "value": offset},
            {"path": "15", "type": "String", "value": zone}])
    };
    lab.expect(
        "2.04",
        "write",
        &json!({"basePath": "/3/0", "content": content("+01:00", "Europe/London"), "format": "tlv"}),
    );
    let found = lab.read("/3/0");
    assert_eq!((&found["/3/0/14"], &found["/3/0/15"]), (&json!("+01:00"), &json!("Europe/London")));
    let replace =
        json!({"basePath": "/3/0", "content": content("+02:00", "Europe/Berlin"), "mode": "replace", "format": "tlv"});
    lab.expect("2.04", "write", &replace);
    let found = lab.read("/3/0");
    assert_eq!((&found["/3/0/14"], &found["/3/0/15"]), (&json!("+02:00"), &json!("Europe/Berlin")));
}

#[test]
fn ets_660_observing_device_information() {
    let lab = Lab::start(reference("ets660"));
    lab.attributes("/3/0/9", &json!({"pmin": 0, "pmax": 60}));
    let id = observe(&lab, "/3/0/9");
    lab.device.set([3, 0, 9], 20i64);
    assert_eq!(values(&lab.notification(id))["/3/0/9"], 20);
}

#[test]
fn ets_680_create_on_the_device_object() {
    let lab = Lab::start(reference("ets680"));
    let content = json!([{"path": "1/0", "type": "String", "value": "another"}]);
    lab.expect("4.05", "create", &json!({"basePath": "/3", "content": content}));
    assert_eq!(lab.discover("/3").keys().filter(|target| target.matches('/').count() == 2).count(), 1);
}

#[test]
fn ets_685_delete_on_the_device_object() {
    let lab = Lab::start(reference("ets685"));
    lab.expect("4.05", "delete", &json!({"path": "/3/0"}));
    assert_eq!(lab.value("/3/0/0"), "Open Mobile Alliance");
}

// Connectivity monitoring

fn connectivity(endpoint: &str) -> DeviceBuilder {
    reference(endpoint)
        .value([4, 0, 0], 7i64)
        .resource([4, 0, 1], Resource::multiple(DataType::Integer, [(0, 6i64), (1, 7)]))
        .value([4, 0, 2], -92i64)
        .value([4, 0, 3], 2i64)
        .resource([4, 0, 4], Resource::multiple(DataType::String, [(0, "192.0.2.7")]))
        .value([4, 0, 8], 4_294_967i64)
}

#[test]
fn ets_701_querying_connectivity_monitoring() {
    let lab = Lab::start(connectivity("ets701"));
    let found = lab.read("/4/0");
    assert_eq!(
        (&found["/4/0/2"], &found["/4/0/1/1"], &found["/4/0/4/0"]),
        (&json!(-92), &json!(7), &json!("192.0.2.7"))
    );
}

#[test]
fn ets_710_observing_connectivity_monitoring() {
    let lab = Lab::start(connectivity("ets710"));
    let id = observe(&lab, "/4/0/2");
    lab.device.set([4, 0, 2], -101i64);
    assert_eq!(values(&lab.notification(id))["/4/0/2"], -101);
}

// Firmware update

fn firmware(endpoint: &str) -> DeviceBuilder {
    reference(endpoint)
        .resource([5, 0, 0], Resource::value(Vec::<u8>::new()).write_only())
        .resource([5, 0, 1], Resource::value("").writable())
        // Update: only in state 2 (downloaded); the test plays the rest of the state machine.
        .resource([5, 0, 2], Resource::executable_with(|_| Code::METHOD_NOT_ALLOWED))
        .value([5, 0, 3], 0i64)
        .value([5, 0, 5], 0i64)
        .resource([5, 0, 8], Resource::multiple(DataType::Integer, [(0, 0i64), (1, 1)]))
        .value([5, 0, 9], 2i64)
}

/// State and result as the gateway reads them.
#[track_caller]
fn firmware_state(lab: &Lab) -> (Value, Value) {
    (lab.value("/5/0/3"), lab.value("/5/0/5"))
}

fn written_package(lab: &Lab) -> Vec<u8> {
    let written = lab.device.log().collect(|event| match event {
        Event::Written(path, DeviceValue::Opaque(bytes)) if *path == [5u16, 0, 0].into() => Some(bytes.clone()),
        _ => None,
    });
    written.last().expect("a package").clone()
}

const NUL: &str = "AA==";

/// 9,000 bytes in base64, and the bytes.
fn image() -> (String, Vec<u8>) {
    // "AQID" is 01 02 03.
    ("AQID".repeat(3000), [1, 2, 3].repeat(3000))
}

#[track_caller]
fn write_package(lab: &Lab, base64: &str) {
    lab.expect("2.04", "write", &json!({"path": "/5/0/0", "type": "Opaque", "value": base64, "format": "opaque"}));
    assert_eq!(lab.last().content_format(), Some(42));
}

#[test]
fn ets_751_querying_firmware_information() {
    let lab = Lab::start(firmware("ets751"));
    let found = lab.read("/5/0");
    assert_eq!((&found["/5/0/3"], &found["/5/0/5"], &found["/5/0/9"]), (&json!(0), &json!(0), &json!(2)));
    assert_eq!((&found["/5/0/8/0"], &found["/5/0/8/1"]), (&json!(0), &json!(1)));
    assert!(!found.contains_key("/5/0/0"), "the package cannot be read");
}

#[test]
fn ets_755_setting_the_firmware_package() {
    let lab = Lab::start(firmware("ets755"));
    write_package(&lab, NUL);
    assert_eq!(written_package(&lab), [0]);
    assert_eq!(firmware_state(&lab), (json!(0), json!(0)));
    let (base64, bytes) = image();
    write_package(&lab, &base64);
    assert!(written_package(&lab) == bytes, "block by block, and whole");
    lab.device.set([5, 0, 3], 2i64);
    assert_eq!(firmware_state(&lab), (json!(2), json!(0)));
}

#[test]
fn ets_756_setting_the_firmware_package_uri() {
    let lab = Lab::start(firmware("ets756"));
    lab.write("/5/0/1", "String", &json!(""));
    assert_eq!(lab.value("/5/0/1"), "");
    assert_eq!(firmware_state(&lab), (json!(0), json!(0)));
    lab.write("/5/0/1", "String", &json!("coap://192.0.2.1/firmware"));
    assert_eq!(lab.value("/5/0/1"), "coap://192.0.2.1/firmware");
    lab.device.set([5, 0, 3], 2i64);
    assert_eq!(firmware_state(&lab), (json!(2), json!(0)));
}

#[test]
fn ets_760_observing_firmware_information() {
    let lab = Lab::start(firmware("ets760"));
    lab.attributes("/5/0", &json!({"pmin": 0, "pmax": 60}));
    let id = observe(&lab, "/5/0/3");
    lab.device.set([5, 0, 3], 2i64);
    assert_eq!(values(&lab.notification(id))["/5/0/3"], 2);
}

/// Everything but how the package comes: states by notifications, Update, a new registration in the middle, the result.
fn full_update(endpoint: &str, download: impl Fn(&Lab)) {
    let lab = Lab::start(firmware(endpoint));
    let id = observe(&lab, "/5/0/3");
    lab.device.set([5, 0, 3], 1i64);
    assert_eq!(values(&lab.notification(id))["/5/0/3"], 1);
    download(&lab);
    lab.device.set([5, 0, 3], 2i64);
    assert_eq!(values(&lab.notification(id))["/5/0/3"], 2);
    lab.device.change_objects(|objects| objects.insert([5, 0, 2], Resource::executable()));
    lab.expect("2.04", "execute", &json!({"path": "/5/0/2"}));
    lab.device.set([5, 0, 3], 3i64);
    assert_eq!(values(&lab.notification(id))["/5/0/3"], 3);
    lab.device.set_all([([5u16, 0, 3], DeviceValue::from(0i64)), ([5, 0, 5], 1i64.into()), ([3, 0, 3], "2.0".into())]);
    lab.reboot();
    lab.message("register");
    assert_eq!(firmware_state(&lab), (json!(0), json!(1)));
    assert_eq!(lab.value("/3/0/3"), "2.0");
}

#[test]
fn ets_770_successful_firmware_update_by_push() {
    full_update("ets770", |lab| {
        let (base64, bytes) = image();
        write_package(lab, &base64);
        assert!(written_package(lab) == bytes);
    });
}

#[test]
fn ets_771_successful_firmware_update_by_pull() {
    full_update("ets771", |lab| lab.write("/5/0/1", "String", &json!("coap://192.0.2.1/firmware")));
}

#[test]
fn ets_772_update_without_a_package() {
    let lab = Lab::start(firmware("ets772"));
    lab.expect("4.05", "execute", &json!({"path": "/5/0/2"}));
    assert_eq!(firmware_state(&lab), (json!(0), json!(0)));
}

/// 773 to 779: the download or the update fails, and the result tells why.
fn failing_update(endpoint: &str, result: i64) {
    let lab = Lab::start(firmware(endpoint));
    let id = observe(&lab, "/5/0/5");
    lab.write("/5/0/1", "String", &json!("coap://192.0.2.1/firmware"));
    lab.device.set([5, 0, 5], result);
    assert_eq!(values(&lab.notification(id))["/5/0/5"], result);
    assert_eq!(firmware_state(&lab), (json!(0), json!(result)));
}

#[test]
fn ets_773_not_enough_storage() {
    failing_update("ets773", 2);
}

#[test]
fn ets_774_out_of_memory() {
    failing_update("ets774", 3);
}

#[test]
fn ets_775_connection_lost() {
    failing_update("ets775", 4);
}

#[test]
fn ets_776_integrity_check_failure() {
    failing_update("ets776", 5);
}

#[test]
fn ets_777_unsupported_package_type() {
    failing_update("ets777", 6);
}

#[test]
fn ets_778_invalid_uri() {
    failing_update("ets778", 7);
}

#[test]
fn ets_779_update_failed() {
    failing_update("ets779", 8);
}

// Location

fn location(endpoint: &str) -> DeviceBuilder {
    reference(endpoint)
        .value([6, 0, 0], 52.5163)
        .value([6, 0, 1], 13.3777)
        .value([6, 0, 2], 34.5f32)
        .value([6, 0, 5], DeviceValue::Time(1_700_000_000))
}

#[test]
fn ets_801_querying_location() {
    let lab = Lab::start(location("ets801"));
    let found = lab.read("/6/0");
    assert_eq!((&found["/6/0/0"], &found["/6/0/1"]), (&json!(52.5163), &json!(13.3777)));
    assert_eq!((&found["/6/0/2"], &found["/6/0/5"]), (&json!(34.5), &json!(1_700_000_000)));
}

#[test]
fn ets_810_observing_location() {
    let lab = Lab::start(location("ets810"));
    let id = observe(&lab, "/6/0");
    lab.device.set_all([([6u16, 0, 0], 52.5), ([6, 0, 1], 13.5)]);
    let found = values(&lab.notification(id));
    assert_eq!((&found["/6/0/0"], &found["/6/0/1"]), (&json!(52.5), &json!(13.5)));
}

// Connectivity statistics

fn statistics(endpoint: &str) -> DeviceBuilder {
    reference(endpoint)
        .value([7, 0, 2], 0i64)
        .value([7, 0, 3], 0i64)
        .executable([7, 0, 6])
        .executable([7, 0, 7])
        .resource([7, 0, 8], Resource::value(0i64).writable())
}

#[test]
fn ets_901_querying_connectivity_statistics() {
    let lab = Lab::start(statistics("ets901"));
    lab.expect("2.04", "execute", &json!({"path": "/7/0/6"}));
    lab.device.set_all([([7u16, 0, 2], 12i64), ([7, 0, 3], 34)]);
    lab.expect("2.04", "execute", &json!({"path": "/7/0/7"}));
    let found = lab.read("/7/0");
    assert_eq!((&found["/7/0/2"], &found["/7/0/3"]), (&json!(12), &json!(34)));
}

#[test]
fn ets_905_setting_connectivity_statistics() {
    let lab = Lab::start(statistics("ets905"));
    lab.write("/7/0/8", "Integer", &json!(30));
    assert_eq!(lab.value("/7/0/8"), 30);
}

#[test]
fn ets_910_observing_connectivity_statistics() {
    let lab = Lab::start(statistics("ets910"));
    let id = observe(&lab, "/7/0");
    lab.expect("2.04", "execute", &json!({"path": "/7/0/6"}));
    lab.device.set([7, 0, 2], 99i64);
    assert_eq!(values(&lab.notification(id))["/7/0/2"], 99);
}

// Several servers: each gateway sees its own account of one and the same device.

#[test]
fn ets_950_registration_to_several_servers() {
    let labs = [Lab::start(reference("ets950")), Lab::start(reference("ets950"))];
    for lab in &labs {
        assert_eq!(lab.value("/3/0/0"), "Open Mobile Alliance");
    }
    labs[0].deregister();
    labs[0].expect("4.04", "read", &json!({"path": "/3/0/0"}));
    assert_eq!(labs[1].value("/3/0/0"), "Open Mobile Alliance", "the other registration stays");
}

#[test]
fn ets_951_attributes_belong_to_one_server() {
    let labs = [Lab::start(reference("ets951")), Lab::start(reference("ets951"))];
    for (lab, pmin) in labs.iter().zip([10, 20]) {
        lab.attributes("/3/0/9", &json!({"pmin": pmin, "pmax": 100 + pmin}));
    }
    for (lab, expected) in labs.iter().zip([["pmax=110", "pmin=10"], ["pmax=120", "pmin=20"]]) {
        assert_eq!(lab.discover("/3/0")["/3/0/9"], expected);
    }
}

// Cellular connectivity and APN connection profile

fn cellular(endpoint: &str) -> DeviceBuilder {
    reference(endpoint)
        .resource([10, 0, 0], Resource::value("+491234567").writable())
        .resource([10, 0, 4], Resource::value(0i64).writable())
        .value([10, 0, 5], 0i64)
        .resource([10, 0, 11], Resource::multiple(DataType::Objlnk, [(0, (11u16, 0u16))]))
        .object_version(10, "1.1")
        .resource([11, 0, 0], Resource::value("internet").writable())
        .resource([11, 0, 1], Resource::value("iot.example").writable())
        .resource([11, 0, 4], Resource::value(0i64).writable())
        .object_version(11, "1.1")
}

#[test]
fn ets_1200_querying_cellular_connectivity() {
    let lab = Lab::start(cellular("ets1200"));
    let found = lab.read("/10/0");
    assert_eq!((&found["/10/0/0"], &found["/10/0/11/0"]), (&json!("+491234567"), &json!("11:0")));
}

#[test]
fn ets_1201_setting_the_power_saving_mode() {
    let lab = Lab::start(cellular("ets1201"));
    lab.write("/10/0/4", "Integer", &json!(3600));
    assert_eq!(lab.value("/10/0/4"), 3600);
}

#[test]
fn ets_1210_observing_cellular_connectivity() {
    let lab = Lab::start(cellular("ets1210"));
    let id = observe(&lab, "/10/0");
    lab.device.set([10, 0, 5], 120i64);
    assert_eq!(values(&lab.notification(id))["/10/0/5"], 120);
}

#[test]
fn ets_1230_querying_the_apn_connection_profile() {
    let lab = Lab::start(cellular("ets1230"));
    let found = lab.read("/11/0");
    assert_eq!((&found["/11/0/0"], &found["/11/0/1"]), (&json!("internet"), &json!("iot.example")));
}

#[test]
fn ets_1250_following_the_link_to_the_apn() {
    let lab = Lab::start(cellular("ets1250"));
    let link = lab.value("/10/0/11/0");
    let (object, instance) = link.as_str().expect("a link").split_once(':').expect("object and instance");
    assert_eq!(lab.value(&format!("/{object}/{instance}/0")), "internet");
}

// Portfolio

#[test]
fn ets_1630_create_portfolio_instance() {
    let lab = Lab::start(reference("ets1630"));
    assert_eq!(lab.discover("/16/0")["/16/0/0"], ["dim=4"]);
    let content = json!([{"path": "1/0/0", "type": "String", "value": "host"}, {"path": "1/0/1", "type": "String", "value": "model"}]);
    lab.expect("2.01", "create", &json!({"basePath": "/16", "content": content}));
    assert_eq!(lab.discover("/16/1")["/16/1/0"], ["dim=2"]);
    let found = lab.read("/16");
    assert_eq!((&found["/16/1/0/0"], &found["/16/1/0/1"], found.len()), (&json!("host"), &json!("model"), 6));
}

#[test]
fn ets_1635_delete_portfolio_instance() {
    let lab = Lab::start(reference("ets1635"));
    lab.expect("2.02", "delete", &json!({"path": "/16/0"}));
    assert_eq!(lab.discover("/16").into_keys().collect::<Vec<_>>(), ["/16"]);
    assert!(lab.read("/16").is_empty(), "an object without instances is no error");
}

// Bootstrap: a server that offers none only triggers it.

#[test]
fn ets_5_server_initiated_bootstrap() {
    let lab = Lab::start(reference("ets5"));
    lab.expect("2.04", "execute", &json!({"path": "/1/0/9"}));
    lab.wait("the trigger", |event| matches!(event, Event::Executed { .. }).then_some(()));
    lab.deregister();
    // After its bootstrap the device registers again.
    lab.register();
    assert_eq!(lab.value("/3/0/0"), "Open Mobile Alliance");
}
