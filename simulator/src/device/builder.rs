//! What a device is before it starts.

use super::Device;
use super::link::LinkQuality;
use super::script::Rule;
use crate::format::Format;
use crate::objects::{Objects, Resource};
use crate::path::Path;
use crate::value::{DataType, Value};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Everything fixed about a device.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) endpoint: String,
    pub(super) lifetime: Option<u32>,
    pub(super) version: Option<String>,
    pub(super) binding: Option<String>,
    pub(super) queue_mode: bool,
    pub(super) query: Vec<String>,
    pub(super) alternate: String,
    pub(super) root_attributes: String,
    pub(super) object_list: Option<String>,
    pub(super) objects: Objects,
    pub(super) resource_format: Format,
    pub(super) node_format: Format,
    pub(super) formats: Vec<Format>,
    pub(super) old_numbers: bool,
    pub(super) confirmable_notifications: bool,
    pub(super) pmin: Duration,
    pub(super) pmax: Duration,
    pub(super) evaluation: Duration,
    pub(super) block_size: usize,
    pub(super) max_body: usize,
    pub(super) ack_timeout: Duration,
    pub(super) max_retransmit: u32,
    pub(super) first_message_id: Option<u16>,
    pub(super) seed: u64,
    pub(super) auto_update: bool,
    pub(super) awake_window: Option<Duration>,
    pub(super) link: LinkQuality,
    pub(super) rules: Vec<Rule>,
    pub(super) bind: IpAddr,
    pub(super) log_capacity: usize,
}

/// Builds a [`Device`]. Without further calls it is a LwM2M 1.1 device with the objects given, lifetime 300 s,
/// notifications NON, single resources as text/plain and everything else as TLV.
#[derive(Debug, Clone)]
pub struct DeviceBuilder(Config);

impl DeviceBuilder {
    pub(super) fn new(endpoint: &str) -> DeviceBuilder {
        DeviceBuilder(Config {
            endpoint: endpoint.to_owned(),
            lifetime: Some(300),
            version: Some("1.1".to_owned()),
            binding: None,
            queue_mode: false,
            query: Vec::new(),
            alternate: "/".to_owned(),
            root_attributes: String::new(),
            object_list: None,
            objects: Objects::new(),
            resource_format: Format::Text,
            node_format: Format::Tlv,
            formats: Format::ALL.to_vec(),
            old_numbers: false,
            confirmable_notifications: false,
            pmin: Duration::ZERO,
            pmax: Duration::ZERO,
            evaluation: Duration::from_secs(1),
            block_size: 1024,
            max_body: 4 << 20,
            ack_timeout: Duration::from_secs(2),
            max_retransmit: 4,
            first_message_id: None,
            seed: 0,
            auto_update: true,
            awake_window: None,
            link: LinkQuality::default(),
            rules: Vec::new(),
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            log_capacity: 100_000,
        })
    }

    /// `lt=` in seconds; `None` leaves it out.
    pub fn lifetime(mut self, seconds: impl Into<Option<u32>>) -> Self {
        self.0.lifetime = seconds.into();
        self
    }

