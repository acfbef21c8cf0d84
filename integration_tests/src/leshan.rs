//! Devices made with Eclipse Leshan's client library: one Java process of `integration_tests/leshan` for all tests of a program.
use crate::maven::LESHAN;
use crate::{gateway, interop};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How long a device may take: the first messages of a Java process are slow on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The Java process. It ends with its standard input, that is with the test program.
#[derive(Debug)]
pub struct Leshan {
    input: Mutex<ChildStdin>,
    events: Mutex<VecDeque<Value>>,
    bell: Condvar,
}

/// The one of this program; `None`, said in words, where Java, Maven or Leshan cannot be had.
pub fn shared() -> Option<&'static Leshan> {
    static SHARED: OnceLock<Option<&'static Leshan>> = OnceLock::new();
    *SHARED.get_or_init(|| match LESHAN.classpath() {
        Ok(classpath) => Some(Leshan::start(&classpath)),
        Err(missing) => {
            interop::skip("Leshan", &missing.to_string());
            None
        }
    })
}

/// Name and version for the table.
pub fn name() -> String {
    format!("Leshan {} client", LESHAN.version())
}

impl Leshan {
    fn start(classpath: &str) -> &'static Leshan {
        let mut child = Command::new("java")
            .args([
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            ])
            .args(["-cp", classpath, "interop.Devices", gateway::OBJECTS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Java can be started");
        let input = Mutex::new(child.stdin.take().expect("a pipe"));
        let output = child.stdout.take().expect("a pipe");
        let leshan: &'static Leshan =
            Box::leak(Box::new(Leshan { input, events: Mutex::default(), bell: Condvar::new() }));
        std::thread::spawn(move || {
            leshan.listen(output);
            child.wait()
        });
        leshan.expect("", "ready", |_| true);
        leshan
    }

    fn listen(&self, output: ChildStdout) {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let event = serde_json::from_str(&line).unwrap_or_else(|_| json!({"event": "noise", "line": line}));
            self.events.lock().expect("nobody panics with the events").push_back(event);
            self.bell.notify_all();
        }
    }

    fn say(&self, command: &Value) {
        let mut input = self.input.lock().expect("nobody panics with the input");
        writeln!(input, "{command}").expect("the Java process listens");
    }

    fn take(&self, limit: Duration, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let end = Instant::now() + limit;
        let mut events = self.events.lock().expect("nobody panics with the events");
        loop {
            if let Some(at) = events.iter().position(&fits) {
                return events.remove(at);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            events = self.bell.wait_timeout(events, left).expect("nobody panics with the events").0;
        }
    }

    fn expect(&self, endpoint: &str, event: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let of = |value: &Value| value["ep"] == endpoint && value["event"] == event && fits(value);
        self.take(PATIENCE, of).unwrap_or_else(|| {
            let events = self.events.lock().expect("nobody panics with the events");
            let own: Vec<String> =
                events.iter().filter(|value| value["ep"] == endpoint).map(Value::to_string).collect();
            panic!("no {event:?} of {endpoint} within {PATIENCE:?}; it told:\n{}", own.join("\n"))
        })
    }

    /// Starts a device; `start` holds the members of the command but `do` and `ep`. Endpoint names are used once in a program.
    pub fn device(&'static self, endpoint: &str, start: Value) -> Device {
        let mut command = start;
        command["do"] = json!("start");
        command["ep"] = json!(endpoint);
        self.say(&command);
        Device { leshan: self, endpoint: endpoint.to_owned() }
    }
}

/// One device in the Java process; ended, without deregistration, when dropped.
#[derive(Debug)]
pub struct Device {
    leshan: &'static Leshan,
    endpoint: String,
}

impl Device {
    /// Its endpoint name.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Gives it a command, with further members.
    pub fn say(&self, word: &str, members: Value) {
        let mut command = if members.is_null() { json!({}) } else { members };
        command["do"] = json!(word);
        command["ep"] = json!(self.endpoint);
        self.leshan.say(&command);
    }

    /// The next event of this name.
    pub fn expect(&self, event: &str) -> Value {
        self.leshan.expect(&self.endpoint, event, |_| true)
    }

    /// The next event of this name about this path.
    pub fn expect_about(&self, event: &str, path: &str) -> Value {
        self.leshan.expect(&self.endpoint, event, |value| value["path"] == path)
    }

    /// An event of this name within a time.
    pub fn take(&self, limit: Duration, event: &str) -> Option<Value> {
        self.leshan.take(limit, |value| value["ep"] == *self.endpoint && value["event"] == event)
    }

    /// Waits until it is registered; the location.
    pub fn registered(&self) -> String {
        self.expect("registered")["location"].as_str().expect("a location").to_owned()
    }

    /// Sets the value of a resource of its own accord.
    pub fn set(&self, path: &str, value: impl Into<Value>) {
        self.say("set", json!({"path": path, "value": value.into()}));
        self.expect_about("set", path);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Ok(mut input) = self.leshan.input.lock() {
            let _ = writeln!(input, "{}", json!({"do": "stop", "ep": self.endpoint, "deregister": false}));
        }
    }
}
