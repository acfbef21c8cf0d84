//! What survives a restart: patches folded together are the snapshot, and a session goes on from it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod bench;
use bench::*;
use coap::{Code, Kind};
use lwm2m::session::operation::{Attribute, Mode, Operation};
use lwm2m::session::{Accepted, Outcome, Session, Snapshot, Submission};
use lwm2m::{ContentFormat, Node, Value};
use std::sync::Arc;
use std::time::Duration;

/// The process dies and comes back `seconds` later: only the snapshot, through its stored form, remains.
fn restart(bench: &mut Bench, seconds: u64) -> Step {
    let stored = serde_json::to_string(&bench.stored).unwrap();
    let snapshot: Option<Snapshot> = serde_json::from_str(&stored).unwrap();
    assert_eq!(snapshot, bench.stored);
    bench.now += Duration::from_secs(seconds);
    bench.session = Session::restore(bench.clock(), snapshot.unwrap(), Arc::new(policy()), catalog(), [7; 16]);
    bench.drain()
}

fn assert_stored(bench: &Bench) {
    let (mut stored, mut snapshot) = (bench.stored.clone(), bench.snapshot());
    for snapshot in stored.iter_mut().chain(&mut snapshot) {
        snapshot.commands.sort_by_key(|command| command.id);
        snapshot.observations.sort_by_key(|observation| observation.id);
        snapshot.expires = snapshot.expires.round();
    }
    assert_eq!(stored, snapshot);
}

#[test]
fn patches_add_up_to_the_snapshot() {
    let mut bench = Bench::new();
    assert_stored(&bench);
    bench.register(&["ep=ep1", "lt=300", "lwm2m=1.0", "b=UQ"], "</3/0>,</3303/0>");
    assert_stored(&bench);
    let observed = bench.observe("o", "/3/0/9");
    assert_stored(&bench);
    let notification = bench.notification(&observed, Kind::NonConfirmable, Code::CONTENT, Some(77), b"5");
    bench.deliver(&notification);
    assert_eq!(bench.stored.as_ref().unwrap().observations[0].sequence, 77);
    assert_stored(&bench);
    bench.send("a", read("/3/0/0"));
    bench.submit("b", execute("/3/0/4")).0.unwrap();
    assert_stored(&bench);
    bench.wait(30.0);
    assert_stored(&bench);
    bench.update(&["x=1"], "</3/0>");
    assert_stored(&bench);
    let moved = bench.update_message(&[], "");
    bench.datagram_from(address(777), &moved.encode());
    assert_stored(&bench);
    bench.home = address(777);
    bench.submit("c", cancel("/3/0/9", true)).0.unwrap();
    assert_stored(&bench);
    bench.register(&["ep=ep1", "lt=300", "lwm2m=1.0", "b=UQ"], "</3/0>");
    assert_stored(&bench);
    bench.deregister();
    assert!(bench.stored.is_none());
    assert_stored(&bench);
}

#[test]
fn the_device_does_not_notice() {
    let mut bench = Bench::usual();
    let observed = bench.observe("o", "/3/0/9");
    assert_eq!(restart(&mut bench, 20).story(), "");
    // What is left of the lifetime is counted in real time.
    assert_eq!(bench.session.remaining_lifetime(bench.clock()).unwrap().as_secs_f64().round(), 280.0);
    let notification = bench.notification(&observed, Kind::Confirmable, Code::CONTENT, Some(8), b"90");
    assert_eq!(bench.deliver(&notification).notified()[0].0, "o");
    assert_eq!(bench.update(&[], "").story(), "→2.04 Updated");
    let cancel_request = bench.send("c", cancel("/3/0/9", false));
    assert_eq!(cancel_request.token(), observed.token());
    assert_stored(&bench);
}

#[test]
fn the_clock_on_the_wall_may_jump() {
    let mut bench = Bench::usual();
    for jump in [86_400.0, -86_400.0] {
        bench.wall += jump;
        assert_eq!(bench.wait(100.0).story(), "");
        assert_eq!(bench.update(&[], "").story(), "→2.04 Updated");
        assert_eq!(bench.wait(299.0).story(), "");
        assert_eq!(bench.update(&[], "").story(), "→2.04 Updated");
    }
    let expires = Some(bench.now + Duration::from_secs(60));
    bench.submit("x", execute("/3/0/4")).0.unwrap();
    let submission = Submission { operation: read("/3"), ticket: ticket("a"), expires, immediate: false };
    bench.submit_as(submission).0.unwrap();
    bench.wall += 86_400.0;
    assert_eq!(bench.wait(59.0).finished(), []);
    assert_eq!(bench.wait(2.0).finished()[0].0, "a");
    assert_eq!(bench.wait(237.0).finished()[0].0, "x");
    assert_eq!(bench.wait(3.0).story(), "Ended");
}

