//! Block-wise transfer, both ways (contract chapter 11, RFC 7959; C-085 to C-109).
use integration_tests::datagram::{Datagram, Kind, block, method, option, uint};
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{QUIET, Wire, World};
use serde_json::{Value, json};

fn read(req: u32, path: &str) -> Value {
    json!({"reqID": req, "msgType": "read", "data": {"path": path}})
}

/// Text of exactly this length in which every place is different from its neighbours.
fn text(length: usize) -> String {
    (0..)
        .map(|number: u32| format!("{number:06};"))
        .flat_map(|word| word.chars().collect::<Vec<_>>())
        .take(length)
        .collect()
}

fn write(req: u32, value: &str) -> Value {
    json!({"reqID": req, "msgType": "write", "data": {"path": "/33000/0/0", "type": "String", "value": value}})
}

/// Takes a Block1 request series to its end with this block size; returns the body.
fn take(device: &Wire, mut request: Datagram, size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let (number, more, sent) = request.block(option::BLOCK1).expect("a Block1 option");
        assert_eq!(number as usize * sent, body.len(), "blocks follow each other: {request:?}");
        let taken = if number == 0 { size.min(sent) } else { sent };
        body.extend(&request.payload[..request.payload.len().min(if more { taken } else { sent })]);
        if !more {
            device.answer(&request, "2.04", &[(option::BLOCK1, &block(number, false, sent))], "");
            return body;
        }
        assert_eq!(request.payload.len(), sent, "a non-final block is full: {request:?}");
        device.answer(&request, "2.31", &[(option::BLOCK1, &block(number, true, taken))], "");
        request = device.expect_request();
    }
}

/// Serves a body in blocks of this size, beginning with the answer to `request`; `every` are options of every block.
fn serve(device: &Wire, request: Datagram, body: &[u8], size: usize, every: &[(u16, &[u8])]) {
    let mut request = request;
    loop {
        let number = request.block(option::BLOCK2).map_or(0, |(number, _, asked)| number as usize * asked / size);
        let begin = number * size;
        let end = body.len().min(begin + size);
        let option = block(u32::try_from(number).unwrap(), end < body.len(), size);
        let mut options: Vec<(u16, &[u8])> = vec![(option::BLOCK2, &option)];
        options.extend(every);
        device.answer(&request, "2.05", &options, &body[begin..end]);
        if end == body.len() {
            return;
        }
        let next = device.expect_request();
        assert_eq!((next.code, next.uri_path()), (method::GET, request.uri_path()), "{next:?}");
        assert!(next.payload.is_empty() && next.option(option::OBSERVE).is_none(), "{next:?}");
        request = next;
    }
}

#[test]
fn large_write_goes_in_blocks_and_is_reported_once() {
    let world = World::start();
    let device = world.device("ep1");
    for length in [1021, 1022, 3000, 20_000] {
        let value = text(length);
        let first = world.command(&device, &write(1, &value));
        let body = if first.option(option::BLOCK1).is_some() {
            assert_eq!(first.block(option::BLOCK1).map(|(number, _, size)| (number, size)), Some((0, 1024)));
            take(&device, first, 1024)
        } else {
            device.answer(&first, "2.04", &[], "");
            assert!(first.payload.len() <= 1024, "more than a block in one datagram");
            first.payload
        };
        assert!(body.ends_with(value.as_bytes()), "the body arrived whole ({length})");
        assert_message(
            &world.application.answer("ep1"),
            &json!({"reqID": 1, "msgType": "write", "data": plain("2.04", "/33000/0/0")}),
        );
    }
    world.application.expect_none(QUIET, "a second answer", |_| true);
}

#[test]
fn configured_block_size_is_used() {
    let world = World::with(&[("lwm2m.blockwise.max_block_size", "64")]);
    let device = world.device("ep1");
    let value = text(200);
    let first = world.command(&device, &write(1, &value));
    assert_eq!(first.block(option::BLOCK1), Some((0, true, 64)));
    assert!(take(&device, first, 64).ends_with(value.as_bytes()));
    assert_eq!(world.application.answer("ep1").data("code"), "2.04");
}

#[test]
fn smaller_size_wished_by_the_device_is_followed() {
    // C-097: the offset of the next block is what was taken at the new size
    let world = World::start();
    let device = world.device("ep1");
    let value = text(3000);
    let first = world.command(&device, &write(1, &value));
    device.answer(&first, "2.31", &[(option::BLOCK1, &block(0, true, 64))], "");
    let next = device.expect_request();
    let (number, _, size) = next.block(option::BLOCK1).unwrap();
    assert_eq!(size, 64, "{next:?}");
    let offset = number as usize * 64;
    assert!(offset == 64 || offset == 1024, "the series goes on where the device is: {next:?}");
}

