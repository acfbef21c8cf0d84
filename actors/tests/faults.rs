//! Brokers that go away, are old, or refuse; devices that panic.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken bench is a failed test")]
mod common;
use actors::OutboxLimits;
use common::*;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Registers `ep1`, observes `/3/0/0`; the token of the observation.
fn observed(app: &App, device: &mut Device) -> Vec<u8> {
    device.register("ep1");
    assert_eq!(app.next("lwm2m/ep1/up/resp")["msgType"], json!("register"));
    app.command("ep1", r#"{"reqID":7,"msgType":"observe","data":{"path":"/3/0/0"}}"#);
    let observe = device.receive();
    device.answer(&observe, Some(1), "v1");
    assert_eq!(app.next("lwm2m/ep1/up/resp")["msgType"], json!("observe"));
    observe.token
}

fn broker_is_up(running: &Running) -> bool {
    running.handle.health().is_broker_up()
}

#[test]
fn what_happens_while_the_broker_is_away_is_published_in_order_when_it_is_back() {
    let mut broker = Broker::start();
    let app = App::connect(broker.port);
    let running = Running::start(Options::new(broker.port)).ready();
    let mut device = Device::new(running.udp);
    let token = observed(&app, &mut device);
    broker.kill();
    wait_until("the loss is seen", || !broker_is_up(&running));
    assert_eq!(get(running.http, "/health/ready").0, 200, "an outage does not make it unready");
    for n in 2..60 {
        device.notify(true, 5000 + u16::from(n), &token, n, &format!("v{n}"));
        assert_eq!(device.receive().id, 5000 + u16::from(n), "QoS 0: acknowledged once it is in the outbox");
    }
    let mut other = Device::new(running.udp);
    other.register("ep2");
    broker.resume();
    let app = App::connect(broker.port);
    for n in 2..60 {
        assert_eq!(app.next("lwm2m/ep1/up/notify")["seqNum"], json!(n));
    }
    assert_eq!(app.next("lwm2m/ep2/up/resp")["msgType"], json!("register"));
    app.command("ep2", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    assert_eq!(other.receive().code, 1, "subscribed again");
}

#[test]
fn with_qos_1_a_confirmable_notification_is_acknowledged_only_by_the_broker() {
    let mut broker = Broker::start();
    let app = App::connect(broker.port);
    let running = Running::start(Options { notify_qos: 1, ..Options::new(broker.port) }).ready();
    let mut device = Device::new(running.udp);
    let token = observed(&app, &mut device);
    device.notify(true, 5002, &token, 2, "v2");
    assert_eq!(device.receive().id, 5002);
    broker.kill();
    wait_until("the loss is seen", || !broker_is_up(&running));
    device.notify(true, 5003, &token, 3, "v3");
    assert!(device.is_silent_for(Duration::from_millis(500)), "no ACK without the broker");
    broker.resume();
    let ack = device.receive();
    assert_eq!((ack.kind, ack.code, ack.id), (2, 0, 5003));
}

#[test]
fn a_full_outbox_leaves_confirmable_notifications_with_the_device_and_drops_the_oldest_others() {
    let mut broker = Broker::start();
    let app = App::connect(broker.port);
    let outbox = OutboxLimits { messages: 10, bytes: 1 << 20, ..OutboxLimits::default() };
    let running = Running::start(Options { outbox, ..Options::new(broker.port) }).ready();
    let mut device = Device::new(running.udp);
    let token = observed(&app, &mut device);
    broker.kill();
    wait_until("the loss is seen", || !broker_is_up(&running));
    for n in 2..8 {
        device.notify(true, 5000 + u16::from(n), &token, n, "kept");
        assert_eq!(device.receive().id, 5000 + u16::from(n));
    }
    for n in 8..40 {
        device.notify(false, 5000 + u16::from(n), &token, n, "droppable");
    }
    std::thread::sleep(Duration::from_millis(200));
    // Pushes out droppable ones as long as there are some; the last tenth stays free for answers.
    for n in 40..43 {
        device.notify(true, 5000 + u16::from(n), &token, n, "kept");
        assert_eq!(device.receive().id, 5000 + u16::from(n));
    }
    device.notify(true, 5043, &token, 43, "refused");
    assert!(device.is_silent_for(Duration::from_millis(300)), "no room: the device keeps it");
    broker.resume();
    let app = App::connect(broker.port);
    let mut seen = Vec::new();
    while seen.last() != Some(&42) {
        seen.push(app.next("lwm2m/ep1/up/notify")["seqNum"].as_u64().unwrap());
    }
    let kept: Vec<u64> = (2..8).chain(40..43).collect();
    assert!(kept.iter().all(|n| seen.contains(n)), "{seen:?}");
    assert!(seen.is_sorted());
    device.notify(true, 5043, &token, 43, "refused");
    assert_eq!(device.receive().id, 5043, "repeated by the device, taken now");
    assert_eq!(app.next("lwm2m/ep1/up/notify")["seqNum"], json!(43));
}

/// Speaks only MQTT 3.1.1: refuses MQTT 5 in the way of old brokers, and passes everything else on.
fn old_broker(real: u16, says_why: bool) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { continue };
            let mut packet = vec![0; 4096];
            let Ok(length) = client.read(&mut packet) else { continue };
            packet.truncate(length);
            let Some(level) = packet.windows(4).position(|w| w == b"MQTT").and_then(|at| packet.get(at + 4)) else {
                continue;
            };
            if *level == 5 {
                if says_why {
                    let _ = client.write_all(&[0x20, 2, 0, 1]);
                }
                continue;
            }
            let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, real)) else { continue };
            server.write_all(&packet).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    port
}

