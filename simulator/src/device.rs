//! A simulated LwM2M device: a task with a socket of its own, and the handle by which programs use it.

mod answer;
mod builder;
mod engine;
mod link;
mod log;
mod observation;
mod registration;
mod script;

pub use builder::{Config, DeviceBuilder};
pub use engine::ExchangeError;
pub use link::LinkQuality;
pub use log::{Counters, EndCause, Event, Log, Request, WaitError};
pub use registration::{DeviceError, Update};
pub use script::{Answer, Datagrams, Delivery, Rule};

use crate::format::Node;
use crate::path::Path;
use crate::value::Value;
use engine::Engine;
use log::lock;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A device that lives until it is dropped. All methods may be called from any task.
pub struct Device {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    gateway: SocketAddr,
    engine: Mutex<Engine>,
    socket: Mutex<Arc<UdpSocket>>,
    /// The engine has something to send, another deadline or another socket.
    changed: Notify,
    registration: Mutex<registration::Registration>,
    registration_changed: Notify,
    log: Arc<Log>,
}

impl Device {
    /// Describes a device with this endpoint name.
    pub fn builder(endpoint: &str) -> DeviceBuilder {
        DeviceBuilder::new(endpoint)
    }

    async fn start(config: Config, gateway: SocketAddr) -> io::Result<Device> {
        let log = Arc::new(Log::new(config.log_capacity));
        let socket = UdpSocket::bind((config.bind, 0)).await?;
        let auto_update = config.auto_update;
        let shared = Arc::new(Shared {
            gateway,
            engine: Mutex::new(Engine::new(config, log.clone(), Instant::now())),
            socket: Mutex::new(Arc::new(socket)),
            changed: Notify::new(),
            registration: Mutex::default(),
            registration_changed: Notify::new(),
            log,
        });
        let mut tasks = vec![tokio::spawn(run(shared.clone()))];
        if auto_update {
            tasks.push(tokio::spawn(registration::keep(shared.clone())));
        }
        Ok(Device { shared, tasks })
    }

    /// The endpoint name.
    pub fn endpoint(&self) -> String {
        self.shared.with(|engine, _| engine.config.endpoint.clone())
    }

