//! The two servers behind one face.
use crate::mqtt::Mqtt;
use crate::usage::Process;
use integration_tests::maven::LESHAN;
use integration_tests::{Broker, Gateway, Settings, broker, gateway};
use simulator::load::Fleet;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(180);

/// A LwM2M server under load.
pub(crate) trait Side {
    /// Its process, without broker or application.
    fn process(&self) -> Process;
    /// Where devices speak to.
    fn address(&self) -> SocketAddr;
    /// Registrations that its application has heard of.
    fn registered(&self) -> u64;
    /// Notifications that its application has got, decoded.
    fn notifications(&self) -> u64;
    /// Observes `/3303/0/5700` of so many devices.
    fn observe(&mut self, fleet: &mut Fleet, devices: usize);
    /// Reads `/3303/0/5700` of all in turn for a while: answered, failed, time.
    fn read(&mut self, fleet: &mut Fleet, time: Duration, outstanding: usize) -> (u64, u64, Duration);
    /// RSS, and heap in use where there is a collector, after it has run.
    fn memory(&mut self) -> (u64, Option<u64>);
}

/// Lets the devices answer while something is done.
fn while_serving<T>(fleet: &mut Fleet, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| fleet.serve(PATIENCE, |_| done.load(Ordering::Relaxed)));
        let result = work();
        done.store(true, Ordering::Relaxed);
        serving.join().expect("the fleet serves to the end").expect("sockets can be waited for");
        result
    })
}

/// The gateway, with a mosquitto and an MQTT application.
pub(crate) struct GatewaySide {
    gateway: Gateway,
    mqtt: Mqtt,
    _broker: Broker,
}

impl GatewaySide {
    pub(crate) fn start() -> GatewaySide {
        let broker = Broker::start();
        let mut mqtt = Mqtt::connect(broker.port());
        let mut settings = Settings::default();
        settings.set("log.level", "\"warn\"");
        let gateway = Gateway::start(&broker.url(), &settings);
        mqtt.subscribe("lwm2m/+/up/#");
        GatewaySide { gateway, mqtt, _broker: broker }
    }

    fn publish(&mut self, endpoint: &str, id: u64, kind: &str) {
        let command = format!(r#"{{"reqID":{id},"msgType":"{kind}","data":{{"path":"/3303/0/5700"}}}}"#);
        self.mqtt.publish(&format!("lwm2m/{endpoint}/dn"), command.as_bytes());
    }
}

impl Side for GatewaySide {
    fn process(&self) -> Process {
        Process::new(self.gateway.pid())
    }

    fn address(&self) -> SocketAddr {
        self.gateway.udp()
    }

    fn registered(&self) -> u64 {
        self.mqtt.received().registrations.load(Ordering::Relaxed)
    }

    fn notifications(&self) -> u64 {
        self.mqtt.received().notifications.load(Ordering::Relaxed)
    }

    fn observe(&mut self, fleet: &mut Fleet, devices: usize) {
        let endpoints: Vec<String> = (0..devices).map(|index| fleet.endpoint(index)).collect();
        while_serving(fleet, || {
            for (id, endpoint) in endpoints.iter().enumerate() {
                self.publish(endpoint, id as u64, "observe");
            }
            self.mqtt.flush();
            for _ in 0..devices {
                self.mqtt.answer(Duration::from_secs(20)).expect("an answer to each observe");
            }
        });
        assert_eq!(fleet.observations(), devices, "observations");
    }

