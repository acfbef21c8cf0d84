//! A device against a gateway played by the test.

use super::*;
use crate::format::Format;
use crate::message::{Code, Kind, Message, option};
use crate::objects::Resource;
use crate::value::DataType;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(5);

struct Gateway {
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    message_id: u16,
}

impl Gateway {
    async fn new() -> Gateway {
        Gateway { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), peer: None, message_id: 1000 }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    async fn receive(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.receive_forever()).await.expect("nothing from the device")
    }

    async fn receive_forever(&mut self) -> Message {
        let mut buffer = [0; 2048];
        let (length, peer) = self.socket.recv_from(&mut buffer).await.unwrap();
        self.peer = Some(peer);
        Message::decode(&buffer[..length]).unwrap()
    }

    async fn silence(&mut self) {
        assert!(tokio::time::timeout(SHORT, self.receive_forever()).await.is_err());
    }

    async fn send(&self, message: &Message) {
        self.socket.send_to(&message.encode(), self.peer.unwrap()).await.unwrap();
    }

    async fn reply(&self, request: &Message, code: Code) {
        self.send(&Message::new(Kind::Acknowledgement, code, request.message_id).with_token(&request.token)).await;
    }

    fn request(&mut self, method: Code, path: &str) -> Message {
        self.message_id += 1;
        Message::new(Kind::Confirmable, method, self.message_id).with_token(&[7, 7]).with_path(path)
    }

    async fn ask(&mut self, message: &Message) -> Message {
        self.send(message).await;
        self.receive().await
    }

    /// Answers one registration.
    async fn accept(&mut self) -> Message {
        let register = self.receive().await;
        let answer = Message::new(Kind::Acknowledgement, Code::CREATED, register.message_id)
            .with_token(&register.token)
            .with_option(option::LOCATION_PATH, "rd")
            .with_option(option::LOCATION_PATH, "5a");
        self.send(&answer).await;
        register
    }

    async fn registered(&mut self, builder: DeviceBuilder) -> Device {
        let address = self.address();
        let (device, _) = tokio::join!(builder.register(address), self.accept());
        device.unwrap()
    }
}

fn thermometer() -> DeviceBuilder {
    Device::builder("t")
        .retransmission(Duration::from_millis(80), 2)
        .manual_updates()
        .value([3, 0, 0], "Acme")
        .executable([3, 0, 4])
        .resource([3, 0, 6], Resource::multiple(DataType::Integer, [(0, 1i64), (1, 5)]))
        .resource([3, 0, 14], Resource::value("+01").writable())
        .value([3303, 0, 5700], 20.5)
}

