//! Registrations and observations across the end of the process: orderly, and by `kill -9`.
use integration_tests::datagram::Kind;
use integration_tests::{QUIET, World};
use serde_json::{Value, json};
use std::time::Duration;

/// How the process ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Term,
    Kill,
}

const BOTH: [End; 2] = [End::Term, End::Kill];

/// Ends the gateway, and starts it again.
fn restart(world: &mut World, end: End) {
    stop(world, end);
    world.gateway.launch();
    world.gateway.await_ready();
}

fn stop(world: &mut World, end: End) {
    match end {
        End::Term => assert_eq!(world.gateway.terminate().code(), Some(0), "{}", world.gateway.log()),
        End::Kill => world.gateway.kill(),
    }
}

fn read(req: u32) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

#[test]
fn devices_do_not_notice_a_restart_or_a_crash() {
    for end in BOTH {
        let mut world = World::start();
        let device = world.device("ep1");
        let observe = world.observe(&device, 7, "/3/0/9", 0, "0");
        restart(&mut world, end);
        world.application.clear();
        // A notification with the token of before has the request id of before.
        let mid = device.notify(Kind::Con, &observe, 9, 0, "55");
        device.expect_ack(mid);
        let message = world.application.message("ep1", "notify");
        assert_eq!(
            (&message.json["reqID"], &message.json["data"]["content"][0]["value"]),
            (&json!(7), &json!(55)),
            "{end:?}"
        );
        // Commands reach it, its location is good.
        world.round_trip(&device, &read(1), "2.05", &[], "v");
        assert_eq!(device.update(&[], "").code_text(), "2.04", "{end:?}");
        world
            .application
            .expect_none(QUIET, "a register message that nobody sent", |message| message.kind() == "register");
        // The same token cancels.
        let command = json!({"reqID": 8, "msgType": "cancel-observe", "data": {"path": "/3/0/9"}});
        let cancel = world.command(&device, &command);
        assert_eq!(cancel.token, observe.token, "{end:?}");
    }
}

#[test]
fn what_the_device_changed_is_still_so_afterwards() {
    for end in BOTH {
        let mut world = World::start();
        let device = world.device_with("ep1", &["lt=300"], "</3/0>");
        assert_eq!(device.update(&["lt=4000"], "</3/0>,</1/0>").code_text(), "2.04");
        // One observation begun and ended again, one that lives.
        let ended = world.observe(&device, 1, "/3/0/9", 0, "0");
        let command = json!({"reqID": 2, "msgType": "cancel-observe", "data": {"path": "/3/0/9"}});
        world.round_trip(&device, &command, "2.05", &[], "1");
        let living = world.observe(&device, 3, "/3/0/13", 0, "0");
        restart(&mut world, end);
        let (_, body) = world.gateway.get("/api/devices/ep1").expect("the API answers");
        let state: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((&state["lifetime"], &state["objects"]), (&json!(4000), &json!(["/3/0", "/1/0"])), "{end:?}");
        assert_eq!(state["observing"], 1, "{end:?}");
        let mid = device.notify(Kind::Con, &ended, 5, 0, "1");
        device.expect_rst(mid);
        let mid = device.notify(Kind::Con, &living, 5, 0, "1");
        device.expect_ack(mid);
    }
}

#[test]
fn who_deregistered_stays_away() {
    for end in BOTH {
        let mut world = World::start();
        let device = world.device("ep1");
        world.observe(&device, 1, "/3/0/9", 0, "0");
        assert_eq!(device.deregister().code_text(), "2.02");
        restart(&mut world, end);
        let (_, body) = world.gateway.get("/api/devices").expect("the API answers");
        assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON")["total"], 0, "{end:?}: {body}");
        assert_eq!(device.update(&[], "").code_text(), "4.04", "{end:?}");
    }
}