    fn read(&mut self, fleet: &mut Fleet, time: Duration, outstanding: usize) -> (u64, u64, Duration) {
        let endpoints: Vec<String> = (0..fleet.len()).map(|index| fleet.endpoint(index)).collect();
        let errors = self.mqtt.received().errors.load(Ordering::Relaxed);
        let (answered, unanswered, elapsed) = while_serving(fleet, || {
            let start = Instant::now();
            let mut under_way = HashMap::new();
            let mut answered = 0;
            let mut elapsed = Duration::ZERO;
            for id in 0..outstanding as u64 {
                self.publish(&endpoints[id as usize % endpoints.len()], id, "read");
                under_way.insert(id, ());
            }
            self.mqtt.flush();
            let mut next = outstanding as u64;
            while !under_way.is_empty() {
                let Some((id, at)) = self.mqtt.answer(Duration::from_secs(10)) else { break };
                answered += u64::from(under_way.remove(&id).is_some());
                elapsed = at - start;
                if start.elapsed() < time {
                    self.publish(&endpoints[next as usize % endpoints.len()], next, "read");
                    self.mqtt.flush();
                    under_way.insert(next, ());
                    next += 1;
                }
            }
            (answered, under_way.len() as u64, elapsed)
        });
        let errors = self.mqtt.received().errors.load(Ordering::Relaxed) - errors;
        (answered - errors, unanswered + errors, elapsed)
    }

    fn memory(&mut self) -> (u64, Option<u64>) {
        std::thread::sleep(Duration::from_secs(2));
        (self.process().resident(), None)
    }
}

/// Leshan's server library in a Java process, which is its own application.
pub(crate) struct LeshanSide {
    child: Child,
    input: ChildStdin,
    address: SocketAddr,
    registered: Arc<AtomicU64>,
    notifications: Arc<AtomicU64>,
    lines: Receiver<String>,
}

impl LeshanSide {
    pub(crate) fn start() -> LeshanSide {
        let classpath = LESHAN.classpath().unwrap_or_else(|missing| panic!("Leshan: {missing}"));
        let address = SocketAddr::from(([127, 0, 0, 1], broker::free_port()));
        let mut child = Command::new("java")
            .args(["-Xmx4g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", &classpath])
            .args(["interop.Server", &address.port().to_string(), gateway::OBJECTS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Java can be started");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (registered, notifications) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counted_registered, counted_notifications) = (registered.clone(), notifications.clone());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let words: Vec<&str> = line.split(' ').collect();
                if let ["counts", registered, notified] = words.as_slice() {
                    counted_registered.store(registered.parse().unwrap_or(0), Ordering::Relaxed);
                    counted_notifications.store(notified.parse().unwrap_or(0), Ordering::Relaxed);
                } else if send.send(line).is_err() {
                    break;
                }
            }
        });
        let side = LeshanSide { child, input, address, registered, notifications, lines };
        side.expect("ready");
        side
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the Java process listens");
    }

    /// The numbers behind this word.
    fn expect(&self, word: &str) -> Vec<u64> {
        let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {word} of Leshan: {error}"));
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some(word), "Leshan said: {line}");
        words.filter_map(|number| number.parse().ok()).collect()
    }
}

impl Side for LeshanSide {
    fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn registered(&self) -> u64 {
        self.registered.load(Ordering::Relaxed)
    }

    fn notifications(&self) -> u64 {
        self.notifications.load(Ordering::Relaxed)
    }

    fn observe(&mut self, fleet: &mut Fleet, devices: usize) {
        self.say(&format!("observe {devices}"));
        let observed = while_serving(fleet, || self.expect("observed"));
        assert_eq!((observed[0], fleet.observations()), (devices as u64, devices), "observations");
    }

    fn read(&mut self, fleet: &mut Fleet, time: Duration, outstanding: usize) -> (u64, u64, Duration) {
        let start = Instant::now();
        self.say(&format!("read {} {outstanding}", time.as_millis()));
        let numbers = while_serving(fleet, || self.expect("read"));
        (numbers[0], numbers[1], start.elapsed())
    }

    fn memory(&mut self) -> (u64, Option<u64>) {
        self.say("gc");
        let heap = self.expect("heap")[0];
        std::thread::sleep(Duration::from_secs(1));
        (self.process().resident(), Some(heap))
    }
}

impl Drop for LeshanSide {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