#[tokio::test]
async fn registers_updates_and_deregisters() {
    let mut gateway = Gateway::new().await;
    let address = gateway.address();
    let builder = thermometer().version("1.0").queue_mode().alternate_path("lw").query("imei=12").lifetime(77);
    let (device, register) = tokio::join!(builder.register(address), gateway.accept());
    let device = device.unwrap();
    assert_eq!(register.path(), "/rd");
    assert_eq!(register.texts(option::URI_QUERY), ["ep=t", "lt=77", "lwm2m=1.0", "b=UQ", "imei=12"]);
    assert_eq!(register.payload, br#"</lw>;rt="oma.lwm2m",</lw/3/0>,</lw/3303/0>"#);
    assert_eq!(device.location().as_deref(), Some("/rd/5a"));

    let (updated, ()) = tokio::join!(device.update(Update::default().lifetime(60)), async {
        let update = gateway.receive().await;
        assert_eq!((update.code, update.path()), (Code::POST, "/rd/5a".to_owned()));
        assert_eq!(update.texts(option::URI_QUERY), ["lt=60"]);
        gateway.reply(&update, Code::CHANGED).await;
    });
    updated.unwrap();

    let (ended, ()) = tokio::join!(device.deregister(), async {
        let delete = gateway.receive().await;
        assert_eq!((delete.code, delete.path()), (Code::DELETE, "/rd/5a".to_owned()));
        gateway.reply(&delete, Code::DELETED).await;
    });
    ended.unwrap();
    assert_eq!(device.location(), None);
    assert_eq!(device.counters().retransmissions, 0);
}

#[tokio::test]
async fn repeats_an_unanswered_registration_and_gives_up() {
    let mut gateway = Gateway::new().await;
    let address = gateway.address();
    let device = thermometer().start(address).await.unwrap();
    let (result, copies) = tokio::join!(device.register(), async {
        [gateway.receive().await, gateway.receive().await, gateway.receive().await]
    });
    assert!(matches!(result, Err(DeviceError::Exchange(ExchangeError::Timeout))));
    assert_eq!(copies[0], copies[2]);
    assert_eq!(device.counters().retransmissions, 2);
}

#[tokio::test]
async fn reads_writes_and_executes() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer()).await;
    let text = |code: Code, payload: &[u8]| (code, payload.to_vec());
    for (method, path, format, payload, expected) in [
        (Code::GET, "/3/0/0", None, "", text(Code::CONTENT, b"Acme")),
        (Code::GET, "/3/0/6", None, "", text(Code::CONTENT, &[0x86, 6, 0x41, 0, 1, 0x41, 1, 5])),
        (Code::GET, "/3/0/4", None, "", text(Code::METHOD_NOT_ALLOWED, b"")),
        (Code::GET, "/9/0", None, "", text(Code::NOT_FOUND, b"")),
        (Code::PUT, "/3/0/14", Some(0), "+02", text(Code::CHANGED, b"")),
        (Code::GET, "/3/0/14", None, "", text(Code::CONTENT, b"+02")),
        (Code::PUT, "/3/0/0", Some(0), "Mine", text(Code::METHOD_NOT_ALLOWED, b"")),
        (Code::PUT, "/3/0/14", Some(50), "{}", text(Code::UNSUPPORTED_CONTENT_FORMAT, b"")),
        (Code::POST, "/3/0", Some(11542), "\u{c3}", text(Code::BAD_REQUEST, b"")),
        (Code::POST, "/3/0/4", None, "0='1'", text(Code::CHANGED, b"")),
        (Code::POST, "/3", Some(11542), "", text(Code::METHOD_NOT_ALLOWED, b"")),
        (Code::DELETE, "/3/0", None, "", text(Code::METHOD_NOT_ALLOWED, b"")),
    ] {
        let mut request = gateway.request(method, path).with_payload(payload);
        if let Some(number) = format {
            request = request.with_uint(option::CONTENT_FORMAT, number);
        }
        let answer = gateway.ask(&request).await;
        assert_eq!((answer.code, answer.payload), expected, "{method} {path}");
        assert_eq!((answer.kind, answer.message_id), (Kind::Acknowledgement, request.message_id));
    }
    let executed = device.log().collect(|event| match event {
        Event::Executed { path, arguments } => Some((path.to_string(), arguments.clone())),
        _ => None,
    });
    assert_eq!(executed, [("/3/0/4".to_owned(), "0='1'".to_owned())]);
}

#[tokio::test]
async fn accept_decides_the_format_or_is_refused() {
    let mut gateway = Gateway::new().await;
    let _device = gateway.registered(thermometer().formats(&[Format::Tlv, Format::SenmlJson])).await;
    let wish = |gateway: &mut Gateway, number| gateway.request(Code::GET, "/3303/0").with_uint(option::ACCEPT, number);
    let request = wish(&mut gateway, 110);
    let answer = gateway.ask(&request).await;
    assert_eq!(answer.uint(option::CONTENT_FORMAT), Some(110));
    assert_eq!(answer.payload, br#"[{"n":"/3303/0/5700","v":20.5}]"#);
    let request = wish(&mut gateway, 112);
    assert_eq!(gateway.ask(&request).await.code, Code::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn notifies_changes_and_stops_on_reset() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer()).await;
    let observe = gateway.request(Code::GET, "/3303/0/5700").with_uint(option::OBSERVE, 0);
    let first = gateway.ask(&observe).await;
    assert_eq!(first.uint(option::OBSERVE), Some(0));
    device.set([3303, 0, 5700], 21.0);
    let notification = gateway.receive().await;
    assert_eq!((notification.kind, notification.code), (Kind::NonConfirmable, Code::CONTENT));
    assert_eq!((notification.token.as_slice(), notification.payload.as_slice()), (&[7u8, 7][..], &b"21"[..]));
    assert_eq!(notification.uint(option::OBSERVE), Some(1));
    device.set([3303, 0, 5700], 21.0);
    gateway.silence().await;
    gateway.send(&Message::reset(notification.message_id)).await;
    let ended = |event: &Event| matches!(event, Event::ObserveEnded { cause: EndCause::Reset, .. }).then_some(());
    device.log().wait(PATIENCE, ended).await.unwrap();
    device.set([3303, 0, 5700], 22.0);
    gateway.silence().await;
}

#[tokio::test]
async fn repeats_a_confirmable_notification_until_acknowledged() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer().confirmable_notifications()).await;
    let observe = gateway.request(Code::GET, "/3303/0").with_uint(option::OBSERVE, 0);
    gateway.ask(&observe).await;
    device.set([3303, 0, 5700], 21.0);
    let first = gateway.receive().await;
    assert_eq!(first.kind, Kind::Confirmable);
    assert_eq!(gateway.receive().await, first);
    gateway.send(&Message::empty_ack(first.message_id)).await;
    let acknowledged = |event: &Event| matches!(event, Event::NotificationAcknowledged { .. }).then_some(());
    device.log().wait(PATIENCE, acknowledged).await.unwrap();
    gateway.silence().await;
    assert_eq!(device.counters().retransmissions, 1);
}

