//! The whole way between a device's UDP socket and an application on a real broker.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken bench is a failed test")]
mod common;
use common::*;
use paho_mqtt::{MessageBuilder, Properties, PropertyCode};
use serde_json::json;
use std::net::Ipv4Addr;
use std::time::Duration;

fn bench() -> (Broker, App, Running) {
    let broker = Broker::start();
    let app = App::connect(broker.port);
    let running = Running::start(Options::new(broker.port)).ready();
    (broker, app, running)
}

#[test]
fn a_command_in_reaction_to_register_reaches_the_device_and_its_answer_the_application() {
    let (_broker, app, running) = bench();
    let mut device = Device::new(running.udp);
    device.register("ep1");
    let register = app.next_message("lwm2m/ep1/up/resp");
    assert_eq!(register.properties().find_user_property("ep").as_deref(), Some("ep1"));
    app.command("ep1", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    let request = device.receive();
    assert_eq!((request.kind, request.code), (0, 1));
    device.answer(&request, None, "EMQ");
    let content = json!([{"path":"/3/0/0","value":"EMQ"}]);
    assert_eq!(
        app.next("lwm2m/ep1/up/resp"),
        json!({"reqID":1,"msgType":"read","data":{"code":"2.05","codeMsg":"content","reqPath":"/3/0/0","content":content}})
    );
    let (status, body) = get(running.http, "/api/devices/ep1");
    assert_eq!(status, 200);
    assert!(body.contains(r#""mountpoint":"lwm2m/ep1/""#), "{body}");
    assert_eq!(get(running.http, "/api/devices/ep2").0, 404);
    assert_eq!(metric(running.http, "lwm2m_gateway_broker_connected"), 1.0);
}

#[test]
fn notifications_keep_their_order_and_confirmable_ones_are_acknowledged() {
    let (_broker, app, running) = bench();
    let mut device = Device::new(running.udp);
    device.register("ep1");
    app.command("ep1", r#"{"reqID":7,"msgType":"observe","data":{"path":"/3/0/0"}}"#);
    let observe = device.receive();
    device.answer(&observe, Some(1), "v1");
    for n in 2..100 {
        device.notify(n % 2 == 0, 5000 + u16::from(n), &observe.token, n, &format!("v{n}"));
    }
    for n in 2..100u8 {
        let message = app.next("lwm2m/ep1/up/notify");
        assert_eq!((message["seqNum"].clone(), message["reqID"].clone()), (json!(n), json!(7)));
        assert_eq!(message["data"]["content"][0]["value"], json!(format!("v{n}")));
    }
    for n in (2..100).filter(|n| n % 2 == 0) {
        let ack = device.receive();
        assert_eq!((ack.kind, ack.code, ack.id), (2, 0, 5000 + n));
    }
}

#[test]
fn commands_that_reach_nobody_are_answered_at_once() {
    let (_broker, app, running) = bench();
    app.command("nobody", r#"{"reqID":9,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    assert_eq!(app.next("lwm2m/nobody/up/resp")["data"]["code"], json!("4.04"));
    app.command("nobody", r#"{"reqID":10,"msgType":"dance","data":{}}"#);
    let bad = app.next("lwm2m/nobody/up/resp");
    assert_eq!((bad["reqID"].clone(), bad["data"]["code"].clone()), (json!(10), json!("4.00")));
    app.command("nobody", "no json");
    assert!(app.is_silent_on("lwm2m/nobody/up/resp", Duration::from_millis(300)));
    drop(running);
}

#[test]
fn a_retained_command_waits_for_the_first_registration_only() {
    let broker = Broker::start();
    let app = App::connect(broker.port);
    let retained =
        |payload: &str| MessageBuilder::new().topic("lwm2m/ep1/dn").payload(payload).qos(1).retained(true).finalize();
    app.publish(retained(r#"{"reqID":3,"msgType":"read","data":{"path":"/3/0/0"}}"#));
    let running = Running::start(Options::new(broker.port)).ready();
    wait_until("the command is held", || metric(running.http, "lwm2m_gateway_retained_commands_held") >= 1.0);
    let mut device = Device::new(running.udp);
    device.register("ep1");
    let request = device.receive();
    device.answer(&request, None, "EMQ");
    assert_eq!(app.next("lwm2m/ep1/up/resp")["msgType"], json!("register"));
    assert_eq!(app.next("lwm2m/ep1/up/resp")["reqID"], json!(3));
    device.register("ep1");
    assert!(device.is_silent_for(Duration::from_millis(300)), "a second registration gets it again");
}

#[test]
fn response_topic_and_correlation_data_come_back() {
    let (_broker, app, running) = bench();
    let mut device = Device::new(running.udp);
    device.register("ep1");
    app.next("lwm2m/ep1/up/resp");
    let mut properties = Properties::new();
    properties.push_string(PropertyCode::ResponseTopic, "my/answers").unwrap();
    properties.push_binary(PropertyCode::CorrelationData, b"\x00\xff".to_vec()).unwrap();
    let command = r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#;
    app.publish(
        MessageBuilder::new().topic("lwm2m/ep1/dn/dm").payload(command).qos(0).properties(properties).finalize(),
    );
    let request = device.receive();
    device.answer(&request, None, "EMQ");
    let answer = app.next_message("my/answers");
    assert_eq!(answer.properties().get_binary(PropertyCode::CorrelationData).as_deref(), Some(&b"\x00\xff"[..]));
    let content_type = answer.properties().get(PropertyCode::ContentType).and_then(|p| p.get_string());
    assert_eq!(content_type.as_deref(), Some("application/json"));
}

#[test]
fn a_device_that_moves_gets_its_commands_at_the_new_address() {
    let (_broker, app, running) = bench();
    let mut old = Device::new(running.udp);
    let location = old.register("ep1");
    let mut new = Device::new(running.udp);
    assert_eq!(new.update(&location), 0x44);
    app.command("ep1", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    assert_eq!(new.receive().code, 1);
    // Whoever registers at the old address is somebody else.
    old.register("ep2");
    assert_eq!(new.update(&location), 0x44);
}

#[test]
fn another_endpoint_at_the_same_address_displaces_the_device() {
    let (_broker, app, running) = bench();
    let mut device = Device::new(running.udp);
    device.register("ep1");
    device.register("ep2");
    wait_until("ep1 is gone", || get(running.http, "/api/devices/ep1").0 == 404);
    assert_eq!(get(running.http, "/api/devices/ep2").0, 200);
    app.command("ep1", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    loop {
        let message = app.next("lwm2m/ep1/up/resp");
        if message["reqID"] == json!(1) {
            assert_eq!(message["data"]["code"], json!("4.04"));
            break;
        }
    }
}

#[test]
fn garbage_and_empty_datagrams_cost_only_themselves() {
    let (_broker, _app, running) = bench();
    let stranger = Device::new(running.udp);
    for datagram in [&b""[..], b"\x00", b"\xff\xff\xff\xff", &[0x40; 1400], b"GET / HTTP/1.1", &[0; 60_000]] {
        stranger.send(datagram);
    }
    // Datagrams to a closed port: the ICMP error comes back to the gateway's socket.
    let mut gone = Device::new(running.udp);
    gone.send_register("gone", &[]);
    drop(gone);
    let mut device = Device::new(running.udp);
    device.register("ep1");
    assert_eq!(metric(running.http, "lwm2m_gateway_datagrams_dropped_total{cause=\"empty\"}"), 1.0);
}

#[test]
fn answers_leave_from_the_address_that_was_asked() {
    let broker = Broker::start();
    let app = App::connect(broker.port);
    let any = Options { bind: (Ipv4Addr::UNSPECIFIED, 0).into(), ..Options::new(broker.port) };
    let running = Running::start(any).ready();
    let asked = (Ipv4Addr::new(127, 0, 0, 2), running.udp.port()).into();
    let mut device = Device::new(asked);
    device.send_register("ep1", &[]);
    assert_eq!(device.receive_from().1, asked);
    app.command("ep1", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    assert_eq!(device.receive_from().1, asked, "requests as well");
}

#[test]
fn a_dual_stack_listener_serves_both_families() {
    let broker = Broker::start();
    let any = Options { bind: "[::]:0".parse().unwrap(), ..Options::new(broker.port) };
    let running = Running::start(any).ready();
    let port = running.udp.port();
    Device::new((Ipv4Addr::LOCALHOST, port).into()).register("v4");
    let v6 = std::net::Ipv6Addr::LOCALHOST;
    Device::at((v6, 0).into(), (v6, port).into()).register("v6");
    let (_, page) = get(running.http, "/api/devices?limit=1");
    assert!(page.contains(r#""total":2"#) && page.contains(r#""address":"127.0.0.1:"#), "{page}");
    let (_, page) = get(running.http, "/api/devices?after=v4");
    assert!(page.contains("[::1]:") && !page.contains("v4"), "{page}");
}

#[test]
fn draining_answers_what_is_under_way_and_says_goodbye() {
    let (_broker, app, running) = bench();
    assert_eq!(app.next("gateway/status")["status"], json!("online"));
    let mut device = Device::new(running.udp);
    device.register("ep1");
    app.next("lwm2m/ep1/up/resp");
    app.command("ep1", r#"{"reqID":5,"msgType":"execute","data":{"path":"/3/0/4"}}"#);
    device.receive();
    let drained = running.stop();
    assert_eq!(drained.unpublished, 0);
    assert_eq!(app.next("lwm2m/ep1/up/resp")["reqID"], json!(5), "every command gets its terminal message");
    assert_eq!(app.next("gateway/status")["status"], json!("offline"));
}
