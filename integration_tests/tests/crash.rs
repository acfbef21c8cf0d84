//! The gateway is killed: every command has exactly one outcome, and nothing that was acknowledged is lost (contract chapter 13).
use integration_tests::datagram::{Kind, code, method, option};
use integration_tests::settings::QOS_1;
use integration_tests::{Datagram, Message, QUIET, Wire, World, eventually};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn read(req: u32) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": "/3/0/0"}})
}

fn crash(world: &mut World) {
    world.gateway.kill();
    world.gateway.launch();
    world.gateway.await_ready();
}

#[test]
fn every_command_taken_before_a_crash_gets_exactly_one_outcome() {
    let mut world = World::with(QOS_1);
    let device = world.device("ep1");
    // One in flight, the others waiting behind it.
    world.application.command_qos_1("ep1", &read(1));
    let in_flight = device.expect_request();
    for req in 2..=6 {
        world.application.command_qos_1("ep1", &read(req));
    }
    let received = || world.gateway.log().matches("event=command_received").count() >= 6;
    assert!(eventually(QUIET * 10, received), "{}", world.gateway.log());
    world.gateway.kill();
    device.discard();
    world.gateway.launch();
    world.gateway.await_ready();
    for answered in 0..6 {
        let request = device.expect_request();
        assert!(answered > 0 || request.uri_path() == in_flight.uri_path());
        device.answer(&request, "2.05", &[], "v");
    }
    for req in 1..=6 {
        let message = world.application.expect("an outcome", |message| message.json["reqID"] == req);
        assert_eq!(message.data("code"), "2.05", "{}", message.json);
    }
    world.application.expect_none(QUIET, "a second outcome", |message| message.kind() == "read");
}

#[test]
fn execute_and_create_in_flight_at_a_crash_are_not_repeated() {
    for command in [
        json!({"reqID": 1, "msgType": "execute", "data": {"path": "/3/0/4"}}),
        json!({"reqID": 1, "msgType": "create", "data": {"basePath": "/3303", "content": []}}),
    ] {
        let mut world = World::with(QOS_1);
        let device = world.device("ep1");
        world.application.command_qos_1("ep1", &command);
        device.expect_request();
        crash(&mut world);
        let message = world.application.answer("ep1");
        assert_eq!((message.kind(), &message.json["reqID"]), ("coap_timeout", &json!(1)), "{}", message.json);
        assert_eq!(message.data("diagnostic"), "interrupted", "{}", message.json);
        device.expect_quiet();
    }
}

#[test]
fn commands_that_wait_for_a_sleeper_survive_a_crash_and_a_stop_whatever_their_qos() {
    for (end, qos_1) in [("stop", false), ("crash", false), ("stop", true), ("crash", true)] {
        let mut keys = if qos_1 { QOS_1.to_vec() } else { Vec::new() };
        keys.push(("lwm2m.qmode_time_window", "\"1s\""));
        let mut world = World::with(&keys);
        let device = world.device_with("ep1", &["b=UQ"], "</3/0>");
        std::thread::sleep(Duration::from_millis(1400));
        for req in 1..=3 {
            let command = if req == 2 {
                json!({"reqID": 2, "msgType": "execute", "data": {"path": "/3/0/4"}})
            } else {
                read(req)
            };
            match qos_1 {
                true => world.application.command_qos_1("ep1", &command),
                false => world.application.command("ep1", &command),
            }
        }
        let queued = || world.gateway.log().matches("event=command_queued").count() >= 3;
        assert!(eventually(QUIET * 10, queued), "{}", world.gateway.log());
        match end {
            "stop" => assert_eq!(world.gateway.terminate().code(), Some(0)),
            _ => world.gateway.kill(),
        }
        world.gateway.launch();
        world.gateway.await_ready();
        device.expect_quiet();
        assert_eq!(device.update(&[], "").code_text(), "2.04");
        for req in 1..=3 {
            let request = device.expect_request();
            device.answer(&request, if req == 2 { "2.04" } else { "2.05" }, &[], "v");
            let message = world.application.answer("ep1");
            let code = if req == 2 { "2.04" } else { "2.05" };
            assert_eq!((&message.json["reqID"], message.data("code")), (&json!(req), &json!(code)), "{end}, {qos_1}");
        }
    }
}

