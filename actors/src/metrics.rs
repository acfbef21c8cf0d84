//! Counters, gauges and histograms, rendered as Prometheus text.
//!
//! They are process-wide statics: counting costs one relaxed atomic addition and needs no handle. Names use base units; no label ever holds
//! an endpoint name.
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Only goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }
    /// Several more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
    /// At least this: what somebody else has counted.
    pub fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Relaxed);
    }
    /// Present value.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    const fn new() -> Gauge {
        Gauge(AtomicI64::new(0))
    }
    /// One more.
    pub fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }
    /// One less.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
    /// So many more, or less.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }
    /// Exactly this.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }
    /// Present value.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the buckets in seconds: from a local device to a sleeping one.
const BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

/// A distribution of durations.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    const fn new() -> Histogram {
        Histogram { buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1], sum_micros: AtomicU64::new(0) }
    }
    /// One observation.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

trait Render: Sync {
    const KIND: &'static str;
    fn render(&self, name: &str, labels: &str, out: &mut String);
}

impl Render for Counter {
    const KIND: &'static str = "counter";
    fn render(&self, name: &str, labels: &str, out: &mut String) {
        line(out, name, "", labels, "", format_args!("{}", self.value()));
    }
}

impl Render for Gauge {
    const KIND: &'static str = "gauge";
    fn render(&self, name: &str, labels: &str, out: &mut String) {
        line(out, name, "", labels, "", format_args!("{}", self.value()));
    }
}

impl Render for Histogram {
    const KIND: &'static str = "histogram";
    fn render(&self, name: &str, labels: &str, out: &mut String) {
        let mut total = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            total += bucket.load(Relaxed);
            line(out, name, "_bucket", labels, &format!("le=\"{bound}\""), format_args!("{total}"));
        }
        total += self.buckets[BOUNDS.len()].load(Relaxed);
        line(out, name, "_bucket", labels, "le=\"+Inf\"", format_args!("{total}"));
        #[expect(clippy::cast_precision_loss, reason = "a sum for statistics")]
        let sum = self.sum_micros.load(Relaxed) as f64 / 1e6;
        line(out, name, "_sum", labels, "", format_args!("{sum}"));
        line(out, name, "_count", labels, "", format_args!("{total}"));
    }
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &str, more: &str, value: std::fmt::Arguments<'_>) {
    let comma = if labels.is_empty() || more.is_empty() { "" } else { "," };
    // Writing to a String cannot fail.
    let _ = if labels.is_empty() && more.is_empty() {
        writeln!(out, "{name}{suffix} {value}")
    } else {
        writeln!(out, "{name}{suffix}{{{labels}{comma}{more}}} {value}")
    };
}

/// Declares the metrics: families with their help text, and in each family one static per set of labels.
macro_rules! metrics {
    ($($kind:ident $name:literal $help:literal { $($variable:ident $labels:literal),+ $(,)? })+) => {
        $($(
            #[doc = concat!("`", $name, "{", $labels, "}`: ", $help)]
            pub static $variable: $kind = $kind::new();
        )+)+

        /// All metrics in the Prometheus text format.
        pub fn render() -> String {
            let mut out = String::with_capacity(8192);
            $(
                let name = concat!("lwm2m_gateway_", $name);
                let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", $help, <$kind as Render>::KIND);
                $( $variable.render(name, $labels, &mut out); )+
            )+
            out
        }
    };
}