#[test]
fn lifetime_goes_on_while_the_gateway_is_away() {
    for end in BOTH {
        let mut world = World::with(&[("lwm2m.lifecycle_events", "true")]);
        let device = world.device_with("ep1", &["lt=2"], "</3/0>");
        world.device_with("ep2", &["lt=300"], "</3/0>");
        stop(&mut world, end);
        world.application.clear();
        std::thread::sleep(Duration::from_millis(3000));
        world.gateway.launch();
        world.gateway.await_ready();
        world
            .application
            .expect("expired", |message| message.json["event"] == "expired" && message.json["data"]["ep"] == "ep1");
        assert_eq!(device.update(&[], "").code_text(), "4.04", "{end:?}");
        let (_, body) = world.gateway.get("/api/devices").expect("the API answers");
        assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON")["total"], 1, "{end:?}: {body}");
    }
}

#[test]
fn a_device_that_rebooted_meanwhile_begins_anew() {
    for end in BOTH {
        let mut world = World::start();
        let before = world.device("ep1");
        let observe = world.observe(&before, 7, "/3/0/9", 0, "0");
        stop(&mut world, end);
        world.gateway.launch();
        world.gateway.await_ready();
        // From another address, as after a reboot behind a NAT.
        let after = world.device("ep1");
        assert_ne!(after.location(), before.location(), "{end:?}");
        let mid = after.notify(Kind::Con, &observe, 5, 0, "1");
        after.expect_rst(mid);
        world.round_trip(&after, &read(1), "2.05", &[], "v");
        assert_eq!(before.update(&[], "").code_text(), "4.04", "{end:?}: its location is gone");
    }
}

#[test]
fn what_is_with_a_device_may_finish_before_the_end_and_nothing_is_begun() {
    let mut world = World::with(&[("runtime.drain_timeout", "\"30s\"")]);
    let device = world.device("ep1");
    let request = world.command(&device, &read(1));
    world.gateway.ask_to_end();
    world.gateway.await_log(&["draining"]);
    device.answer(&request, "2.05", &[], "v");
    let message = world.application.answer("ep1");
    assert_eq!((&message.json["reqID"], message.data("code")), (&json!(1), &json!("2.05")), "{}", message.json);
    assert_eq!(world.gateway.await_end().code(), Some(0), "{}", world.gateway.log());
    device.expect_quiet();
    world.gateway.launch();
    world.gateway.await_ready();
    world.round_trip(&device, &read(2), "2.05", &[], "v");
}

#[test]
fn a_device_that_does_not_answer_does_not_hold_up_the_end() {
    let mut world = World::with(&[("runtime.drain_timeout", "\"2s\"")]);
    let device = world.device("ep1");
    world.command(&device, &read(1));
    assert_eq!(world.gateway.terminate().code(), Some(0), "{}", world.gateway.log());
    device.discard();
    world.gateway.launch();
    world.gateway.await_ready();
    // The command goes on.
    let request = device.expect_request();
    device.answer(&request, "2.05", &[], "v");
    assert_eq!(device.update(&[], "").code_text(), "2.04");
}

#[test]
fn updates_do_not_cost_a_commit_each() {
    let mut world = World::start();
    let device = world.device("ep1");
    let observe = world.observe(&device, 7, "/3/0/9", 0, "0");
    let commits = |world: &World| {
        let (_, text) = world.gateway.get("/metrics").expect("metrics");
        let line = text.lines().find(|line| line.starts_with("lwm2m_gateway_store_commits_total ")).expect("a counter");
        line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a number")
    };
    let begun = std::time::Instant::now();
    let before = commits(&world);
    for sequence in 2..200 {
        assert_eq!(device.update(&[], "").code_text(), "2.04");
        let mid = device.notify(Kind::Con, &observe, sequence, 0, "1");
        device.expect_ack(mid);
    }
    // Two for each interval of half a second are more than enough.
    let allowed = 4.0 + 4.0 * begun.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_millis(1200));
    let spent = commits(&world) - before;
    assert!(spent <= allowed + 6.0, "{spent} commits, {allowed} allowed");
    // All of it counts all the same.
    restart(&mut world, End::Kill);
    let mid = device.notify(Kind::Con, &observe, 200, 0, "1");
    device.expect_ack(mid);
    assert_eq!(device.update(&[], "").code_text(), "2.04");
}
