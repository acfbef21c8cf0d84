//! Broker, gateway and application together.
use crate::wire::LINKS;
use crate::{Application, Broker, Datagram, Gateway, Message, Settings, Wire};
use serde_json::Value;

/// What most tests need. Fields end in this order: first the application, then the gateway, then the broker.
#[derive(Debug)]
pub struct World {
    /// The application, subscribed to everything.
    pub application: Application,
    /// The gateway under test.
    pub gateway: Gateway,
    /// The broker between them; none with the embedded one.
    pub broker: Option<Broker>,
}

impl World {
    /// With default settings.
    pub fn start() -> World {
        World::with(&[])
    }

    /// With these keys set to TOML literals.
    pub fn with(keys: &[(&str, &str)]) -> World {
        let mut settings = Settings::default();
        for (key, literal) in keys {
            settings.set(key, *literal);
        }
        World::with_settings(&settings)
    }

    /// With these settings.
    pub fn with_settings(settings: &Settings) -> World {
        let broker = Broker::start();
        let application = Application::connect(broker.port(), 5);
        let gateway = Gateway::start(&broker.url(), settings);
        World { application, gateway, broker: Some(broker) }
    }

    /// With the broker that is built into the gateway.
    pub fn embedded(keys: &[(&str, &str)]) -> World {
        let port = crate::broker::free_port();
        let mut settings = Settings::default();
        settings.set("broker.bind", format!("\"127.0.0.1:{port}\""));
        for (key, literal) in keys {
            settings.set(key, *literal);
        }
        let gateway = Gateway::start("embedded", &settings);
        let application = Application::connect(port, 4);
        World { application, gateway, broker: None }
    }

    /// A device that has not said anything yet.
    pub fn wire(&self) -> Wire {
        Wire::new(self.gateway.udp())
    }

    /// A LwM2M 1.0 device, registered under this name with the usual objects; its `register` message is taken out of the inbox.
    pub fn device(&self, endpoint: &str) -> Wire {
        self.device_with(endpoint, &[], LINKS)
    }

    /// A device registered with additional query members and these links.
    pub fn device_with(&self, endpoint: &str, query: &[&str], links: &str) -> Wire {
        let mut wire = self.wire();
        let ep = format!("ep={endpoint}");
        let mut members = vec![ep.as_str()];
        if !query.iter().any(|member| member.starts_with("lt=")) {
            members.push("lt=300");
        }
        if !query.iter().any(|member| member.starts_with("lwm2m=")) {
            members.push("lwm2m=1.0");
        }
        members.extend(query);
        wire.register(&members, links);
        self.application.message(endpoint, "register");
        wire
    }

    /// Publishes a command for the device and returns the request that reaches it.
    pub fn command(&self, device: &Wire, command: &Value) -> Datagram {
        self.application.command(device.endpoint(), command);
        device.expect_request()
    }

    /// Publishes a command, lets the device answer piggybacked, returns the message that the application gets.
    pub fn round_trip(
        &self,
        device: &Wire,
        command: &Value,
        answer: &str,
        options: &[(u16, &[u8])],
        payload: impl AsRef<[u8]>,
    ) -> Message {
        let request = self.command(device, command);
        device.answer(&request, answer, options, payload);
        self.application.answer(device.endpoint())
    }

    /// Observes a path with a first answer of Observe 0; returns the observe request.
    pub fn observe(&self, device: &Wire, req: u64, path: &str, format: u16, payload: impl AsRef<[u8]>) -> Datagram {
        use crate::datagram::{option, uint};
        let command = serde_json::json!({"reqID": req, "msgType": "observe", "data": {"path": path}});
        let request = self.command(device, &command);
        assert_eq!(request.uint(option::OBSERVE), Some(0), "{request:?}");
        let format = uint(u32::from(format));
        device.answer(&request, "2.05", &[(option::OBSERVE, &[]), (option::CONTENT_FORMAT, &format)], payload);
        let answer = self.application.answer(device.endpoint());
        assert_eq!((answer.kind(), answer.data("code").as_str()), ("observe", Some("2.05")), "{:?}", answer.json);
        request
    }

    /// The gateway still does its work: a new device registers, is read, and the answer arrives.
    pub fn assert_works(&self, endpoint: &str) {
        let device = self.device(endpoint);
        let command = serde_json::json!({"reqID": 4711, "msgType": "read", "data": {"path": "/3/0/0"}});
        let message = self.round_trip(&device, &command, "2.05", &[], "still here");
        assert_eq!(message.json["data"]["content"][0]["value"], "still here", "{:?}", message.json);
    }
}
