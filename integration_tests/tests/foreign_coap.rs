//! The gateway against CoAP implementations of other people: aiocoap (Python) as a whole device, libcoap's client for the registration
//! interface and its server for a device's resources. An error that both sides of this project's own code share would show here.
use integration_tests::datagram::hex;
use integration_tests::expectation::{assert_message, content, plain};
use integration_tests::{World, executable, foreign, interop};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The device in Python; ended when dropped.
struct Foreign {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Foreign {
    fn start(world: &World, endpoint: &str) -> Foreign {
        let mut child = Command::new(executable::python_with_aiocoap())
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/aiocoap_device.py"))
            .args(["127.0.0.1", &world.gateway.udp().port().to_string(), endpoint])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python can be started");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut foreign = Foreign { child, input, lines };
        foreign.expect("ready");
        foreign
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the device listens");
    }

    /// The next line that begins with this word.
    fn expect(&mut self, word: &str) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(30))
                .unwrap_or_else(|error| panic!("no {word:?} of the foreign device: {error}"));
            if line.split(' ').next() == Some(word) {
                return line;
            }
        }
    }

    fn register(&mut self, world: &World, endpoint: &str) {
        self.say("register");
        let line = self.expect("registered");
        assert!(line.starts_with("registered /rd/") && line.ends_with(" 2.01"), "{line}");
        world.application.message(endpoint, "register");
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(world: &World, endpoint: &str, command: &Value) -> integration_tests::Message {
    world.application.command(endpoint, command);
    let topic = format!("lwm2m/{endpoint}/up/resp");
    let limit = Duration::from_secs(30);
    let message = world.application.take(limit, |message| {
        message.topic == topic && message.json["reqID"] == command["reqID"] && message.kind() != "ack"
    });
    message.unwrap_or_else(|| panic!("no answer to {command}:\n{}", world.application.dump()))
}

#[test]
fn aiocoap_registers_updates_and_deregisters() {
    let _row = interop::scenario(foreign::aiocoap_version(), "register, update, deregister (1.0)");
    let world = World::start();
    let mut device = Foreign::start(&world, "py");
    device.say("register");
    let line = device.expect("registered");
    assert!(line.starts_with("registered /rd/") && line.ends_with(" 2.01"), "{line}");
    assert_message(
        &world.application.message("py", "register"),
        &json!({"msgType": "register", "data": {"ep": "py", "lt": 300, "lwm2m": "1.0", "alternatePath": "/", "objectList": ["/3/0", "/5/0"]}}),
    );
    device.say("update lt=600");
    assert_eq!(device.expect("updated"), "updated 2.04");
    device.say("deregister");
    assert_eq!(device.expect("deregistered"), "deregistered 2.02");
    device.say("update");
    assert_eq!(device.expect("updated"), "updated 4.04");
}

#[test]
fn aiocoap_is_read_written_and_executed() {
    let _row = interop::scenario(foreign::aiocoap_version(), "read, write, execute, delete");
    let world = World::start();
    let mut device = Foreign::start(&world, "py");
    device.register(&world, "py");
    let message = answer(&world, "py", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}}));
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": content("2.05", "/3/0/0", &[("/3/0/0", json!("aiocoap"))])}),
    );
    let message = answer(
        &world,
        "py",
        &json!({"reqID": 2, "msgType": "write", "data": {"path": "/3/0/13", "type": "Integer", "value": 12345}}),
    );
    assert_message(&message, &json!({"reqID": 2, "msgType": "write", "data": plain("2.04", "/3/0/13")}));
    let line = device.expect("written");
    assert!(line.starts_with("written time ") && line.ends_with(" 4 c20d3039"), "{line}");
    let message =
        answer(&world, "py", &json!({"reqID": 3, "msgType": "execute", "data": {"path": "/3/0/4", "args": "0='1'"}}));
    assert_message(&message, &json!({"reqID": 3, "msgType": "execute", "data": plain("2.04", "/3/0/4")}));
    assert_eq!(device.expect("executed"), "executed 0='1'");
    let message = answer(&world, "py", &json!({"reqID": 4, "msgType": "read", "data": {"path": "/3/0/77"}}));
    assert_message(&message, &json!({"reqID": 4, "msgType": "read", "data": plain("4.04", "/3/0/77")}));
    let message = answer(&world, "py", &json!({"reqID": 5, "msgType": "delete", "data": {"path": "/3/0/0"}}));
    assert_message(&message, &json!({"reqID": 5, "msgType": "delete", "data": plain("4.05", "/3/0/0")}));
}