#[test]
fn too_large_with_a_size_hint_restarts_smaller() {
    // C-098
    let world = World::start();
    let device = world.device("ep1");
    let value = text(3000);
    let first = world.command(&device, &write(1, &value));
    device.answer(&first, "4.13", &[(option::BLOCK1, &block(0, true, 256))], "");
    let again = device.expect_request();
    assert_eq!(again.block(option::BLOCK1), Some((0, true, 256)));
    assert!(take(&device, again, 256).ends_with(value.as_bytes()));
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 1, "msgType": "write", "data": plain("2.04", "/33000/0/0")}),
    );
}

#[test]
fn refused_blocks_are_reported() {
    let world = World::start();
    let device = world.device("ep1");
    let value = text(3000);
    for code in ["4.08", "4.13", "4.00", "5.00"] {
        let first = world.command(&device, &write(1, &value));
        device.answer(&first, "2.31", &[(option::BLOCK1, &block(0, true, 1024))], "");
        let second = device.expect_request();
        device.answer(&second, code, &[], "");
        assert_message(
            &world.application.answer("ep1"),
            &json!({"reqID": 1, "msgType": "write", "data": plain(code, "/33000/0/0")}),
        );
    }
    device.expect_quiet();
}

#[test]
fn second_large_command_waits_for_the_first() {
    let world = World::start();
    let device = world.device("ep1");
    let value = text(3000);
    world.application.command("ep1", &write(1, &value));
    world.application.command("ep1", &write(2, &value));
    for req in 1..=2 {
        let first = device.expect_request();
        assert!(take(&device, first, 1024).ends_with(value.as_bytes()));
        assert_eq!(world.application.answer("ep1").json["reqID"], req);
    }
}

#[test]
fn large_answers_are_fetched_block_by_block() {
    let world = World::start();
    let device = world.device("ep1");
    for (length, size) in [(2500, 1024), (300, 64), (1000, 16), (40_000, 1024)] {
        let value = text(length);
        let request = world.command(&device, &read(1, "/33000/0/0"));
        serve(&device, request, value.as_bytes(), size, &[]);
        assert_message(
            &world.application.answer("ep1"),
            &json!({"reqID": 1, "msgType": "read", "data": content("2.05", "/33000/0/0", &[("/33000/0/0", json!(value))])}),
        );
    }
    world.application.expect_none(QUIET, "a second answer", |_| true);
}

#[test]
fn lost_block_request_is_repeated() {
    let world = World::with(&[("coap.ack_timeout", "\"150ms\"")]);
    let device = world.device("ep1");
    let value = text(600);
    let request = world.command(&device, &read(1, "/33000/0/0"));
    device.answer(&request, "2.05", &[(option::BLOCK2, &block(0, true, 512))], &value[..512]);
    let lost = device.expect_request();
    let again = device.expect_request();
    assert_eq!(lost, again);
    device.answer(&again, "2.05", &[(option::BLOCK2, &block(1, false, 512))], &value[512..]);
    assert_eq!(world.application.answer("ep1").json["data"]["content"][0]["value"], value);
}

#[test]
fn discover_of_a_large_object_is_fetched_block_by_block() {
    let world = World::start();
    let device = world.device("ep1");
    let links: Vec<String> = (0..300).map(|at| format!("</33000/0/{at}>")).collect();
    let request = world.command(&device, &json!({"reqID": 1, "msgType": "discover", "data": {"path": "/33000"}}));
    serve(&device, request, links.join(",").as_bytes(), 512, &[(option::CONTENT_FORMAT, &[40])]);
    let message = world.application.answer("ep1");
    assert_eq!(message.data("content"), &json!(links));
}

#[test]
fn broken_series_are_reported_and_do_not_block() {
    let world = World::start();
    let device = world.device("ep1");
    let value = text(64);
    // what the device sends instead of block 1 of 16 bytes
    let wrong: Vec<(&str, Vec<u8>, &str)> = vec![
        ("C-099 wrong number", block(3, true, 16), &value[..16]),
        ("C-102 short block that is not the last", block(1, true, 16), &value[..10]),
    ];
    for (name, option, payload) in wrong {
        let request = world.command(&device, &read(1, "/33000/0/0"));
        device.answer(&request, "2.05", &[(option::BLOCK2, &block(0, true, 16))], &value[..16]);
        let next = device.expect_request();
        device.answer(&next, "2.05", &[(option::BLOCK2, &option)], payload);
        let message = world.application.answer("ep1");
        assert_message(&message, &json!({"reqID": 1, "msgType": "read", "data": plain("4.08", "/33000/0/0")}));
        assert!(message.data("content").is_null(), "{name}");
    }
    device.expect_quiet();
}