#[tokio::test]
async fn attributes_hold_back_and_force_notifications() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer()).await;
    let attributes = gateway.request(Code::PUT, "/3303/0/5700").with_query("st=2").with_query("pmax=1");
    assert_eq!(gateway.ask(&attributes).await.code, Code::CHANGED);
    let discover = gateway.request(Code::GET, "/3303/0/5700").with_uint(option::ACCEPT, 40);
    assert_eq!(gateway.ask(&discover).await.payload, b"</3303/0/5700>;pmax=1;st=2");
    let observe = gateway.request(Code::GET, "/3303/0/5700").with_uint(option::OBSERVE, 0);
    gateway.ask(&observe).await;
    device.set([3303, 0, 5700], 21.0);
    gateway.silence().await;
    device.set([3303, 0, 5700], 23.0);
    assert_eq!(gateway.receive().await.payload, b"23");
    let before = Instant::now();
    assert_eq!(gateway.receive().await.payload, b"23");
    assert!(before.elapsed() > Duration::from_millis(500));
}

#[tokio::test]
async fn edge_tells_one_change_of_a_boolean() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer().value([3342, 0, 5500], false)).await;
    let mut attributes = gateway.request(Code::PUT, "/3342/0/5500");
    attributes = attributes.with_query("edge=1");
    assert_eq!(gateway.ask(&attributes).await.code, Code::CHANGED);
    let observe = gateway.request(Code::GET, "/3342/0/5500").with_uint(option::OBSERVE, 0);
    assert_eq!(gateway.ask(&observe).await.code, Code::CONTENT);
    for _ in 0..2 {
        device.set([3342, 0, 5500], true);
        assert_eq!(gateway.receive().await.payload, b"1");
        device.set([3342, 0, 5500], false);
        gateway.silence().await;
    }
}

#[tokio::test]
async fn living_values_are_told_to_observers() {
    let mut gateway = Gateway::new().await;
    let builder =
        thermometer()
            .evaluation_period(Duration::from_millis(20))
            .living([3303, 0, 5700], DataType::Float, |t| Value::Float(t.as_secs_f64()));
    let _device = gateway.registered(builder).await;
    let observe = gateway.request(Code::GET, "/3303/0/5700").with_uint(option::OBSERVE, 0);
    gateway.ask(&observe).await;
    let (first, second) = (gateway.receive().await, gateway.receive().await);
    assert_eq!((first.uint(option::OBSERVE), second.uint(option::OBSERVE)), (Some(1), Some(2)));
    assert_ne!(first.payload, second.payload);
}