#[test]
fn what_is_under_way_at_a_stop_goes_on_after_the_next_start() {
    let mut world = World::with(&[("runtime.drain_timeout", "\"2s\"")]);
    let device = world.device("ep1");
    let _unanswered = world.command(&device, &read(1));
    assert_eq!(world.gateway.terminate().code(), Some(0), "{}", world.gateway.log());
    world.application.expect_none(QUIET, "an outcome already", |message| message.json["reqID"] == 1);
    device.discard();
    world.gateway.launch();
    world.gateway.await_ready();
    let request = device.expect_request();
    device.answer(&request, "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").data("code"), "2.05");
}

#[test]
fn time_spent_waiting_counts_over_a_crash() {
    let mut keys = QOS_1.to_vec();
    keys.push(("lwm2m.qmode_time_window", "\"1s\""));
    let mut world = World::with(&keys);
    let device = world.device_with("ep1", &["b=UQ"], "</3/0>");
    std::thread::sleep(Duration::from_millis(1400));
    let mut command = read(1);
    command["mheaders"] = json!({"ttl": 2});
    world.application.command_qos_1("ep1", &command);
    world.gateway.await_log(&["event=command_queued"]);
    world.gateway.kill();
    std::thread::sleep(Duration::from_millis(2200));
    world.gateway.launch();
    let message = world.application.answer("ep1");
    assert_eq!((message.kind(), message.data("diagnostic")), ("coap_timeout", &json!("expired")), "{}", message.json);
    assert_eq!(device.update(&[], "").code_text(), "2.04");
    device.expect_quiet();
}

/// What one device has seen.
#[derive(Default)]
struct Seen {
    /// Notifications that were acknowledged, and Sends answered 2.04.
    notified: Vec<u32>,
    sent: Vec<u32>,
    /// How often each execute was carried out, by its argument.
    executed: HashMap<String, u32>,
    /// Answers that no device should get.
    wrong: Vec<String>,
}

/// What the device waits for.
enum Job {
    Notification(u32),
    Send(u32),
    Update,
}

