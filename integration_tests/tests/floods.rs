//! A flood from one peer does not slow the others (C-037, C-082, C-148, C-149). Ten thousand datagrams a second come from one socket while twenty
//! devices are read in turn: every command is answered, and so soon that requests are not repeated, which begins after two seconds.
use integration_tests::datagram::{Datagram, Kind, code, method, option, uint};
use integration_tests::{Application, Message, Wire, World};
use serde_json::json;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const DEVICES: usize = 20;
const ROUNDS: u64 = 10;

/// Sends what `datagram` makes of its number, ten in a millisecond, until told to stop; gives how many.
fn flood(socket: &UdpSocket, world: &World, stop: &AtomicBool, sent: &AtomicU64, datagram: impl Fn(u64) -> Vec<u8>) {
    let start = Instant::now();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(10);
        // After a pause of the machine the missed ones are not made up for at once.
        for _ in 0..due.saturating_sub(number).min(50) {
            let _ = socket.send_to(&datagram(number), world.gateway.udp());
            number += 1;
        }
        number = number.max(due.saturating_sub(50));
        sent.fetch_max(number, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reads each device in turn. A pause of the whole machine may make the gateway repeat a request; a flood must not.
fn read_all(application: &Application, devices: &[Wire]) {
    let mut repeated = 0;
    for round in 0..ROUNDS {
        for device in devices {
            let command = json!({"reqID": round, "msgType": "read", "data": {"path": "/3/0/0"}});
            application.command(device.endpoint(), &command);
            let request = device.expect_request();
            assert_eq!(request.code, method::GET);
            device.answer(&request, "2.05", &[], "still here");
            let topic = format!("lwm2m/{}/up/resp", device.endpoint());
            let fits = |message: &Message| message.topic == topic && message.json["reqID"] == round;
            let answer = application.expect("answer", fits);
            assert_eq!(answer.json["data"]["content"][0]["value"], "still here", "{}", answer.json);
            while device.receive_bytes(Duration::from_millis(1)).is_some() {
                repeated += 1;
            }
        }
    }
    assert!(repeated <= devices.len() / 4, "{repeated} requests were repeated");
}

/// The devices are read while a socket floods the gateway; gives the number of datagrams of the flood.
fn withstand(world: &World, flooder: &UdpSocket, datagram: impl Fn(u64) -> Vec<u8> + Sync) -> u64 {
    let broker = world.broker.as_ref().expect("a broker");
    // Only answers: a flood of notifications would fill this application's memory as well.
    let application = Application::without_subscription(broker.port(), 5);
    application.subscribe("lwm2m/+/up/resp");
    let devices: Vec<Wire> = (0..DEVICES).map(|at| world.device(&format!("ep{at}"))).collect();
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| flood(flooder, world, &stop, &sent, &datagram));
        let start = Instant::now();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while start.elapsed() < Duration::from_secs(2) {
                read_all(&application, &devices);
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    let sent = sent.into_inner();
    assert!(sent > 2000, "{sent} datagrams are no flood");
    sent
}

/// The sum of all lines of a metric family that contain this text.
fn metric(world: &World, family: &str, label: &str) -> u64 {
    let (status, text) = world.gateway.get("/metrics").expect("metrics");
    assert_eq!(status, 200);
    let name = format!("lwm2m_gateway_{family}");
    let lines = text.lines().filter(|line| line.starts_with(&name) && line.contains(label));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

fn quiet_world() -> World {
    World::with(&[("log.level", "\"warn\"")])
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    socket.set_nonblocking(true).expect("a socket that does not block");
    socket
}

/// Datagrams that came back, and their bytes.
fn answers(socket: &UdpSocket) -> (u64, usize) {
    let (mut count, mut bytes) = (0, 0);
    while let Ok(length) = socket.recv(&mut [0; 2000]) {
        (count, bytes) = (count + 1, bytes + length);
    }
    (count, bytes)
}

#[test]
fn c_037_garbage_of_a_stranger() {
    let world = quiet_world();
    let socket = socket();
    withstand(&world, &socket, |number| match number % 3 {
        0 => vec![0xFF; 200],
        1 => number.to_be_bytes().to_vec(),
        _ => vec![0x40, 1],
    });
    assert!(metric(&world, "datagrams_dropped_total", "cause=\"unknown_peer\"") > 1000, "the flood is counted");
}

/// C-121, C-149: seldom answered, and never with more than three times the bytes.
#[test]
fn c_149_requests_of_a_stranger() {
    let world = quiet_world();
    let socket = socket();
    let request = |number: u64| {
        Datagram::new(Kind::Con, method::GET, (number % 65_536) as u16, &[1]).path(&[".well-known", "core"]).encode()
    };
    let sent = withstand(&world, &socket, request);
    let (count, bytes) = answers(&socket);
    assert!(count > 0 && count < sent / 10, "{count} of {sent} are answered");
    assert!(bytes <= 3 * usize::try_from(count).unwrap() * request(0).len(), "{bytes} bytes in {count} answers");
    assert!(metric(&world, "datagrams_dropped_total", "cause=\"unknown_peer\"") > sent / 4, "the flood is counted");
}

#[test]
fn c_082_notifications_of_a_device() {
    let world = quiet_world();
    let device = world.device("flooder");
    let observed = world.observe(&device, 1, "/3/0/9", 0, "1");
    let socket = device.into_socket();
    socket.set_nonblocking(true).unwrap();
    let sent = withstand(&world, &socket, |number| {
        Datagram::new(Kind::Non, code("2.05"), (number % 65_536) as u16, &observed.token)
            .with(option::OBSERVE, uint(u32::try_from(number + 2).unwrap()))
            .body(number.to_string())
            .encode()
    });
    // What was not published was dropped where the flooder alone has its room, and counted.
    let taken = metric(&world, "notifications_total", "fate=\"accepted\"");
    let dropped = metric(&world, "datagrams_dropped_total", "cause=\"device_busy\"");
    assert!(taken > 100, "{taken} of {sent} taken, {dropped} dropped");
}

#[test]
fn c_148_requests_of_a_device() {
    let world = quiet_world();
    let device = world.device("flooder");
    let location = device.location().to_vec();
    let socket = device.into_socket();
    socket.set_nonblocking(true).unwrap();
    withstand(&world, &socket, |number| {
        Datagram::new(Kind::Con, method::POST, (number % 65_536) as u16, &number.to_be_bytes()).path(&location).encode()
    });
    assert!(answers(&socket).0 > 0);
}

/// C-030: requests to a device that never answers hold up only themselves.
#[test]
fn one_silent_device_does_not_slow_the_others() {
    let world = quiet_world();
    let silent = world.device("silent");
    for at in 0..10 {
        world.application.command("silent", &json!({"reqID": at, "msgType": "read", "data": {"path": "/3/0/0"}}));
    }
    silent.expect_request();
    let devices: Vec<Wire> = (0..DEVICES).map(|at| world.device(&format!("ep{at}"))).collect();
    read_all(&world.application, &devices);
}

/// C-036: on a wildcard socket the answer comes from where the question went to.
#[test]
fn answers_leave_from_the_address_that_was_spoken_to() {
    let port = integration_tests::broker::free_port();
    let world = World::with(&[("listeners.udp.bind", &format!("\"0.0.0.0:{port}\""))]);
    for address in [[127, 0, 0, 2], [127, 0, 0, 1], [127, 3, 2, 1]] {
        let endpoint = format!("ep{}", address[3]);
        // A wire takes nothing from another address than the one that it speaks to.
        let mut device = Wire::new((address, port).into());
        device.register(&[&format!("ep={endpoint}"), "lt=60", "lwm2m=1.0"], "</3/0>");
        world.application.message(&endpoint, "register");
        let command = json!({"reqID": 1, "msgType": "read", "data": {"path": "/3/0/0"}});
        let message = world.round_trip(&device, &command, "2.05", &[], "v");
        assert_eq!(message.data("code"), "2.05");
    }
}