metrics! {
    Counter "datagrams_received_total" "Datagrams that came in." { DATAGRAMS_RECEIVED "" }
    Counter "datagram_bytes_received_total" "Their bytes." { DATAGRAM_BYTES_RECEIVED "" }
    Counter "datagrams_sent_total" "Datagrams that went out." { DATAGRAMS_SENT "" }
    Counter "datagram_bytes_sent_total" "Their bytes." { DATAGRAM_BYTES_SENT "" }
    Counter "datagrams_dropped_total" "Datagrams that were not handled, by cause." {
        DROPPED_EMPTY "cause=\"empty\"",
        DROPPED_DEVICE_BUSY "cause=\"device_busy\"",
        DROPPED_REGISTRY_BUSY "cause=\"registry_busy\"",
        DROPPED_UNKNOWN_PEER "cause=\"unknown_peer\"",
        DROPPED_SEND_BLOCKED "cause=\"send_blocked\"",
        DROPPED_SEND_FAILED "cause=\"send_failed\"",
    }
    Counter "socket_errors_total" "Errors that a socket reported while receiving (ICMP among them)." { SOCKET_ERRORS "" }
    Counter "mailbox_refused_total" "Messages between actors that found a full mailbox, by receiver." {
        REFUSED_DEVICE "actor=\"device\"",
        REFUSED_REGISTRY "actor=\"registry\"",
        REFUSED_LISTENER "actor=\"listener\"",
        REFUSED_BRIDGE "actor=\"bridge\"",
    }
    Gauge "devices_registered" "Devices with a registration." { DEVICES_REGISTERED "" }
    Counter "registrations_total" "Registrations, by what became of them." {
        REGISTERED "outcome=\"registered\"",
        REPLACED "outcome=\"replaced\"",
        REGISTRATION_REFUSED "outcome=\"refused\"",
    }
    Counter "updates_total" "Registration updates." { UPDATED "" }
    Counter "registrations_ended_total" "Ended registrations, by cause." {
        DEREGISTERED "cause=\"deregistered\"",
        EXPIRED "cause=\"expired\"",
        DISPLACED "cause=\"replaced\"",
        REMOVED "cause=\"removed\"",
    }
    Counter "device_moves_total" "Devices that went on from a new address." { MOVED "" }
    Counter "device_sleeps_total" "Changes of queue-mode devices, by state." { AWAKE "state=\"awake\"", ASLEEP "state=\"asleep\"" }
    Counter "devices_revived_total" "Panics in a device that cost its current message." { DEVICES_REVIVED "" }
    Counter "commands_total" "Commands from MQTT, by first reaction." {
        COMMANDS_RECEIVED "reaction=\"received\"",
        COMMANDS_QUEUED "reaction=\"queued\"",
        COMMANDS_REFUSED "reaction=\"refused\"",
        COMMANDS_IGNORED "reaction=\"ignored\"",
        COMMANDS_DUPLICATE "reaction=\"duplicate\"",
        COMMANDS_REPLAYED "reaction=\"replayed\"",
    }
    Counter "commands_finished_total" "Commands that came to their end, by outcome." {
        COMMANDS_SUCCEEDED "outcome=\"success\"",
        COMMANDS_FAILED "outcome=\"error\"",
        COMMANDS_TIMED_OUT "outcome=\"timeout\"",
        COMMANDS_EXPIRED "outcome=\"expired\"",
        COMMANDS_CANCELLED "outcome=\"cancelled\"",
        COMMANDS_RESET "outcome=\"reset\"",
    }
    Histogram "command_duration_seconds" "Time from the receipt of a command to its terminal message." { COMMAND_DURATION "" }
    Gauge "commands_pending" "Commands that wait or are under way." { COMMANDS_PENDING "" }
    Counter "observations_total" "Observations, by change." {
        OBSERVE_STARTED "change=\"started\"",
        OBSERVE_ENDED "change=\"ended\"",
        OBSERVE_LOST "change=\"lost\"",
    }
    Counter "notifications_total" "Notifications and Sends of devices, by fate." {
        NOTIFICATIONS "fate=\"accepted\"",
        SENDS "fate=\"send_accepted\"",
        DECLINED "fate=\"declined\"",
    }
    Counter "oddities_total" "Messages of devices that could not be used." { ODDITIES "" }
    Counter "dtls_handshakes_total" "DTLS handshakes, by outcome." {
        DTLS_ESTABLISHED "outcome=\"established\"",
        DTLS_REFUSED "outcome=\"refused\"",
    }
    Counter "dtls_resumptions_total" "Of the established: by session id or ticket." { DTLS_RESUMED "" }
    Counter "dtls_refusals_total" "Of the refused: by reason." {
        DTLS_UNKNOWN "reason=\"unknown_identity\"",
        DTLS_WRONG_KEY "reason=\"wrong_key\"",
        DTLS_CERTIFICATE "reason=\"certificate\"",
        DTLS_WITHDRAWN "reason=\"withdrawn\"",
        DTLS_NO_COMMON_GROUND "reason=\"no_common_suite\"",
        DTLS_TIMED_OUT "reason=\"timeout\"",
        DTLS_BUSY "reason=\"busy\"",
        DTLS_PROTOCOL "reason=\"protocol\"",
    }
    Gauge "dtls_handshakes_in_progress" "Handshakes between cookie and Finished." { DTLS_IN_PROGRESS "" }
    Counter "dtls_client_hellos_total" "ClientHellos, with and without cookie." { DTLS_HELLOS "" }
    Counter "dtls_handshakes_dropped_total" "Handshakes that lost their place or found none." {
        DTLS_EVICTED "cause=\"evicted\"",
        DTLS_NO_PLACE "cause=\"no_place\"",
    }
    Counter "dtls_records_dropped_total" "Records that were dropped silently, by cause." {
        DTLS_FOREIGN "cause=\"foreign\"",
        DTLS_WRONG_CID "cause=\"connection_id\"",
        DTLS_REPLAYED "cause=\"replayed\"",
        DTLS_NOT_AUTHENTIC "cause=\"not_authentic\"",
        DTLS_UNROUTABLE "cause=\"unroutable\"",
    }
    Counter "dtls_store_failures_total" "Writes of associations that the store did not take." { DTLS_NOT_KEPT "" }
    Gauge "dtls_associations" "Established DTLS associations." { DTLS_ASSOCIATIONS "" }
    Gauge "broker_connected" "1 while connected and subscribed." { BROKER_CONNECTED "" }
    Counter "broker_connections_total" "Connection attempts, by outcome." {
        BROKER_UP "outcome=\"up\"",
        BROKER_FAILED "outcome=\"failed\"",
        BROKER_LOST "outcome=\"lost\"",
    }
    Counter "publications_total" "Publications, by fate." {
        PUBLISHED "fate=\"published\"",
        PUBLISH_RETRIED "fate=\"retried\"",
        PUBLISH_REFUSED "fate=\"refused_by_broker\"",
        OUTBOX_DROPPED "fate=\"dropped\"",
        OUTBOX_REFUSED "fate=\"outbox_full\"",
    }
    Gauge "outbox_messages" "Publications that wait in memory." { OUTBOX_MESSAGES "" }
    Gauge "outbox_bytes" "Their bytes." { OUTBOX_BYTES "" }
    Gauge "outbox_disk_messages" "Publications that wait on disk, beyond those in memory." { OUTBOX_DISK_MESSAGES "" }
    Gauge "outbox_disk_bytes" "Their bytes." { OUTBOX_DISK_BYTES "" }
    Gauge "publications_in_flight" "Publications handed to the MQTT library and not completed." { IN_FLIGHT "" }
    Counter "store_commits_total" "Batches written to the store." { STORE_COMMITS "" }
    Counter "store_syncs_total" "Times that the store was made safe from power loss." { STORE_SYNCS "" }
    Counter "store_failures_total" "Batches that the store did not take at once." { STORE_FAILURES "" }
    Counter "store_lost_total" "Records that were given up because the store took nothing for too long." { STORE_LOST "" }
    Gauge "store_waiting_records" "Records that wait to be written." { STORE_WAITING "" }
    Gauge "store_unavailable" "1 while the store takes nothing: disk full or failed." { STORE_UNAVAILABLE "" }
    Gauge "retained_commands_held" "Retained commands that wait for their device." { RETAINED_HELD "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_buckets_are_cumulative_and_sum_is_in_seconds() {
        let histogram = Histogram::new();
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_millis(400));
        histogram.observe(Duration::from_secs(1000));
        let mut out = String::new();
        histogram.render("x", "a=\"b\"", &mut out);
        for line in [
            "x_bucket{a=\"b\",le=\"0.001\"} 0",
            "x_bucket{a=\"b\",le=\"0.0025\"} 1",
            "x_bucket{a=\"b\",le=\"0.5\"} 2",
            "x_bucket{a=\"b\",le=\"300\"} 2",
            "x_bucket{a=\"b\",le=\"+Inf\"} 3",
            "x_sum{a=\"b\"} 1000.402",
            "x_count{a=\"b\"} 3",
        ] {
            assert!(out.lines().any(|l| l == line), "{line} not in\n{out}");
        }
    }

    #[test]
    fn every_family_is_announced_once_before_its_samples() {
        let text = render();
        let mut announced = std::collections::HashSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let name = rest.split(' ').next().unwrap();
                assert!(announced.insert(name.to_owned()), "{name} announced twice");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|s| name.strip_suffix(s))
                    .filter(|f| announced.contains(*f));
                assert!(announced.contains(family.unwrap_or(name)), "{line}");
            }
        }
        assert!(announced.len() > 20);
    }
}