/// A device under load until `over`: answers everything, and repeats each message of its own until it is acknowledged.
fn play(wire: &Wire, observe: &Datagram, over: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut answered: HashMap<(u16, Vec<u8>), Datagram> = HashMap::new();
    let mut job: Option<(Job, Datagram, Instant)> = None;
    let (mut next, end) = (0, Instant::now() + Duration::from_secs(240));
    while (!over.load(Ordering::Relaxed) || job.is_some()) && Instant::now() < end {
        if job.is_none() {
            next += 1;
            let (what, message) = match next % 6 {
                0 => {
                    let body = format!(r#"[{{"n":"/3303/0/5700","v":{next}}}]"#);
                    let request =
                        wire.request(method::POST).path(&["dp"]).with(option::CONTENT_FORMAT, [110]).body(body);
                    (Job::Send(next), request)
                }
                3 => (Job::Update, wire.update_request(&[], "")),
                _ => {
                    let mut message = Datagram::new(Kind::Con, code("2.05"), wire.next_mid(), &observe.token);
                    message = message.with(option::OBSERVE, integration_tests::datagram::uint(next));
                    (Job::Notification(next), message.body(next.to_string()))
                }
            };
            wire.send(&message);
            job = Some((what, message, Instant::now()));
        } else if let Some((_, message, at)) = &mut job
            && at.elapsed() > Duration::from_millis(250)
        {
            wire.send(message);
            *at = Instant::now();
        }
        let Some(datagram) = wire.receive_within(Duration::from_millis(15)) else { continue };
        if datagram.is_request() {
            let known = answered.entry((datagram.mid, datagram.token.clone()));
            let answer = known.or_insert_with(|| answer(&datagram, &mut seen));
            wire.send(answer);
        } else if let Some((what, message, _)) = job.take_if(|(_, message, _)| message.mid == datagram.mid) {
            match (what, datagram.code_text().as_str()) {
                (Job::Notification(number), "0.00") if datagram.kind == Kind::Ack => seen.notified.push(number),
                (Job::Send(number), "2.04") => seen.sent.push(number),
                (Job::Update, "2.04") => {}
                (_, code) => seen.wrong.push(format!("{code} to {message:?}")),
            }
        }
    }
    seen
}

fn answer(request: &Datagram, seen: &mut Seen) -> Datagram {
    let path = request.uri_path();
    let (answer, payload) = match request.code {
        method::GET if request.option(option::ACCEPT) == Some(&[40]) => ("2.05", "</3/0>"),
        method::GET => ("2.05", "v"),
        method::PUT => ("2.04", ""),
        method::DELETE => ("2.02", ""),
        method::POST if path == "/3/0/4" => {
            let argument = String::from_utf8_lossy(&request.payload).into_owned();
            *seen.executed.entry(argument).or_default() += 1;
            ("2.04", "")
        }
        _ => ("2.01", ""),
    };
    let response = integration_tests::wire::respond(Kind::Ack, request.mid, request, answer, &[], payload);
    if request.option(option::ACCEPT) == Some(&[40]) { response.with(option::CONTENT_FORMAT, [40]) } else { response }
}

fn command(req: u32) -> Value {
    let (kind, data) = match req % 8 {
        0 => ("read", json!({"path": "/3/0/0"})),
        1 => ("write", json!({"path": "/3/0/14", "type": "String", "value": "x"})),
        2 | 3 => ("execute", json!({"path": "/3/0/4", "args": req.to_string()})),
        4 => ("create", json!({"basePath": "/3303", "content": []})),
        5 => ("discover", json!({"path": "/3/0"})),
        6 => ("write-attr", json!({"path": "/3/0/9", "pmin": 1})),
        _ => ("delete", json!({"path": "/3303/1"})),
    };
    json!({"reqID": req, "msgType": kind, "data": data})
}

/// The outcomes of commands by `reqID`, each different one once.
#[derive(Default)]
struct Outcomes(HashMap<u64, HashSet<Vec<u8>>>);

impl Outcomes {
    fn take_in(&mut self, messages: Vec<Message>, others: &mut Vec<Message>) {
        for message in messages {
            match message.json["reqID"].as_u64() {
                Some(req) if !["ack", "notify", "observe"].contains(&message.kind()) => {
                    self.0.entry(req).or_default().insert(message.payload);
                }
                _ => others.push(message),
            }
        }
    }
}

/// Numbers that are the same in every run; when exactly they strike is the machine's.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Registers by hand, over a crash if need be.
fn register(wire: &mut Wire, endpoint: &str) {
    let request = wire.register_request(&[format!("ep={endpoint}"), "lt=600".into(), "lwm2m=1.0".into()], "</3/0>");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        wire.send(&request);
        match wire.receive_within(Duration::from_millis(250)) {
            Some(answer) if answer.mid == request.mid => {
                assert_eq!(answer.code_text(), "2.01", "{answer:?}");
                return wire.keep_location(&answer);
            }
            _ => assert!(Instant::now() < end, "{endpoint} cannot register"),
        }
    }
}