#[test]
fn c_100_changed_etag_never_gives_a_mixed_body() {
    let world = World::start();
    let device = world.device("ep1");
    let request = world.command(&device, &read(1, "/33000/0/0"));
    device.answer(&request, "2.05", &[(option::ETAG, &[1]), (option::BLOCK2, &block(0, true, 16))], "a".repeat(16));
    let next = device.expect_request();
    device.answer(&next, "2.05", &[(option::ETAG, &[2]), (option::BLOCK2, &block(1, false, 16))], "b".repeat(8));
    // aborted with 4.08, or begun again from block 0
    if let Some(again) = device.receive_within(QUIET) {
        assert_eq!(again.block(option::BLOCK2).map_or(0, |(number, ..)| number), 0, "{again:?}");
        device.answer(&again, "2.05", &[(option::ETAG, &[2])], "whole");
        assert_eq!(world.application.answer("ep1").json["data"]["content"][0]["value"], "whole");
    } else {
        assert_message(
            &world.application.answer("ep1"),
            &json!({"reqID": 1, "msgType": "read", "data": plain("4.08", "/33000/0/0")}),
        );
    }
}

#[test]
fn c_101_endless_answer_is_cut_at_the_limit() {
    let world = World::with(&[("lwm2m.blockwise.max_body_size", "\"4KB\"")]);
    let device = world.device("ep1");
    let mut request = world.command(&device, &read(1, "/33000/0/0"));
    let mut blocks = 0;
    loop {
        let number = request.block(option::BLOCK2).map_or(0, |(number, ..)| number);
        device.answer(&request, "2.05", &[(option::BLOCK2, &block(number, true, 1024))], "x".repeat(1024));
        blocks += 1;
        assert!(blocks < 10, "no end at the limit of 4 KB");
        match device.receive_within(QUIET) {
            Some(next) => request = next,
            None => break,
        }
    }
    let message = world.application.answer("ep1");
    assert_message(&message, &json!({"reqID": 1, "msgType": "read", "data": plain("4.13", "/33000/0/0")}));
    assert!(message.data("diagnostic").as_str().unwrap_or("").starts_with("body too large"), "{}", message.json);
}

#[test]
fn large_notification_is_completed_before_it_is_published() {
    // C-103
    let world = World::start();
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/33000/0/0", 0, "v");
    let value = text(1500);
    for (sequence, kind) in [(5, Kind::Con), (6, Kind::Non)] {
        let first = block(0, true, 1024);
        let mid = device.answer_separately(
            kind,
            &observe,
            "2.05",
            &[(option::OBSERVE, &uint(sequence)), (option::BLOCK2, &first)],
            &value[..1024],
        );
        let mut acknowledged = kind == Kind::Non;
        let mut fetched = false;
        while !(acknowledged && fetched) {
            let datagram = device.receive();
            if datagram.kind == Kind::Ack {
                assert_eq!(datagram, Datagram::empty(Kind::Ack, mid));
                acknowledged = true;
            } else {
                assert_eq!(
                    (datagram.code, datagram.uri_path().as_str(), datagram.block(option::BLOCK2)),
                    (method::GET, "/33000/0/0", Some((1, false, 1024)))
                );
                assert!(datagram.option(option::OBSERVE).is_none(), "{datagram:?}");
                assert_ne!(datagram.token, observe.token, "a token of its own");
                device.answer(&datagram, "2.05", &[(option::BLOCK2, &block(1, false, 1024))], &value[1024..]);
                fetched = true;
            }
        }
        assert_message(
            &world.application.message("ep1", "notify"),
            &json!({"reqID": 1, "msgType": "notify", "seqNum": sequence, "data": content("2.05", "/33000/0/0", &[("/33000/0/0", json!(value))])}),
        );
    }
    world.application.expect_none(QUIET, "a partial notification", |_| true);
}

fn links(count: usize) -> String {
    (0..count).map(|at| format!("</3303/{at}>")).collect::<Vec<_>>().join(",")
}

