//! The set-ups of the OMA interoperability test cases (ETS): a gateway, and a simulated device with the reference objects, driven by commands.
use crate::{Message, World};
use serde_json::{Value, json};
use simulator::{DataType, Device, DeviceBuilder, DeviceError, Event, Request, Resource, Update};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(30);

/// The definitions that the project ships; quoted as TOML wants it.
const OBJECTS: &str = concat!("\"", env!("CARGO_MANIFEST_DIR"), "/../objects\"");

/// A gateway and one device. When it ends it checks that every command had exactly one terminal message.
pub struct Lab {
    /// Gateway, broker, application.
    pub world: World,
    /// The device.
    pub device: Device,
    endpoint: String,
    runtime: Runtime,
    last_request: Cell<u64>,
    answered: RefCell<Vec<u64>>,
}

/// The reference device: configuration C.3 and the Portfolio instance of C.13, with the objects that the cases on single objects need.
/// Registrations and updates are left to the test.
pub fn reference(endpoint: &str) -> DeviceBuilder {
    let identity = |_| Resource::multiple(DataType::String, [] as [(u16, &str); 0]).writable();
    Device::builder(endpoint)
        .version("1.1")
        .lifetime(86_400)
        .binding("U")
        .manual_updates()
        .value([0, 0, 0], "coap://127.0.0.1:5683")
        .value([1, 0, 0], 1i64)
        .resource([1, 0, 1], Resource::value(86_400i64).writable())
        .resource([1, 0, 2], Resource::value(1i64).writable())
        .resource([1, 0, 3], Resource::value(10i64).writable())
        .executable([1, 0, 4])
        .resource([1, 0, 5], Resource::value(86_400i64).writable())
        .resource([1, 0, 6], Resource::value(false).writable())
        .resource([1, 0, 7], Resource::value("U").writable())
        .executable([1, 0, 8])
        .executable([1, 0, 9])
        .resource([1, 0, 23], Resource::value(false).writable())
        .object_version(1, "1.1")
        .value([3, 0, 0], "Open Mobile Alliance")
        .value([3, 0, 1], "Lightweight M2M Client")
        .value([3, 0, 2], "345000123")
        .value([3, 0, 3], "1.0")
        .executable([3, 0, 4])
        .resource([3, 0, 6], Resource::multiple(DataType::Integer, [(0, 1i64), (1, 5)]))
        .resource([3, 0, 7], Resource::multiple(DataType::Integer, [(0, 3800i64), (1, 5000)]))
        .resource([3, 0, 8], Resource::multiple(DataType::Integer, [(0, 125i64), (1, 900)]))
        .value([3, 0, 9], 100i64)
        .resource([3, 0, 11], Resource::multiple(DataType::Integer, [(0, 0i64)]))
        .resource([3, 0, 13], Resource::value(simulator::Value::Time(1_367_491_215)).writable())
        .resource([3, 0, 14], Resource::value("+02:00").writable())
        .resource([3, 0, 15], Resource::value("Europe/Berlin").writable())
        .value([3, 0, 16], "U")
        .creatable(16, [(0, identity(()))])
        .resource(
            [16, 0, 0],
            Resource::multiple(DataType::String, (0..4u16).map(|id| (id, format!("identity {id}")))).writable(),
        )
}

impl Lab {
    /// With the gateway's default settings, the device registered.
    pub fn start(builder: DeviceBuilder) -> Lab {
        Lab::with(&[], builder)
    }

    /// With these settings, the device registered; its `register` message is taken out of the inbox.
    pub fn with(keys: &[(&str, &str)], builder: DeviceBuilder) -> Lab {
        let lab = Lab::unregistered(keys, builder);
        lab.register();
        lab
    }

    /// With these settings, the device not registered yet.
    pub fn unregistered(keys: &[(&str, &str)], builder: DeviceBuilder) -> Lab {
        let keys: Vec<_> = [("lwm2m.xml_dir", OBJECTS)].into_iter().chain(keys.iter().copied()).collect();
        let world = World::with(&keys);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let device = runtime.block_on(builder.start(world.gateway.udp())).expect("a socket for the device");
        let endpoint = device.endpoint();
        Lab { world, device, endpoint, runtime, last_request: Cell::new(0), answered: RefCell::default() }
    }

    /// Lets the device register; gives the `register` message.
    pub fn register(&self) -> Message {
        self.runtime.block_on(self.device.register()).expect("the registration is accepted");
        self.message("register")
    }

    /// Lets the device update its registration.
    pub fn update(&self, update: Update) -> Result<(), DeviceError> {
        self.runtime.block_on(self.device.update(update))
    }

    /// Lets the device deregister.
    pub fn deregister(&self) {
        self.runtime.block_on(self.device.deregister()).expect("the deregistration is accepted");
    }

    /// Lets the device lose its state and register again.
    pub fn reboot(&self) {
        self.runtime.block_on(self.device.reboot()).expect("the registration is accepted");
    }

    /// Runs something of the device to its end.
    pub fn run<T>(&self, action: impl Future<Output = T>) -> T {
        self.runtime.block_on(action)
    }

    /// Waits for an event of the device, past or future.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, select: impl FnMut(&Event) -> Option<T>) -> T {
        self.run(self.device.log().wait(COMMAND, select)).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// The next message of this kind about the device.
    pub fn message(&self, kind: &str) -> Message {
        self.world.application.message(&self.endpoint, kind)
    }