    /// `lwm2m=`, such as `1.0`, `1.1`, `1.2`; `None` leaves it out.
    pub fn version<'a>(mut self, version: impl Into<Option<&'a str>>) -> Self {
        self.0.version = version.into().map(str::to_owned);
        self
    }

    /// `b=`.
    pub fn binding(mut self, binding: &str) -> Self {
        self.0.binding = Some(binding.to_owned());
        self
    }

    /// Queue mode: `b=UQ` for version 1.0, the member `Q` for later ones.
    pub fn queue_mode(mut self) -> Self {
        self.0.queue_mode = true;
        self
    }

    /// With queue mode: sleep this long after the last message; wake for updates and notifications.
    pub fn awake_window(mut self, window: Duration) -> Self {
        self.0.awake_window = Some(window);
        self
    }

    /// One more query member of the registration, such as `imei=1234` or `foo`.
    pub fn query(mut self, member: &str) -> Self {
        self.0.query.push(member.to_owned());
        self
    }

    /// Alternate path, such as `/lwm2m`.
    pub fn alternate_path(mut self, path: &str) -> Self {
        self.0.alternate = format!("/{}", path.trim_matches('/'));
        self
    }

    /// Attributes of the root link besides `rt`, such as `;ct="60 110 112"`.
    pub fn root_attributes(mut self, attributes: &str) -> Self {
        self.0.root_attributes = attributes.to_owned();
        self
    }

    /// Sends this text as object list instead of the one made from the objects.
    pub fn object_list(mut self, links: &str) -> Self {
        self.0.object_list = Some(links.to_owned());
        self
    }

    /// Adds a resource at `object/instance/resource`. A path with another depth adds nothing.
    pub fn resource(mut self, path: impl Into<Path>, resource: Resource) -> Self {
        if let &[object, instance, id] = path.into().ids() {
            self.0.objects.insert([object, instance, id], resource);
        }
        self
    }

    /// Adds a readable resource with a fixed value.
    pub fn value(self, path: impl Into<Path>, value: impl Into<Value>) -> Self {
        self.resource(path, Resource::value(value))
    }

    /// Adds a readable resource whose value is computed.
    pub fn living(
        self,
        path: impl Into<Path>,
        data_type: DataType,
        compute: impl Fn(Duration) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.resource(path, Resource::living(data_type, compute))
    }

    /// Adds an executable resource that answers 2.04.
    pub fn executable(self, path: impl Into<Path>) -> Self {
        self.resource(path, Resource::executable())
    }

    /// Takes these objects instead of those added so far.
    pub fn objects(mut self, objects: Objects) -> Self {
        self.0.objects = objects;
        self
    }

    /// Announces `ver=` for an object.
    pub fn object_version(mut self, object: u16, version: &str) -> Self {
        self.0.objects.set_version(object, version);
        self
    }

    /// Allows Create (and Delete) on an object; new instances start with these resources.
    pub fn creatable(mut self, object: u16, resources: impl IntoIterator<Item = (u16, Resource)>) -> Self {
        self.0.objects.set_template(object, resources);
        self
    }

    /// The format for requests without Accept: for everything it can express, single resources included.
    pub fn format(mut self, format: Format) -> Self {
        self.0.resource_format = format;
        if !format.is_single_value() {
            self.0.node_format = format;
        }
        self
    }

    /// The format of single resources for requests without Accept.
    pub fn resource_format(mut self, format: Format) -> Self {
        self.0.resource_format = format;
        self
    }

    /// Only these formats are understood: others get 4.06 (Accept) or 4.15 (Content-Format).
    pub fn formats(mut self, formats: &[Format]) -> Self {
        self.0.formats = formats.to_vec();
        self
    }

    /// Uses the pre-standard numbers 1542 and 1543 for TLV and JSON.
    pub fn old_format_numbers(mut self) -> Self {
        self.0.old_numbers = true;
        self
    }

    /// Notifications as CON.
    pub fn confirmable_notifications(mut self) -> Self {
        self.0.confirmable_notifications = true;
        self
    }

    /// Default pmin of the Server object.
    pub fn pmin(mut self, period: Duration) -> Self {
        self.0.pmin = period;
        self
    }

    /// Default pmax of the Server object; zero for none.
    pub fn pmax(mut self, period: Duration) -> Self {
        self.0.pmax = period;
        self
    }

    /// How often living values are looked at for observers (default 1 s).
    pub fn evaluation_period(mut self, period: Duration) -> Self {
        self.0.evaluation = period;
        self
    }

    /// Largest block, 16 to 1024, a power of two.
    pub fn block_size(mut self, size: usize) -> Self {
        self.0.block_size = size;
        self
    }

    /// Largest body taken in Block1 (default 4 MiB); more gets 4.13.
    pub fn max_body(mut self, size: usize) -> Self {
        self.0.max_body = size;
        self
    }

    /// ACK_TIMEOUT and MAX_RETRANSMIT of the device's own CON messages (RFC 7252 §4.8).
    pub fn retransmission(mut self, ack_timeout: Duration, max_retransmit: u32) -> Self {
        self.0.ack_timeout = ack_timeout;
        self.0.max_retransmit = max_retransmit;
        self
    }

    /// The message id of the first message (default random), also after a reboot.
    pub fn first_message_id(mut self, id: u16) -> Self {
        self.0.first_message_id = Some(id);
        self
    }

    /// Seed of tokens, message ids and retransmission jitter.
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// No updates and no registration by itself: only what the program asks for.
    pub fn manual_updates(mut self) -> Self {
        self.0.auto_update = false;
        self
    }

    /// A lossy network.
    pub fn link(mut self, quality: LinkQuality) -> Self {
        self.0.link = quality;
        self
    }

    /// A scripted deviation; the first rule that fits a request counts.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.0.rules.push(rule);
        self
    }

    /// Events kept in the log (default 100,000).
    pub fn log_capacity(mut self, events: usize) -> Self {
        self.0.log_capacity = events;
        self
    }

    /// Local address to bind (default 127.0.0.1).
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.0.bind = address;
        self
    }

    /// Binds a socket and starts the device, not registered.
    ///
    /// # Errors
    /// When the socket cannot be bound.
    pub async fn start(self, gateway: SocketAddr) -> io::Result<Device> {
        Device::start(self.0, gateway).await
    }

    /// Starts the device and registers it.
    ///
    /// # Errors
    /// [`super::DeviceError`] when the socket cannot be bound or the registration is not accepted.
    pub async fn register(self, gateway: SocketAddr) -> Result<Device, super::DeviceError> {
        let device = self.start(gateway).await?;
        device.register().await?;
        Ok(device)
    }
}