fn register_block(device: &Wire, ep: &str, body: &str, number: u32, size: usize, more: bool) -> Datagram {
    let begin = number as usize * size;
    let end = if more { begin + size } else { body.len() };
    device
        .request(method::POST)
        .path(&["rd"])
        .with(option::CONTENT_FORMAT, [40])
        .query(&[&format!("ep={ep}"), "lt=60", "lwm2m=1.0"])
        .with(option::BLOCK1, block(number, more, size))
        .body(&body[begin..end])
}

#[test]
fn c_087_register_in_blocks() {
    let world = World::start();
    for size in [16, 64, 1024] {
        let ep = format!("ep{size}");
        let body = links(120);
        let mut device = world.wire();
        let count = u32::try_from(body.len().div_ceil(size)).unwrap();
        for number in 0..count {
            let more = number + 1 < count;
            let request = register_block(&device, &ep, &body, number, size, more);
            let answer = device.exchange(&request);
            assert_eq!(answer.code_text(), if more { "2.31" } else { "2.01" }, "block {number} of {count}: {answer:?}");
            assert_eq!(answer.block(option::BLOCK1).map(|(number, ..)| number), Some(number), "{answer:?}");
            if !more {
                device.keep_location(&answer);
            }
        }
        let message = world.application.message(&ep, "register");
        assert_eq!(message.data("objectList").as_array().unwrap().len(), 120);
        assert_eq!(device.update(&[], "").code_text(), "2.04");
    }
    world.application.expect_none(QUIET, "a second register message", |_| true);
}

#[test]
fn c_087_update_in_blocks() {
    let world = World::start();
    let device = world.device("ep1");
    let body = links(20);
    let count = u32::try_from(body.len().div_ceil(64)).unwrap();
    for number in 0..count {
        let begin = number as usize * 64;
        let more = number + 1 < count;
        let end = if more { begin + 64 } else { body.len() };
        let request = device
            .request(method::POST)
            .path(device.location())
            .with(option::BLOCK1, block(number, more, 64))
            .body(&body[begin..end]);
        assert_eq!(device.exchange(&request).code_text(), if more { "2.31" } else { "2.04" });
    }
    assert_eq!(world.application.message("ep1", "update").data("objectList").as_array().unwrap().len(), 20);
}

#[test]
fn register_blocks_that_do_not_fit_are_refused() {
    let world = World::with(&[("lwm2m.blockwise.max_body_size", "\"2KB\"")]);
    let body = links(120);
    let block_of = |device: &Wire, number, more| register_block(device, "ep1", &body, number, 64, more);

    // C-088: a gap
    let device = world.wire();
    assert_eq!(device.exchange(&block_of(&device, 0, true)).code_text(), "2.31");
    assert_eq!(device.exchange(&block_of(&device, 2, true)).code_text(), "4.08");
    // C-088: in the middle
    let device = world.wire();
    assert_eq!(device.exchange(&block_of(&device, 3, true)).code_text(), "4.08");
    // C-090: a short block that is not the last
    let device = world.wire();
    let mut short = block_of(&device, 0, true);
    short.payload.pop();
    assert_eq!(device.exchange(&short).code_text(), "4.00");
    // C-085: SZX 7
    let device = world.wire();
    let mut reserved = block_of(&device, 0, true);
    reserved.options.iter_mut().find(|(number, _)| *number == option::BLOCK1).unwrap().1 = vec![0x0f];
    assert_eq!(device.exchange(&reserved).code_text(), "4.00");
    // C-091: announced as too large
    let device = world.wire();
    let huge = block_of(&device, 0, true).with(option::SIZE1, uint(100_000_000));
    assert_eq!(device.exchange(&huge).code_text(), "4.13");
    // C-091: too large in the end
    let device = world.wire();
    let long = "x".repeat(10_000);
    let mut last = String::new();
    for number in 0..100 {
        last = device.exchange(&register_block(&device, "ep1", &long, number, 64, true)).code_text();
        if last != "2.31" {
            break;
        }
    }
    assert_eq!(last, "4.13");
    world.application.expect_none(QUIET, "a register message of a partial body", |_| true);

    // C-089: after all that a clean start from block 0
    let short_body = links(10);
    let device = world.wire();
    let count = u32::try_from(short_body.len().div_ceil(64)).unwrap();
    for number in [0].into_iter().chain(0..count) {
        let more = number + 1 < count;
        let answer = device.exchange(&register_block(&device, "ep1", &short_body, number, 64, more));
        assert_eq!(answer.code_text(), if more { "2.31" } else { "2.01" });
    }
    world.application.message("ep1", "register");
}