#[test]
fn an_observation_that_is_silent_across_a_restart_is_asked_for_again() {
    let mut bench = Bench::usual();
    let attributes = vec![Attribute { name: "pmax", value: Some("20".to_owned()) }];
    let write = bench.send("w", Operation::WriteAttributes { target: target("/3/0/9"), attributes });
    bench.answer(&write, Code::CHANGED, None, b"");
    let observed = bench.observe("o", "/3/0/9");
    assert_stored(&bench);
    bench.wait(10.0);
    let notification = bench.notification(&observed, Kind::NonConfirmable, Code::CONTENT, Some(7), b"5");
    bench.deliver(&notification);
    assert_stored(&bench);
    // Silence counts from the last notification, whenever the gateway was away in between.
    assert_eq!(restart(&mut bench, 100).story(), "");
    let again = bench.wait(13.5).message();
    assert_eq!((again.observe(), again.token()), (Some(0), observed.token()));
    let mut answer = response(&again, Code::CONTENT, Some(0), b"42");
    answer.add_uint(coap::option::OBSERVE, 1);
    assert_eq!(bench.deliver(&answer).notified()[0].0, "o");
    assert_stored(&bench);
    // `pmax` is remembered as well.
    assert_eq!(restart(&mut bench, 1).story(), "");
    bench.update(&[], "");
    assert_eq!(bench.wait(112.5).message().observe(), Some(0));
}

#[test]
fn an_update_that_says_nothing_new_renews_only() {
    let mut bench = Bench::usual();
    let step = bench.update(&["lt=300", "b=U"], "</3/0>,</6/0>,</3303/0>,</3303/1>");
    assert!(matches!(step.patches()[..], [lwm2m::session::Patch::Renewed { .. }]), "{:?}", step.patches());
    let step = bench.update(&["lt=301"], "");
    assert_eq!(step.patches().len(), 2, "{:?}", step.patches());
}

#[test]
fn a_lifetime_that_passed_meanwhile_is_over() {
    let mut bench = Bench::usual();
    assert_eq!(restart(&mut bench, 301).story(), "Ended");
}

#[test]
fn commands_go_on_or_end_as_interrupted() {
    let mut bench = Bench::usual();
    bench.send("x", execute("/3/0/4"));
    bench.submit("a", read("/3/0/0")).0.unwrap();
    bench.submit("y", execute("/3/0/4")).0.unwrap();
    let step = restart(&mut bench, 1);
    assert_eq!(step.finished(), [("x".to_owned(), Outcome::TimedOut(Some("interrupted")), None)]);
    let request = step.message();
    assert_eq!(request.code(), GET);
    let step = bench.answer(&request, Code::CONTENT, Some(0), b"x");
    assert_eq!(step.finished()[0].0, "a");
    // Not sent before, so it may be sent now.
    let request = step.message();
    assert_eq!(bench.answer(&request, Code::CHANGED, None, b"").finished()[0].0, "y");
    assert!(bench.stored.as_ref().unwrap().commands.is_empty());
    // What is idempotent is sent again even if it was on the wire.
    bench.send("b", read("/3/0/0"));
    let step = restart(&mut bench, 1);
    let request = step.message();
    assert_eq!(bench.answer(&request, Code::CONTENT, Some(0), b"x").finished()[0].0, "b");
}

#[test]
fn sleepers_stay_asleep_and_expiry_goes_on() {
    let mut bench = Bench::registered(&["ep=ep1", "lt=300", "lwm2m=1.0", "b=UQ"], "</3/0>");
    bench.wait(30.0);
    let expires = Some(bench.now + Duration::from_secs(60));
    let submission = Submission { operation: read("/3"), ticket: ticket("a"), expires, immediate: false };
    assert_eq!(bench.submit_as(submission).0, Ok(Accepted::Queued { waiting: 1 }));
    bench.submit("b", read("/3/0")).0.unwrap();
    assert_eq!(restart(&mut bench, 50).story(), "");
    assert!(!bench.session.is_awake(bench.clock()));
    assert_eq!(bench.wait(11.0).finished(), [("a".to_owned(), Outcome::TimedOut(Some("expired")), None)]);
    assert_eq!(bench.update(&[], "").story(), "→2.04 Updated Awake →Get Sent");
}

#[test]
fn every_operation_can_be_stored() {
    let node = Node { path: path("/3/0/14"), value: Value::String("x".to_owned()), time: Some(1.5) };
    let attributes =
        vec![Attribute { name: "pmin", value: None }, Attribute { name: "gt", value: Some("-1.5".into()) }];
    let operations = [
        Operation::Read { target: target("/3"), format: Some(ContentFormat::SenmlCbor) },
        Operation::Discover { target: target("/3") },
        Operation::Write { target: target("/3/0/14"), node: node.clone(), format: None },
        Operation::WriteBatch { target: target("/3/0"), nodes: vec![node.clone()], mode: Mode::Replace, format: None },
        Operation::WriteAttributes { target: target("/3"), attributes },
        Operation::Execute { target: target("/3/0/4"), arguments: Some("1".into()) },
        Operation::Create { target: target("/6"), nodes: vec![node.clone()], format: None },
        Operation::Delete { target: target("/6/0") },
        observe("/3"),
        cancel("/3", true),
        Operation::ReadComposite { paths: vec![path("/3")], format: None },
        Operation::WriteComposite { nodes: vec![node], format: None },
        Operation::ObserveComposite { paths: vec![path("/")], format: None },
        Operation::CancelObserveComposite { paths: vec![path("/3/0/6/1")], passive: false },
    ];
    for operation in operations {
        let stored = serde_json::to_string(&operation).unwrap();
        assert_eq!(serde_json::from_str::<Operation>(&stored).unwrap(), operation, "{stored}");
    }
    for bad in [
        r#"{"WriteAttributes":{"target":{"path":"/3","query":[]},"attributes":[["nope",null]]}}"#,
        r#"{"Delete":{"target":{"path":"/1/2/3/4/5","query":[]}}}"#,
    ] {
        assert!(serde_json::from_str::<Operation>(bad).is_err(), "{bad}");
    }
}