    /// The address that the gateway sees.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        lock(&self.shared.socket).local_addr()
    }

    /// Location of the current registration.
    pub fn location(&self) -> Option<String> {
        lock(&self.shared.registration).location.clone()
    }

    /// Everything that happened.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// The requests that reached the objects.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.requests()
    }

    /// Waits for the next request to exactly this Uri-Path, past ones included.
    ///
    /// # Errors
    /// [`WaitError`] when there is none within `patience`.
    pub async fn wait_request(&self, path: &str, patience: Duration) -> Result<Request, WaitError> {
        let select = |event: &Event| match event {
            Event::Request(request) if request.path == path => Some(request.clone()),
            _ => None,
        };
        self.shared.log.wait(patience, select).await
    }

    /// Waits until somebody observes this path.
    ///
    /// # Errors
    /// [`WaitError`] when nobody does within `patience`.
    pub async fn wait_observed(&self, path: impl Into<Path>, patience: Duration) -> Result<(), WaitError> {
        let path = path.into();
        let select = |event: &Event| match event {
            Event::ObserveStarted { paths, .. } => paths.contains(&path).then_some(()),
            _ => None,
        };
        self.shared.log.wait(patience, select).await
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        self.shared.with(|engine, _| engine.counters)
    }

    /// Sets a value; observers are notified as their attributes say.
    pub fn set(&self, path: impl Into<Path>, value: impl Into<Value>) {
        let (path, value) = (path.into(), value.into());
        self.shared.with(|engine, now| {
            engine.objects.set(&path, value);
            engine.evaluate_changes(now);
        });
    }

    /// Sets several values at once: one notification for each observer that sees any of them.
    pub fn set_all<P: Into<Path>, V: Into<Value>>(&self, values: impl IntoIterator<Item = (P, V)>) {
        self.shared.with(|engine, now| {
            for (path, value) in values {
                engine.objects.set(&path.into(), value.into());
            }
            engine.evaluate_changes(now);
        });
    }

    /// What a read of this path would give, without any network.
    pub fn get(&self, path: impl Into<Path>) -> Vec<Node> {
        let path = path.into();
        self.shared.with(|engine, now| engine.objects.read(&path, now - engine.started).unwrap_or_default())
    }

    /// Notifies the observers of a path now, whatever pmin says; `confirmable` overrides the device's habit. Gives
    /// the number of notifications.
    pub fn notify(&self, path: impl Into<Path>, confirmable: Option<bool>) -> usize {
        let path = path.into();
        self.shared.with(|engine, now| engine.notify_path(now, &path, confirmable))
    }

    /// Sets the Observe option of the next notification of this path: old and wrapped-around numbers for tests.
    pub fn set_sequence(&self, path: impl Into<Path>, sequence: u32) {
        let path = path.into();
        self.shared.with(|engine, _| engine.set_sequence(&path, sequence));
    }

    /// Changes objects (new instances, versions) without network; the next update may announce them.
    pub fn change_objects(&self, change: impl FnOnce(&mut crate::objects::Objects)) {
        self.shared.with(|engine, now| {
            change(&mut engine.objects);
            engine.evaluate_changes(now);
        });
    }

    /// Adds a scripted deviation in front of the others.
    pub fn script(&self, rule: Rule) {
        self.shared.with(|engine, _| engine.rules.insert(0, rule));
    }

    /// Removes all scripted deviations.
    pub fn clear_script(&self) {
        self.shared.with(|engine, _| engine.rules.clear());
    }

    /// Changes the network from now on.
    pub fn set_link(&self, quality: LinkQuality) {
        self.shared.with(|engine, _| engine.set_link(quality));
    }

    /// Sleeps: whatever arrives is missed until the device sends something.
    pub fn sleep(&self) {
        self.shared.with(|engine, now| engine.sleep(now));
    }

    /// Wakes without sending anything.
    pub fn wake(&self) {
        self.shared.with(|engine, now| engine.wake(now));
    }

    /// Sends bytes to the gateway from the device's socket, whatever they are.
    pub fn send_raw(&self, bytes: &[u8]) {
        self.shared.with(|engine, now| engine.transmit_bytes(now, bytes.to_vec()));
    }

    /// Moves to another local port, as behind a NAT that forgot; says nothing to the gateway.
    ///
    /// # Errors
    /// When the new socket cannot be bound.
    pub async fn change_address(&self) -> io::Result<SocketAddr> {
        let bind = self.shared.with(|engine, _| engine.config.bind);
        let socket = UdpSocket::bind((bind, 0)).await?;
        let address = socket.local_addr()?;
        *lock(&self.shared.socket) = Arc::new(socket);
        self.shared.changed.notify_one();
        Ok(address)
    }

    /// Loses everything that a power cycle loses (registration, observations, de-duplication, message ids), then
    /// registers again.
    ///
    /// # Errors
    /// [`DeviceError`] when the registration is not accepted.
    pub async fn reboot(&self) -> Result<String, DeviceError> {
        self.power_off();
        self.register().await
    }

    /// Loses everything that a power cycle loses and stays silent.
    pub fn power_off(&self) {
        lock(&self.shared.registration).forget();
        self.shared.registration_changed.notify_waiters();
        self.shared.with(|engine, now| engine.reboot(now));
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    /// Uses the engine and lets the task look at it again.
    fn with<T>(&self, action: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let result = action(&mut lock(&self.engine), Instant::now());
        self.changed.notify_one();
        result
    }
}

/// The task of one device: moves datagrams between socket and engine.
async fn run(shared: Arc<Shared>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let socket = lock(&shared.socket).clone();
        let (due, deadline) = {
            let now = Instant::now();
            let mut engine = lock(&shared.engine);
            engine.handle_timeout(now);
            (engine.due(now), engine.deadline())
        };
        for bytes in due {
            // A refused datagram (gateway not there yet) is a lost one: retransmission is what helps.
            let _ = socket.send_to(&bytes, shared.gateway).await;
        }
        let sleep = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // An error is the echo of an earlier datagram that found no receiver.
                if let Ok((length, _)) = received {
                    lock(&shared.engine).receive(Instant::now(), &buffer[..length]);
                }
            }
            () = sleep => {}
            () = shared.changed.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests;