#[test]
fn c_093_two_transfers_side_by_side() {
    let world = World::start();
    let body = links(20);
    let one = world.wire();
    let two = world.wire();
    let count = u32::try_from(body.len().div_ceil(64)).unwrap();
    for number in 0..count {
        for (device, ep) in [(&one, "ep1"), (&two, "ep2")] {
            let more = number + 1 < count;
            assert_eq!(
                device.exchange(&register_block(device, ep, &body, number, 64, more)).code_text(),
                if more { "2.31" } else { "2.01" }
            );
        }
    }
    for ep in ["ep1", "ep2"] {
        assert_eq!(world.application.message(ep, "register").data("objectList").as_array().unwrap().len(), 20);
    }
}

#[test]
fn c_095_abandoned_first_blocks_do_not_fill_the_memory() {
    let world = World::with(&[("log.level", "\"warn\"")]);
    let body = links(400);
    let mut before = 0;
    for round in 0..3 {
        let wires: Vec<Wire> = (0..300).map(|_| world.wire()).collect();
        for (at, device) in wires.iter().enumerate() {
            device.send(&register_block(device, &format!("abandoned-{round}-{at}"), &body, 0, 1024, true));
        }
        for device in &wires {
            device.receive_bytes(std::time::Duration::from_millis(200));
        }
        if round == 0 {
            before = world.gateway.resident();
        }
    }
    let after = world.gateway.resident();
    assert!(after < before + 20_000_000, "resident memory grew from {before} to {after}");
    world.assert_works("after");
}

/// C-095: all devices share one budget (`max_total_size`). The body that rested longest makes room and its next block gets 5.03; the one
/// that goes on is finished.
#[test]
fn the_unfinished_body_that_rested_longest_makes_room() {
    let world =
        World::with(&[("lwm2m.blockwise.max_body_size", "\"2KB\""), ("lwm2m.blockwise.max_total_size", "\"2KB\"")]);
    let links = (0..200).map(|at| format!("</3303/{at}>")).collect::<Vec<_>>().join(",")[..1995].to_owned() + ">";
    let part = |device: &Wire, ep: &str, number: u32| {
        let at = number as usize * 1024;
        let body = &links[at..links.len().min(at + 1024)];
        let request = device.register_request(&[format!("ep={ep}"), "lt=60".into(), "lwm2m=1.0".into()], body);
        device.exchange(&request.with(option::BLOCK1, block(number, number == 0, 1024))).code_text()
    };
    let (early, late) = (world.wire(), world.wire());
    assert_eq!(part(&early, "early", 0), "2.31");
    assert_eq!(part(&late, "late", 0), "2.31");
    assert_eq!(part(&late, "late", 1), "2.01");
    assert_eq!(part(&early, "early", 1), "5.03");
    world.application.message("late", "register");
    // Once more from the beginning, and there is room.
    assert_eq!(part(&early, "early", 0), "2.31");
    assert_eq!(part(&early, "early", 1), "2.01");
    world.application.message("early", "register");
}

/// Each block is a line of the log, each tenth an event where events are wanted.
#[test]
fn progress_is_told_in_the_log_and_every_tenth_as_an_event() {
    let world = World::with(&[("lwm2m.lifecycle_events", "true"), ("lwm2m.blockwise.max_block_size", "64")]);
    let device = world.device("ep1");
    let value = text(64 * 40);
    let request = world.command(&device, &write(7, &value));
    take(&device, request, 64);
    assert_message(
        &world.application.answer("ep1"),
        &json!({"reqID": 7, "msgType": "write", "data": plain("2.04", "/33000/0/0")}),
    );
    let events: Vec<Value> = world
        .application
        .drain()
        .into_iter()
        .map(|message| message.json)
        .filter(|json| json["event"] == "progress")
        .collect();
    let tenths: Vec<u64> = events
        .iter()
        .map(|event| {
            assert_eq!((&event["data"]["ep"], &event["data"]["reqID"]), (&json!("ep1"), &json!(7)), "{event}");
            let (done, total) = (&event["data"]["done"], &event["data"]["total"]);
            done.as_u64().expect("bytes") * 10 / total.as_u64().expect("bytes")
        })
        .collect();
    assert_eq!(tenths, [1, 2, 3, 4, 5, 6, 7, 8, 9], "{events:?}");
    world.gateway.await_log(&["event=command_answered"]);
    let log = world.gateway.log();
    assert_eq!(log.lines().filter(|line| line.contains("event=progress") && line.contains("endpoint=ep1")).count(), 40);
}
