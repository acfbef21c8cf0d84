//! Object definitions change while the gateway runs (contract 6.5).
use integration_tests::datagram::option;
use integration_tests::scratch::Scratch;
use integration_tests::{Wire, World, eventually, gateway, unhex};
use serde_json::json;
use std::time::Duration;

fn definition(id: u16) -> String {
    std::fs::read_to_string(format!("{}/3303.xml", gateway::OBJECTS)).unwrap().replace("3303", &id.to_string())
}

fn world(scratch: &Scratch) -> World {
    World::with(&[("lwm2m.xml_dir", &format!("{:?}", scratch.path().join("objects").display().to_string()))])
}

/// Code of a read of a float of this object.
fn code(world: &World, device: &Wire, id: u16) -> String {
    let command = json!({"reqID": 1, "msgType": "read", "data": {"path": format!("/{id}/0")}});
    let message =
        world.round_trip(device, &command, "2.05", &[(option::CONTENT_FORMAT, &[0x2d, 0x16])], unhex("e4164441a00000"));
    message.data("code").as_str().unwrap().to_owned()
}

#[test]
fn new_changed_and_removed_files_are_taken_in_without_a_restart() {
    let scratch = Scratch::new();
    scratch.file("objects/3.xml", std::fs::read(format!("{}/3.xml", gateway::OBJECTS)).unwrap());
    let world = world(&scratch);
    let device = world.device_with("ep1", &[], "</3/0>,</40001/0>");
    assert_eq!(code(&world, &device, 40001), "4.00");

    scratch.file("objects/40001.xml", definition(40001));
    assert!(
        eventually(Duration::from_secs(6), || code(&world, &device, 40001) == "2.05"),
        "a new file was not taken in:\n{}",
        world.gateway.log()
    );

    scratch.file("objects/40001.xml", definition(40001).replace("<Item ID=\"5700\">", "<Item ID=\"5799\">"));
    assert!(
        eventually(Duration::from_secs(6), || code(&world, &device, 40001) == "4.00"),
        "a change was not taken in:\n{}",
        world.gateway.log()
    );

    scratch.file("objects/40001.xml", definition(40001));
    assert!(eventually(Duration::from_secs(6), || code(&world, &device, 40001) == "2.05"));
    std::fs::remove_file(scratch.path().join("objects/40001.xml")).unwrap();
    assert!(
        eventually(Duration::from_secs(6), || code(&world, &device, 40001) == "4.00"),
        "a removal was not taken in:\n{}",
        world.gateway.log()
    );
}

#[test]
fn broken_file_costs_only_itself_and_is_reported() {
    let scratch = Scratch::new();
    scratch.file("objects/40001.xml", definition(40001));
    scratch.file("objects/broken.xml", "<LWM2M>\n<Object>\n<ObjectID>7</ObjectID>\n</LWM2M>");
    let world = world(&scratch);
    let device = world.device_with("ep1", &[], "</40001/0>");
    assert_eq!(code(&world, &device, 40001), "2.05");
    let line = world.gateway.await_log(&["broken.xml"]);
    assert!(
        line.contains(":4") || line.contains("line 4") || line.contains("line=4") || line.contains(":3"),
        "the line of the fault is named: {line}"
    );
    // broken while running: the others stay
    scratch.file("objects/later.xml", "<nonsense");
    world.gateway.await_log(&["later.xml"]);
    assert_eq!(code(&world, &device, 40001), "2.05");
}

#[test]
fn hang_up_reloads() {
    let scratch = Scratch::new();
    scratch.file("objects/3.xml", std::fs::read(format!("{}/3.xml", gateway::OBJECTS)).unwrap());
    let mut world = world(&scratch);
    let device = world.device_with("ep1", &[], "</40001/0>");
    scratch.file("objects/40001.xml", definition(40001));
    world.gateway.hang_up();
    assert!(eventually(Duration::from_secs(6), || code(&world, &device, 40001) == "2.05"), "{}", world.gateway.log());
    assert!(world.gateway.is_alive());
    // the registration and its session have not noticed
    assert_eq!(device.update(&[], "").code_text(), "2.04");
}

#[test]
fn broken_configuration_at_hang_up_keeps_the_old_one() {
    let mut world = World::start();
    let device = world.device("ep1");
    std::fs::write(world.gateway.config(), "[mqtt\nbroken").unwrap();
    world.gateway.hang_up();
    std::thread::sleep(Duration::from_millis(500));
    assert!(world.gateway.is_alive(), "{}", world.gateway.log());
    assert_eq!(code(&world, &device, 3303), "2.05");
}

#[test]
fn version_of_the_registration_chooses_the_definition() {
    let scratch = Scratch::new();
    let versioned = |version: &str, kind: &str| {
        definition(40001)
            .replace(
                "</ObjectURN>",
                &format!("</ObjectURN>\n<LWM2MVersion>1.1</LWM2MVersion>\n<ObjectVersion>{version}</ObjectVersion>"),
            )
            .replace("<Type>Float</Type>", &format!("<Type>{kind}</Type>"))
    };
    scratch.file("objects/40001-1_0.xml", versioned("1.0", "Float"));
    scratch.file("objects/40001-2_0.xml", versioned("2.0", "Integer"));
    let world = world(&scratch);
    let value = |ep: &str, links: &str| {
        let device = world.device_with(ep, &["lwm2m=1.1"], links);
        let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/40001/0"}});
        let message = world.round_trip(
            &device,
            &command,
            "2.05",
            &[(option::CONTENT_FORMAT, &[0x2d, 0x16])],
            unhex("e4164441a00000"),
        );
        message.json["data"]["content"][0]["value"].clone()
    };
    assert_eq!(value("ep1", "</40001>;ver=1.0,</40001/0>").as_f64(), Some(20.0));
    assert_eq!(value("ep2", "</40001>;ver=\"2.0\",</40001/0>"), 0x41a0_0000);
    // another minor of the same major serves as well
    assert_eq!(value("ep3", "</40001>;ver=2.3,</40001/0>"), 0x41a0_0000);
}