    /// The next lifecycle event.
    pub fn event(&self, word: &str) -> Message {
        self.world.application.expect(word, |message| message.kind() == "event" && message.json["event"] == word)
    }

    /// Publishes a command and does not wait for its answer; gives its `reqID`.
    pub fn publish(&self, kind: &str, data: &Value) -> u64 {
        let id = self.last_request.get() + 1;
        self.last_request.set(id);
        self.world.application.command(&self.endpoint, &json!({"reqID": id, "msgType": kind, "data": data}));
        id
    }

    /// The terminal message of a command: it has the command's own `msgType`.
    #[track_caller]
    pub fn answer(&self, id: u64, kind: &str) -> Message {
        let topic = format!("lwm2m/{}/up/resp", self.endpoint);
        let terminal =
            |message: &Message| message.topic == topic && message.json["reqID"] == id && message.kind() != "ack";
        let message = self.world.application.take(COMMAND, terminal);
        let message =
            message.unwrap_or_else(|| panic!("no answer to {kind} {id}; inbox:\n{}", self.world.application.dump()));
        assert_eq!(message.kind(), kind, "{}", message.json);
        self.answered.borrow_mut().push(id);
        message
    }

    /// Publishes a command and waits for its terminal message.
    #[track_caller]
    pub fn command(&self, kind: &str, data: &Value) -> Message {
        let id = self.publish(kind, data);
        self.answer(id, kind)
    }

    /// The same, where the code is what matters.
    #[track_caller]
    pub fn expect(&self, code: &str, kind: &str, data: &Value) -> Message {
        let message = self.command(kind, data);
        assert_eq!(message.data("code"), code, "{kind} {data}: {}", message.json);
        message
    }

    /// Reads; gives the values by path.
    #[track_caller]
    pub fn read(&self, path: &str) -> BTreeMap<String, Value> {
        values(&self.expect("2.05", "read", &json!({"path": path})))
    }

    /// Reads one value.
    #[track_caller]
    pub fn value(&self, path: &str) -> Value {
        let values = self.read(path);
        assert!(values.len() == 1 && values.contains_key(path), "{path}: {values:?}");
        values[path].clone()
    }

    /// Reads in a format; checks that the device was asked for it and gives the values.
    #[track_caller]
    pub fn read_as(&self, format: (&str, u32), path: &str) -> BTreeMap<String, Value> {
        let message = self.expect("2.05", "read", &json!({"path": path, "format": format.0}));
        assert_eq!(self.last().accept(), Some(format.1), "Accept of {path}");
        values(&message)
    }

    /// Writes one value.
    #[track_caller]
    pub fn write(&self, path: &str, data_type: &str, value: &Value) {
        self.expect("2.04", "write", &json!({"path": path, "type": data_type, "value": value}));
    }

    /// Sets attributes.
    #[track_caller]
    pub fn attributes(&self, path: &str, attributes: &Value) {
        let mut data = attributes.clone();
        data["path"] = json!(path);
        self.expect("2.04", "write-attr", &data);
    }

    /// Discovers; gives each link's target with its attributes, in no order.
    #[track_caller]
    pub fn discover(&self, path: &str) -> BTreeMap<String, Vec<String>> {
        let message = self.expect("2.05", "discover", &json!({"path": path}));
        assert_eq!(self.last().accept(), Some(40));
        let links = message.data("content").as_array().expect("links").clone();
        let link = |link: &Value| {
            let mut parts = link.as_str().expect("text").split(';').map(str::to_owned);
            let target = parts.next().unwrap_or_default().trim_matches(['<', '>']).to_owned();
            let mut attributes: Vec<String> = parts.collect();
            attributes.sort();
            (target, attributes)
        };
        links.iter().map(link).collect()
    }

    /// The last request that reached the device's objects.
    #[track_caller]
    pub fn last(&self) -> Request {
        self.device.requests().pop().expect("a request")
    }

    /// What the device itself says is below a path, by path.
    pub fn truth(&self, path: &str) -> Vec<String> {
        let path: simulator::Path = path.parse().expect("a path");
        self.device.get(path).iter().map(|node| node.path.to_string()).collect()
    }

    /// The next notification of the observation that this command began.
    #[track_caller]
    pub fn notification(&self, id: u64) -> Message {
        let topic = format!("lwm2m/{}/up/notify", self.endpoint);
        let message = self.world.application.take(COMMAND, |message| {
            message.topic == topic && message.kind() == "notify" && message.json["reqID"] == id
        });
        message.unwrap_or_else(|| panic!("no notification of {id}; inbox:\n{}", self.world.application.dump()))
    }

    /// Number of the last command.
    pub fn last_id(&self) -> u64 {
        self.last_request.get()
    }
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let answered = self.answered.borrow();
        for message in self.world.application.drain() {
            let again = message.json["reqID"].as_u64().is_some_and(|id| answered.contains(&id));
            assert!(
                !again || ["ack", "notify", "event"].contains(&message.kind()),
                "a second answer: {}",
                message.json
            );
        }
    }
}

/// The elements of `content` by path.
#[track_caller]
pub fn values(message: &Message) -> BTreeMap<String, Value> {
    let content = message.data("content").as_array();
    let content = content.unwrap_or_else(|| panic!("no content in {}", message.json));
    let element = |element: &Value| {
        let path = element["path"].as_str().expect("a path").to_owned();
        (path, element["value"].clone())
    };
    content.iter().map(element).collect()
}