#[test]
fn thirty_crashes_under_load_lose_nothing_and_repeat_nothing() {
    let mut keys = QOS_1.to_vec();
    keys.push(("log.level", "\"info\""));
    let mut world = World::with(&keys);
    let devices: Vec<_> = (0..3)
        .map(|at| {
            let device = world.device_with(&format!("ep{at}"), &["lt=3600"], integration_tests::wire::LINKS);
            let observe = world.observe(&device, 0, "/3/0/9", 0, "0");
            (device, observe)
        })
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = devices
        .into_iter()
        .map(|(device, observe)| {
            let over = over.clone();
            std::thread::spawn(move || {
                let seen = play(&device, &observe, &over);
                (device, seen)
            })
        })
        .collect();
    let mut random = Random(20_260_131);
    let (mut outcomes, mut others) = (Outcomes::default(), Vec::new());
    let mut late = Vec::new();
    let mut requests = 0;
    for round in 0..30 {
        let kill_at = Instant::now() + Duration::from_millis(20 + random.below(500));
        let mut newcomer = world.wire();
        let name = format!("late{round}");
        let registering = std::thread::spawn(move || {
            register(&mut newcomer, &name);
            newcomer
        });
        while Instant::now() < kill_at {
            requests += 1;
            world.application.command_qos_1(&format!("ep{}", random.below(3)), &command(requests));
            std::thread::sleep(Duration::from_millis(random.below(25)));
        }
        crash(&mut world);
        late.push(registering.join().expect("it registers"));
        outcomes.take_in(world.application.drain(), &mut others);
    }
    let all = eventually(Duration::from_secs(60), || {
        outcomes.take_in(world.application.drain(), &mut others);
        (1..=u64::from(requests)).all(|req| outcomes.0.contains_key(&req))
    });
    over.store(true, Ordering::Relaxed);
    let seen: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("the device plays to the end")).collect();
    let missing: Vec<_> = (1..=u64::from(requests)).filter(|req| !outcomes.0.contains_key(req)).collect();
    assert!(all, "of {requests} commands these have no outcome: {missing:?}");
    std::thread::sleep(Duration::from_secs(1));
    outcomes.take_in(world.application.drain(), &mut others);
    for (req, different) in &outcomes.0 {
        let texts: Vec<_> = different.iter().map(|payload| String::from_utf8_lossy(payload)).collect();
        assert_eq!(texts.len(), 1, "command {req} has different outcomes: {texts:?}");
    }
    for (at, (device, seen)) in seen.iter().enumerate() {
        assert!(seen.wrong.is_empty(), "ep{at}: {:?}", seen.wrong);
        let twice: Vec<_> = seen.executed.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "ep{at} executed again: {twice:?}");
        let topic = |tail: &str| format!("lwm2m/ep{at}/up/{tail}");
        let published = |tail: &str, value: &dyn Fn(&Message) -> Option<u64>| -> HashSet<u64> {
            let topic = topic(tail);
            others.iter().filter(|message| message.topic == topic).filter_map(value).collect()
        };
        let notified = published("notify", &|message| message.json["seqNum"].as_u64());
        let lost: Vec<_> = seen.notified.iter().filter(|number| !notified.contains(&u64::from(**number))).collect();
        assert!(lost.is_empty(), "ep{at}: acknowledged and lost {lost:?}");
        let sent = published("send", &|message| {
            message.json["data"]["content"][0]["value"].as_f64().map(|value| value as u64)
        });
        let lost: Vec<_> = seen.sent.iter().filter(|number| !sent.contains(&u64::from(**number))).collect();
        assert!(lost.is_empty(), "ep{at}: Sends acknowledged and lost {lost:?}");
        assert!(seen.notified.len() > 50 && seen.sent.len() > 5, "there was no load");
        assert_eq!(device.update(&[], "").code_text(), "2.04");
    }
    for device in &late {
        device.discard();
        assert_eq!(device.update(&[], "").code_text(), "2.04", "registered, and forgotten");
    }
    eprintln!("{requests} commands, {} notifications", seen.iter().map(|(_, seen)| seen.notified.len()).sum::<usize>());
}
