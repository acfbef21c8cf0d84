//! What the demo prints.
use super::devices::{METER, THERMOMETER};
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

/// Standard output, with colours where it is a terminal.
#[derive(Debug)]
pub(super) struct Screen {
    colours: bool,
    start: Instant,
}

impl Screen {
    /// Colours on a terminal, unless `NO_COLOR` is set.
    pub(super) fn of_terminal() -> Screen {
        let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Screen { colours, start: Instant::now() }
    }

    /// One line.
    pub(super) fn line(&self, text: &str) {
        let _reader_has_gone = writeln!(io::stdout().lock(), "{text}");
    }

    /// Why the demo cannot go on.
    pub(super) fn trouble(&self, text: &str) {
        let _reader_has_gone = writeln!(io::stderr().lock(), "demo: {text}");
    }

    /// What runs where.
    pub(super) fn welcome(&self, broker: SocketAddr, coap: SocketAddr, http: SocketAddr) {
        self.line(&self.bold("lwm2m-gateway: LwM2M devices on one side, JSON over MQTT on the other"));
        self.line("");
        self.line(&format!("  MQTT broker (built in)   mqtt://{broker}"));
        self.line(&format!("  devices, CoAP over UDP   coap://{coap}"));
        self.line(&format!("  health and metrics       http://{http}/metrics"));
        self.line("");
        self.line("Three simulated devices register now. Everything below passed over MQTT:");
        self.line("--> from the application to a device, <-- from a device to the application.");
        self.line("");
    }

    /// Title of a step of the script.
    pub(super) fn step(&self, number: u32, title: &str) {
        self.line("");
        self.line(&self.bold(&format!("{number}. {title}")));
    }

    /// One MQTT message: words, then topic and JSON.
    pub(super) fn message(&self, endpoint: &str, to_device: bool, words: &str, topic: &str, payload: &str) {
        let (arrow, colour) = if to_device { ("-->", "33") } else { ("<--", "32") };
        let seconds = self.start.elapsed().as_secs_f64();
        self.line(&format!("{seconds:7.1}s {} {endpoint}: {}", self.painted(colour, arrow), printable(words)));
        self.line(&self.painted("2", &format!("             {} {}", printable(topic), printable(payload))));
    }

    /// What to type in another terminal.
    pub(super) fn what_next(&self, broker: SocketAddr, coap: SocketAddr) {
        let (host, port) = (broker.ip(), broker.port());
        self.line("");
        self.line(&self.bold("Now you. In another terminal (apt-get install mosquitto-clients):"));
        self.line("");
        self.line(&format!("  mosquitto_sub -h {host} -p {port} -t 'lwm2m/#' -v"));
        for (endpoint, command) in [
            (METER, r#"{"reqID":42,"msgType":"read","data":{"path":"/3/0/9"}}"#),
            (METER, r#"{"reqID":43,"msgType":"observe","data":{"path":"/3/0/9"}}"#),
            (THERMOMETER, r#"{"reqID":44,"msgType":"discover","data":{"path":"/3303/0"}}"#),
        ] {
            self.line(&format!("  mosquitto_pub -h {host} -p {port} -t lwm2m/{endpoint}/dn -m '{command}'"));
        }
        self.line("");
        let own = match own_address(coap) {
            Some(address) => format!("coap://{address}:{}", coap.port()),
            None => format!("coap://THIS-MACHINE:{}", coap.port()),
        };
        self.line(&format!("  Your own LwM2M device, without security, reaches the gateway at {own}"));
        self.line("");
        self.line("Ctrl-C ends everything.");
        self.line("");
    }

    fn bold(&self, text: &str) -> String {
        self.painted("1", text)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// What anybody on the network may have written must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The address of this machine in its network. Connecting a UDP socket sends nothing; it only asks the routing table.
fn own_address(coap: SocketAddr) -> Option<IpAddr> {
    if !coap.ip().is_unspecified() {
        return Some(coap.ip());
    }
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}