#[test]
fn a_broker_without_mqtt_5_is_spoken_to_in_3_1_1() {
    for says_why in [true, false] {
        let broker = Broker::start();
        let app = App::connect(broker.port);
        let running = Running::start(Options::new(old_broker(broker.port, says_why))).ready();
        let mut device = Device::new(running.udp);
        let token = observed(&app, &mut device);
        device.notify(true, 5002, &token, 2, "v2");
        let notify = app.next_message("lwm2m/ep1/up/notify");
        assert!(notify.properties().find_user_property("ep").is_none());
    }
}

#[test]
fn the_gateway_starts_without_a_broker_and_is_ready_when_it_comes() {
    let mut broker = Broker::start();
    broker.kill();
    let running = Running::start(Options::new(broker.port));
    let mut device = Device::new(running.udp);
    device.register("ep1");
    assert_eq!(get(running.http, "/health/live").0, 200);
    assert_eq!(get(running.http, "/health/ready").0, 503);
    broker.resume();
    let app = App::connect(broker.port);
    let running = running.ready();
    assert_eq!(app.next("lwm2m/ep1/up/resp")["msgType"], json!("register"));
    drop(running);
}

#[test]
fn a_panic_costs_one_message_and_the_registration_goes_on() {
    let broker = Broker::start();
    let app = App::connect(broker.port);
    let running = Running::start(Options { admission: Some(Arc::new(Fragile)), ..Options::new(broker.port) }).ready();
    let mut device = Device::new(running.udp);
    let location = device.register("ep1");
    app.next("lwm2m/ep1/up/resp");
    device.send_register("ep1", &["panic=1"]);
    wait_until("revived", || metric(running.http, "lwm2m_gateway_devices_revived_total") >= 1.0);
    assert_eq!(device.update(&location), 0x44, "still registered");
    app.command("ep1", r#"{"reqID":1,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    let request = device.receive();
    device.answer(&request, None, "EMQ");
    assert_eq!(app.next("lwm2m/ep1/up/resp")["reqID"], json!(1));
    // One that panics at its very first message leaves nothing behind, and may come again.
    let mut other = Device::new(running.udp);
    other.send_register("ep2", &["panic=1"]);
    wait_until("given up", || metric(running.http, "lwm2m_gateway_devices_revived_total") >= 2.0);
    other.register("ep2");
    assert_eq!(device.update(&location), 0x44);
}

#[test]
fn a_command_under_way_survives_a_panic_or_is_answered() {
    let broker = Broker::start();
    let app = App::connect(broker.port);
    let running = Running::start(Options { admission: Some(Arc::new(Fragile)), ..Options::new(broker.port) }).ready();
    let mut device = Device::new(running.udp);
    device.register("ep1");
    app.next("lwm2m/ep1/up/resp");
    app.command("ep1", r#"{"reqID":1,"msgType":"execute","data":{"path":"/3/0/4"}}"#);
    app.command("ep1", r#"{"reqID":2,"msgType":"read","data":{"path":"/3/0/0"}}"#);
    assert_eq!(device.receive().code, 2, "the execute is on the wire, the read waits");
    device.send_register("ep1", &["panic=1"]);
    let interrupted = app.next("lwm2m/ep1/up/resp");
    assert_eq!((interrupted["reqID"].clone(), interrupted["msgType"].clone()), (json!(1), json!("coap_timeout")));
    let request = loop {
        let request = device.receive();
        if request.code == 1 {
            break request;
        }
    };
    device.answer(&request, None, "EMQ");
    assert_eq!(app.next("lwm2m/ep1/up/resp")["reqID"], json!(2));
}
