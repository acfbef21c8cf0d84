//! The built-in broker as a client meets it.
use super::*;
use paho_mqtt::{Client, ConnectOptionsBuilder, CreateOptionsBuilder, Message, PersistenceType};

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn client(address: SocketAddr, name: &str, options: &mut ConnectOptionsBuilder) -> Client {
    let create = CreateOptionsBuilder::new()
        .server_uri(format!("mqtt://{address}"))
        .client_id(name)
        .persistence(PersistenceType::None)
        .finalize();
    let client = Client::new(create).unwrap();
    client.connect(options.finalize()).unwrap();
    client
}

#[test]
fn burst_of_messages_arrives_whole_and_in_order() {
    const COUNT: usize = 20_000;
    let bind = free_address();
    start(&Broker { bind, bind_v5: None }).unwrap();
    let subscriber = client(bind, "subscriber", &mut ConnectOptionsBuilder::new_v3());
    let messages = subscriber.start_consuming();
    subscriber.subscribe("lwm2m/#", 0).unwrap();
    let publisher = client(bind, "publisher", &mut ConnectOptionsBuilder::new_v3());
    let sender = thread::spawn(move || {
        for number in 0..COUNT {
            let payload = format!("{number:0200}");
            publisher.publish(Message::new(format!("lwm2m/ep{}/up/notify", number % 100), payload, 0)).unwrap();
        }
        publisher
    });
    for number in 0..COUNT {
        let message = messages.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
        assert_eq!(message.payload_str().parse::<usize>().unwrap(), number);
    }
    sender.join().unwrap().disconnect(None).unwrap();
}

#[test]
fn retained_message_and_last_will_reach_later_and_other_clients() {
    let bind = free_address();
    start(&Broker { bind, bind_v5: None }).unwrap();
    let will = Message::new_retained("status", "offline", 1);
    let gateway = client(bind, "gateway", ConnectOptionsBuilder::new_v3().will_message(will));
    gateway.publish(Message::new_retained("status", "online", 1)).unwrap();
    let watcher = client(bind, "watcher", &mut ConnectOptionsBuilder::new_v3());
    let messages = watcher.start_consuming();
    watcher.subscribe("status", 1).unwrap();
    let next = || messages.recv_timeout(Duration::from_secs(10)).unwrap().unwrap().payload_str().into_owned();
    assert_eq!(next(), "online");
    // Another client of the same name throws the first one out, which is no orderly goodbye.
    let _usurper = client(bind, "gateway", &mut ConnectOptionsBuilder::new_v3());
    assert_eq!(next(), "offline");
}

#[test]
fn both_protocol_versions_meet_on_the_same_topics() {
    let (bind, bind_v5) = (free_address(), free_address());
    start(&Broker { bind, bind_v5: Some(bind_v5) }).unwrap();
    let old = client(bind, "old", &mut ConnectOptionsBuilder::new_v3());
    let messages = old.start_consuming();
    old.subscribe("a/b", 1).unwrap();
    let new = client(bind_v5, "new", &mut ConnectOptionsBuilder::new_v5());
    new.publish(Message::new("a/b", "hello", 1)).unwrap();
    let message = messages.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
    assert_eq!(message.payload_str(), "hello");
}

#[test]
fn taken_address_is_an_error_that_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = listener.local_addr().unwrap();
    let error = start(&Broker { bind, bind_v5: None }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&bind.to_string()), "{error}");
}

#[test]
fn gateway_reaches_it_by_loopback_and_in_the_version_of_the_port() {
    let mqtt = |version| Mqtt {
        server: Server::Embedded,
        client_id: "g".into(),
        username: None,
        password: None,
        version,
        ca_file: None,
        client_certificate: None,
        keep_alive: Duration::from_secs(30),
        status_topic: "s".into(),
        in_flight: 100,
        session_expiry: Duration::ZERO,
        outbox_messages: 1,
        outbox_bytes: 65_536,
        outbox_disk_messages: 0,
        outbox_disk_bytes: 0,
        duplicate_window: Duration::ZERO,
    };
    let old = Broker { bind: "0.0.0.0:1883".parse().unwrap(), bind_v5: None };
    let both = Broker { bind: "[::]:1883".parse().unwrap(), bind_v5: Some("[::]:1884".parse().unwrap()) };
    for (broker, version, server, expected) in [
        (&old, MqttVersion::V5, "mqtt://127.0.0.1:1883", MqttVersion::V4),
        (&both, MqttVersion::V5, "mqtt://[::1]:1884", MqttVersion::V5),
        (&both, MqttVersion::V4, "mqtt://[::1]:1883", MqttVersion::V4),
    ] {
        let own = own_connection(&mqtt(version), broker);
        assert_eq!((own.server.to_string().as_str(), own.version), (server, expected));
    }
}