#[tokio::test]
async fn scripted_faults_happen_as_often_as_told() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer()).await;
    let get = |gateway: &mut Gateway| gateway.request(Code::GET, "/3/0/0");

    device.script(Rule::path("/3/0/0").once().separate(SHORT));
    let request = get(&mut gateway);
    let ack = gateway.ask(&request).await;
    assert_eq!((ack.kind, ack.code), (Kind::Acknowledgement, Code::EMPTY));
    let separate = gateway.receive().await;
    assert_eq!((separate.kind, separate.payload.as_slice()), (Kind::Confirmable, &b"Acme"[..]));
    gateway.send(&Message::empty_ack(separate.message_id)).await;
    gateway.silence().await;

    device.script(Rule::any().method(Code::GET).once().silent());
    let request = get(&mut gateway);
    gateway.send(&request).await;
    gateway.silence().await;

    device.script(Rule::path("/3/0/0").once().resets());
    let request = get(&mut gateway);
    assert_eq!(gateway.ask(&request).await.kind, Kind::Reset);

    device.script(Rule::path("/3/0/0").once().copies(2).answers(Answer::numbered(60, [0xf6])));
    let request = get(&mut gateway);
    assert_eq!(gateway.ask(&request).await.uint(option::CONTENT_FORMAT), Some(60));
    assert_eq!(gateway.receive().await.message_id, request.message_id);

    let request = get(&mut gateway);
    assert_eq!(gateway.ask(&request).await.payload, b"Acme");
    gateway.silence().await;
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_without_effect() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer()).await;
    let execute = gateway.request(Code::POST, "/3/0/4");
    let first = gateway.ask(&execute).await;
    assert_eq!(gateway.ask(&execute).await, first);
    assert_eq!(device.requests().len(), 1);
    assert_eq!(device.counters().duplicates, 1);
}

#[tokio::test]
async fn bodies_travel_in_blocks_both_ways() {
    let mut gateway = Gateway::new().await;
    let builder = thermometer().block_size(64).resource([5, 0, 0], Resource::value(vec![1u8]).writable());
    let device = gateway.registered(builder).await;
    let body: Vec<u8> = (0..150).collect();
    for (number, chunk) in body.chunks(64).enumerate() {
        let more = u32::from(number < 2);
        let put = gateway
            .request(Code::PUT, "/5/0/0")
            .with_uint(option::CONTENT_FORMAT, 42)
            .with_uint(option::BLOCK1, (number as u32) << 4 | more << 3 | 2)
            .with_payload(chunk);
        let expected = if more == 1 { Code::CONTINUE } else { Code::CHANGED };
        assert_eq!(gateway.ask(&put).await.code, expected);
    }
    assert_eq!(device.get([5, 0, 0]), [Node::new([5, 0, 0], body.clone())]);
    let mut read = Vec::new();
    for number in 0..3u32 {
        let mut get = gateway.request(Code::GET, "/5/0/0").with_uint(option::ACCEPT, 42);
        if number > 0 {
            get = get.with_uint(option::BLOCK2, number << 4 | 2);
        }
        let answer = gateway.ask(&get).await;
        assert_eq!(answer.uint(option::BLOCK2), Some(number << 4 | u32::from(number < 2) << 3 | 2));
        read.extend(answer.payload);
    }
    assert_eq!(read, body);
}

#[tokio::test]
async fn composites_read_write_and_observe() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer()).await;
    let names = r#"[{"n":"/3/0/0"},{"n":"/3303"},{"n":"/9/9"}]"#;
    let fetch = gateway
        .request(Code::FETCH, "/")
        .with_uint(option::CONTENT_FORMAT, 110)
        .with_uint(option::ACCEPT, 110)
        .with_uint(option::OBSERVE, 0)
        .with_payload(names);
    let answer = gateway.ask(&fetch).await;
    assert_eq!(answer.payload, br#"[{"n":"/3/0/0","vs":"Acme"},{"n":"/3303/0/5700","v":20.5}]"#);
    let patch = gateway
        .request(Code::IPATCH, "/")
        .with_uint(option::CONTENT_FORMAT, 110)
        .with_payload(r#"[{"n":"/3/0/14","vs":"+03"}]"#);
    assert_eq!(gateway.ask(&patch).await.code, Code::CHANGED);
    device.set([3303, 0, 5700], 1.5);
    let notification = gateway.receive().await;
    assert_eq!(notification.payload, br#"[{"n":"/3/0/0","vs":"Acme"},{"n":"/3303/0/5700","v":1.5}]"#);
}

#[tokio::test]
async fn a_sleeping_device_misses_requests_and_wakes_by_sending() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer().awake_window(SHORT)).await;
    device.log().wait(PATIENCE, |event| (*event == Event::Asleep).then_some(())).await.unwrap();
    let request = gateway.request(Code::GET, "/3/0/0");
    gateway.send(&request).await;
    gateway.silence().await;
    assert_eq!(device.counters().missed_asleep, 1);
    let (updated, ()) = tokio::join!(device.update(Update::default()), async {
        let update = gateway.receive().await;
        gateway.reply(&update, Code::CHANGED).await;
    });
    updated.unwrap();
    let request = gateway.request(Code::GET, "/3/0/0");
    assert_eq!(gateway.ask(&request).await.payload, b"Acme");
}