#[test]
fn aiocoap_answers_separately() {
    let _row = interop::scenario(foreign::aiocoap_version(), "separate response");
    let world = World::start();
    let mut device = Foreign::start(&world, "py");
    device.register(&world, "py");
    let message = answer(&world, "py", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/1"}}));
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "read", "data": content("2.05", "/3/0/1", &[("/3/0/1", json!("slow"))])}),
    );
    assert_eq!(world.application.message("py", "ack").json, json!({"reqID": 1, "msgType": "ack"}));
}

#[test]
fn aiocoap_is_observed() {
    let _row = interop::scenario(foreign::aiocoap_version(), "observe, notify, cancel");
    let world = World::start();
    let mut device = Foreign::start(&world, "py");
    device.register(&world, "py");
    let message = answer(&world, "py", &json!({"reqID": 1, "msgType": "observe", "data": {"path": "/3/0/9"}}));
    assert_message(
        &message,
        &json!({"reqID": 1, "msgType": "observe", "data": content("2.05", "/3/0/9", &[("/3/0/9", json!(100))])}),
    );
    assert_eq!(device.expect("observers"), "observers 1");
    let mut last = 0;
    for value in [99, 98, 97] {
        device.say(&format!("set {value}"));
        device.expect("set");
        let message = world.application.message("py", "notify");
        let sequence = message.json["seqNum"].as_u64().expect("a sequence number");
        assert!(sequence > last, "{sequence} after {last}");
        last = sequence;
        assert_message(
            &message,
            &json!({"reqID": 1, "msgType": "notify", "seqNum": sequence, "data": content("2.05", "/3/0/9", &[("/3/0/9", json!(value))])}),
        );
    }
    let message = answer(&world, "py", &json!({"reqID": 2, "msgType": "cancel-observe", "data": {"path": "/3/0/9"}}));
    assert_message(
        &message,
        &json!({"reqID": 2, "msgType": "cancel-observe", "data": content("2.05", "/3/0/9", &[("/3/0/9", json!(97))])}),
    );
    assert_eq!(device.expect("observers"), "observers 0");
    device.say("set 1");
    device.expect("set");
    world.application.expect_none(integration_tests::QUIET, "notify", |message| message.kind() == "notify");
}