#[tokio::test]
async fn updates_by_itself_and_registers_again_after_not_found() {
    let mut gateway = Gateway::new().await;
    let address = gateway.address();
    let builder = Device::builder("t").lifetime(1).value([3, 0, 0], "Acme").first_message_id(65535);
    let (device, register) = tokio::join!(builder.register(address), gateway.accept());
    let device = device.unwrap();
    assert_eq!(register.message_id, 65535);
    let mark = device.log().mark();
    let update = gateway.receive().await;
    assert_eq!((update.path(), update.message_id), ("/rd/5a".to_owned(), 0));
    gateway.reply(&update, Code::NOT_FOUND).await;
    assert_eq!(gateway.accept().await.path(), "/rd");
    let registered = |event: &Event| matches!(event, Event::Registered { .. }).then_some(());
    device.log().wait_after(mark, PATIENCE, registered).await.unwrap();
}

#[tokio::test]
async fn a_new_address_and_a_reboot_are_seen_by_the_gateway() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer().first_message_id(5)).await;
    let before = gateway.peer;
    let address = device.change_address().await.unwrap();
    let (rebooted, register) = tokio::join!(device.reboot(), gateway.accept());
    rebooted.unwrap();
    assert_eq!(register.message_id, 5);
    assert_eq!(gateway.peer, Some(address));
    assert_ne!(gateway.peer, before);
}

#[tokio::test]
async fn sends_values_and_reports_refusal() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer()).await;
    let nodes = [Node::new([3303, 0, 5700], 20.5).at(1_700_000_000.0)];
    let (result, ()) = tokio::join!(device.send_nodes(&nodes, Format::SenmlJson), async {
        let send = gateway.receive().await;
        assert_eq!((send.path(), send.uint(option::CONTENT_FORMAT)), ("/dp".to_owned(), Some(110)));
        assert_eq!(send.payload, br#"[{"n":"/3303/0/5700","t":1700000000.0,"v":20.5}]"#);
        gateway.reply(&send, Code::NOT_FOUND).await;
    });
    assert!(matches!(result, Err(DeviceError::Refused { code: Code::NOT_FOUND, .. })));
}

#[tokio::test]
async fn a_lossy_link_loses_and_retransmission_repairs() {
    let mut gateway = Gateway::new().await;
    let link = LinkQuality { loss: 0.4, duplication: 0.2, seed: 3, ..LinkQuality::default() };
    let address = gateway.address();
    let device = thermometer().retransmission(Duration::from_millis(20), 9).link(link).start(address).await.unwrap();
    let (result, ()) = tokio::join!(device.register(), async {
        loop {
            let register = gateway.receive().await;
            let answer = Message::new(Kind::Acknowledgement, Code::CREATED, register.message_id)
                .with_token(&register.token)
                .with_option(option::LOCATION_PATH, "rd");
            gateway.send(&answer).await;
            if tokio::time::timeout(
                SHORT,
                device.log().wait(PATIENCE, |e| matches!(e, Event::Registered { .. }).then_some(())),
            )
            .await
            .is_ok()
            {
                break;
            }
        }
    });
    result.unwrap();
}

#[tokio::test]
async fn an_answer_that_the_network_lost_is_repeated_with_the_request() {
    let mut gateway = Gateway::new().await;
    let device = gateway.registered(thermometer()).await;
    device.set_link(LinkQuality { loss: 0.5, seed: 5, ..LinkQuality::default() });
    for _ in 0..10 {
        let request = gateway.request(Code::GET, "/3/0/0");
        let mut copies = 0;
        let answer = loop {
            copies += 1;
            assert!(copies < 60, "60 copies of a request and no answer");
            gateway.send(&request).await;
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(20), gateway.receive_forever()).await
                && answer.message_id == request.message_id
            {
                break answer;
            }
        };
        assert_eq!(answer.payload, b"Acme");
    }
}