#[test]
fn aiocoap_moves_100_kb_both_ways_in_blocks() {
    let _row = interop::scenario(foreign::aiocoap_version(), "100 kB read and written in blocks");
    let world = World::start();
    let mut device = Foreign::start(&world, "py");
    device.register(&world, "py");
    let message = answer(&world, "py", &json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/2"}}));
    let value =
        message.json["data"]["content"][0]["value"].as_str().unwrap_or_else(|| panic!("{}", message.json)).to_owned();
    let expected: String = (0..10_000).map(|number| format!("{number:09};")).collect();
    assert!(value == expected, "{} characters came", value.len());

    let package: Vec<u8> = (0..100_000u32).map(|at| (at * 31 % 251) as u8).collect();
    let digits = hex(&package);
    let command = json!({"reqID": 2, "encoding": "hex", "msgType": "write", "data": {"path": "/5/0/0", "type": "Opaque", "value": digits}});
    let message = answer(&world, "py", &command);
    assert_message(
        &message,
        &json!({"reqID": 2, "encoding": "hex", "msgType": "write", "data": plain("2.04", "/5/0/0")}),
    );
    let line = device.expect("written");
    // TLV header of 5 bytes: type, id, length of 24 bits
    assert!(line.ends_with(&format!(" 100005 {}", hex(&package[package.len() - 16..]))), "{line}");
}

#[test]
fn aiocoap_registers_with_an_object_list_in_blocks() {
    let _row = interop::scenario(foreign::aiocoap_version(), "register with an object list in blocks");
    let world = World::start();
    let mut device = Foreign::start(&world, "py");
    device.say("register-large 400");
    let line = device.expect("registered");
    assert!(line.ends_with(" 2.01"), "{line}");
    assert_eq!(world.application.message("py", "register").data("objectList").as_array().unwrap().len(), 400);
    device.say("update");
    assert_eq!(device.expect("updated"), "updated 2.04");
}

/// Runs libcoap's client; returns what it logs about the answer.
fn libcoap(arguments: &[&str]) -> String {
    let client = executable::tool("coap-client-notls", "libcoap3-bin");
    let output =
        Command::new(client).args(["-v", "7", "-B", "5"]).args(arguments).output().expect("coap-client can be run");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Location-Path in what libcoap logged.
fn location(log: &str) -> Vec<String> {
    let line = log.lines().find(|line| line.contains("2.01")).unwrap_or_else(|| panic!("no 2.01 in\n{log}"));
    line.split("Location-Path:")
        .skip(1)
        .map(|rest| rest.split([',', ' ', ']']).next().unwrap_or("").to_owned())
        .collect()
}

#[test]
fn libcoap_registers_updates_and_deregisters() {
    let _row = interop::scenario(foreign::libcoap_version(), "client: register, update from a new address, deregister");
    let world = World::start();
    let base = format!("coap://127.0.0.1:{}", world.gateway.udp().port());
    let log = libcoap(&[
        "-m",
        "post",
        "-t",
        "40",
        "-e",
        "</1/0>,</3/0>",
        &format!("{base}/rd?ep=libcoap&lt=300&lwm2m=1.0&b=U"),
    ]);
    let location = location(&log);
    assert_eq!(location.first().map(String::as_str), Some("rd"), "{log}");
    assert_message(
        &world.application.message("libcoap", "register"),
        &json!({"msgType":"register","data":{"ep":"libcoap","lt":300,"lwm2m":"1.0","b":"U","alternatePath":"/","objectList":["/1/0","/3/0"]}}),
    );
    // Each run of the client speaks from a new port: with the right location the session moves.
    let place = format!("{base}/{}", location.join("/"));
    let log = libcoap(&["-m", "post", "-t", "40", "-e", "</6/0>", &format!("{place}?lt=600")]);
    assert!(log.contains("2.04"), "{log}");
    let message = world.application.message("libcoap", "update");
    assert_eq!((message.data("lt"), message.data("objectList")), (&json!(600), &json!(["/6/0"])));
    let log = libcoap(&["-m", "delete", &place]);
    assert!(log.contains("2.02"), "{log}");
    let log = libcoap(&["-m", "delete", &place]);
    assert!(log.contains("4.04"), "{log}");
}

#[test]
fn libcoap_registers_in_blocks() {
    let _row = interop::scenario(foreign::libcoap_version(), "client: register in blocks of 64 and 1024 bytes");
    let world = World::start();
    let base = format!("coap://127.0.0.1:{}", world.gateway.udp().port());
    let links: Vec<String> = (0..200).map(|at| format!("</3303/{at}>")).collect();
    for size in ["64", "1024"] {
        let endpoint = format!("blocks{size}");
        let log = libcoap(&[
            "-m",
            "post",
            "-b",
            size,
            "-t",
            "40",
            "-e",
            &links.join(","),
            &format!("{base}/rd?ep={endpoint}&lt=300&lwm2m=1.0"),
        ]);
        assert!(log.contains("2.01"), "{log}");
        assert_eq!(world.application.message(&endpoint, "register").data("objectList").as_array().unwrap().len(), 200);
    }
}

#[test]
fn libcoap_gets_the_contracts_errors() {
    let _row = interop::scenario(foreign::libcoap_version(), "client: errors");
    let world = World::start();
    let base = format!("coap://127.0.0.1:{}", world.gateway.udp().port());
    for (arguments, code) in [
        (vec!["-m", "get", "/rd"], "4.05"),
        (vec!["-m", "put", "-e", "x", "/rd"], "4.05"),
        (vec!["-m", "get", "/nope"], "4.04"),
        (vec!["-m", "post", "-e", "</3/0>", "/rd?lt=60&lwm2m=1.0"], "4.00"),
        (vec!["-m", "post", "-e", "</3/0>", "/rd?ep=x&lt=60&lwm2m=7.0"], "4.12"),
        (vec!["-m", "post", "-O", "65001,x", "-e", "</3/0>", "/rd?ep=x&lt=60&lwm2m=1.0"], "4.02"),
    ] {
        let (path, options) = arguments.split_last().unwrap();
        let uri = format!("{base}{path}");
        let mut all = options.to_vec();
        all.push(&uri);
        let log = libcoap(&all);
        assert!(log.contains(code), "{arguments:?} must give {code}:\n{log}");
    }
}

/// libcoap's server in the role of a device: it makes every resource that is written to it, in whatever format, and lets it be observed. Since
/// it cannot register, a socket on the same port did so before. Ended when dropped.
struct LibcoapServer {
    child: Child,
    base: String,
}

impl LibcoapServer {
    fn start(world: &World, endpoint: &str) -> LibcoapServer {
        let port = world.device(endpoint).address().port();
        let child = Command::new(executable::tool("coap-server-notls", "libcoap3-bin"))
            .args(["-A", "127.0.0.1", "-p", &port.to_string(), "-d", "10", "-v", "3"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("coap-server can be started");
        let server = LibcoapServer { child, base: format!("coap://127.0.0.1:{port}") };
        let ready = integration_tests::eventually(Duration::from_secs(20), || {
            libcoap(&["-m", "get", &format!("{}/", server.base)]).contains("2.05")
        });
        assert!(ready, "coap-server does not answer");
        server
    }

    fn put(&self, path: &str, text: &str) {
        let log = libcoap(&["-m", "put", "-t", "0", "-e", text, &format!("{}{path}", self.base)]);
        assert!(log.contains("2.04") || log.contains("2.01"), "{log}");
    }
}

impl Drop for LibcoapServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn libcoap_takes_and_gives_100_kb_in_blocks() {
    let _row = interop::scenario(foreign::libcoap_version(), "server: 100 kB written and read in blocks");
    let world = World::start();
    let _server = LibcoapServer::start(&world, "lc");
    let package: String = (0..100_000u32).map(|at| format!("{:02x}", at * 31 % 251)).collect();
    // The second time the resource is there already, and other blocks must not be mixed with the first ones.
    for (req, digits, code) in [(1, &package, "2.01"), (2, &package[2..].to_owned(), "2.04")] {
        let write = json!({"reqID": req, "encoding": "hex", "msgType": "write", "data": {"path": "/5/0/0", "type": "Opaque", "value": digits}});
        let message = answer(&world, "lc", &write);
        assert_eq!(message.data("code"), code, "{}", message.json);
        let read = json!({"reqID": req + 10, "msgType": "read", "data": {"path": "/5/0/0"}});
        let message = answer(&world, "lc", &read);
        assert_eq!(message.data("code"), "2.05", "{:.200}", message.json.to_string());
        let value = message.json["data"]["content"][0]["value"].as_str().expect("base64");
        let bytes = integration_tests::unhex(digits);
        assert!(value == base64(&bytes), "{} characters came", value.len());
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = (bits >> (18 - 6 * at) & 63) as usize;
            text.push(if at <= group.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

#[test]
fn libcoap_is_observed() {
    let _row = interop::scenario(foreign::libcoap_version(), "server: observe, notify");
    let world = World::start();
    let server = LibcoapServer::start(&world, "lc");
    server.put("/3/0/9", "100");
    let message = answer(&world, "lc", &json!({"reqID": 1, "msgType": "observe", "data": {"path": "/3/0/9"}}));
    let content_of = |value: i32| content("2.05", "/3/0/9", &[("/3/0/9", json!(value))]);
    assert_eq!((message.kind(), message.data("content")), ("observe", &content_of(100)["content"]));
    for value in [99, 98, 97] {
        server.put("/3/0/9", &value.to_string());
        let message = world.application.message("lc", "notify");
        assert_eq!((&message.json["reqID"], message.data("content")), (&json!(1), &content_of(value)["content"]));
    }
    let message = answer(&world, "lc", &json!({"reqID": 2, "msgType": "cancel-observe", "data": {"path": "/3/0/9"}}));
    assert_message(&message, &json!({"reqID": 2, "msgType": "cancel-observe", "data": content_of(97)}));
    server.put("/3/0/9", "1");
    world.application.expect_none(integration_tests::QUIET, "notify", |message| message.kind() == "notify");
    let message = answer(&world, "lc", &json!({"reqID": 3, "msgType": "read", "data": {"path": "/3/0/9"}}));
    assert_message(
        &message,
        &json!({"reqID": 3, "msgType": "read", "data": content("2.05", "/3/0/9", &[("/3/0/9", json!(1))])}),
    );
}
