//! What a journal keeps, on clocks of the test's own.
use super::record::{ASIDE, Kind};
use super::*;
use lwm2m::link::Version;
use lwm2m::registration::Registration;
use lwm2m::session::snapshot::StoredObservation;
use lwm2m::session::{Subject, Target, Ticket};
use std::net::SocketAddr;
use store::Options;

const LIFETIME: f64 = 300.0;
const UDP: Place = Place { bind: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5683), secure: false };
const DTLS: Place = Place { bind: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5684), secure: true };

/// A folder, and clocks that only the test moves.
struct Bench {
    folder: tempfile::TempDir,
    start: Instant,
    passed: f64,
    /// What the system clock was set forward by.
    set: f64,
}

impl Bench {
    fn new() -> Bench {
        Bench { folder: tempfile::tempdir().unwrap(), start: Instant::now(), passed: 0.0, set: 0.0 }
    }

    fn now(&self) -> Now {
        let instant = self.start + Duration::from_secs_f64(self.passed);
        Now { instant, unix: 1_700_000_000.0 + self.passed + self.set }
    }

    fn store(&self) -> Store {
        Store::open(self.folder.path(), Options { reserve: 0, ..Options::default() }).unwrap()
    }

    fn open(&self, places: &[Place]) -> Arc<DeviceJournal> {
        DeviceJournal::new(self.store(), places.to_vec(), self.now()).unwrap()
    }

    /// The process was killed: what a new one finds, by endpoint.
    fn found(&self, journal: Arc<DeviceJournal>, places: &[Place]) -> (Arc<DeviceJournal>, Vec<Snapshot>) {
        drop(journal);
        let journal = self.open(places);
        let mut found: Vec<Snapshot> =
            journal.load(self.now()).unwrap().into_iter().map(|stored| stored.snapshot).collect();
        found.sort_by(|a, b| a.registration.endpoint.cmp(&b.registration.endpoint));
        (journal, found)
    }

    fn keep(&self, journal: &DeviceJournal, endpoint: &str, patches: impl IntoIterator<Item = Patch>) {
        let mut turn = Turn::default();
        for patch in patches {
            journal.record(&mut turn, endpoint, self.now(), None, patch);
        }
        journal.keep(turn, self.now());
    }

    fn register(&self, journal: &DeviceJournal, endpoint: &str, listener: u16) {
        self.keep(journal, endpoint, [Patch::Registered(registration(endpoint)), self.renewed(listener)]);
    }

    fn renewed(&self, listener: u16) -> Patch {
        Patch::Renewed { expires: self.now().unix + LIFETIME, address: address(listener) }
    }

    /// Seconds until a restored registration ends.
    fn left(&self, snapshot: &Snapshot) -> f64 {
        (snapshot.expires - self.now().unix).round()
    }
}

fn address(listener: u16) -> Address {
    Address { socket: ([192, 0, 2, 7], 40_000).into(), listener, association: None }
}

fn registration(endpoint: &str) -> Arc<Registration> {
    Arc::new(Registration {
        endpoint: endpoint.to_owned(),
        location: vec!["rd".to_owned(), format!("of-{endpoint}")],
        members: vec![("ep".to_owned(), endpoint.to_owned()), ("lt".to_owned(), "300".to_owned())],
        lifetime: Duration::from_secs_f64(LIFETIME),
        version: Version::new(1, 1),
        queue_mode: false,
        objects: None,
    })
}

fn observation(id: u64) -> StoredObservation {
    StoredObservation {
        id,
        subject: Subject::Target(Target { path: "/3/0/9".parse_path(), query: Vec::new() }),
        ticket: Ticket(b"ticket"[..].into()),
        token: vec![1, 2, 3, 4],
        method: 1,
        path: vec!["3".to_owned(), "0".to_owned(), "9".to_owned()],
        query: Vec::new(),
        accept: Some(11_542),
        content_format: None,
        payload: Vec::new(),
        sequence: 5,
        silent_at: None,
    }
}

trait ParsePath {
    fn parse_path(&self) -> lwm2m::Path;
}

impl ParsePath for str {
    fn parse_path(&self) -> lwm2m::Path {
        lwm2m::Path::parse(self).unwrap()
    }
}

#[test]
fn what_was_kept_comes_back_after_a_kill() {
    let mut bench = Bench::new();
    let journal = bench.open(&[UDP, DTLS]);
    bench.register(&journal, "a", 0);
    bench.register(&journal, "ab", 1);
    let pmax = vec![("/3/0".parse_path(), 60)];
    bench.keep(&journal, "a", [Patch::Observing(Box::new(observation(1))), Patch::Attributed(pmax.clone())]);
    bench.keep(&journal, "a", [Patch::Observing(Box::new(observation(2)))]);
    bench.keep(&journal, "a", [Patch::Notified { observation: 2, sequence: 77, silent_at: Some(1.0) }]);
    bench.keep(&journal, "a", [Patch::ObservationEnded { observation: 1 }]);
    journal.flush(bench.now());
    bench.passed += 10.0;
    // The listeners changed places.
    let (journal, found) = bench.found(journal, &[DTLS, UDP]);
    let [a, ab] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&a.registration, a.address), (&registration("a"), address(1)));
    assert_eq!(ab.address, address(0));
    let expected = StoredObservation { sequence: 77, silent_at: Some(1.0), ..observation(2) };
    assert_eq!((&a.observations, &a.pmax), (&vec![expected], &pmax));
    assert!(ab.observations.is_empty());
    bench.keep(&journal, "a", [Patch::ObservationEnded { observation: 2 }, Patch::Ended]);
    let (_, found) = bench.found(journal, &[UDP]);
    let [ab] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (ab.registration.endpoint.as_str(), ab.address.listener),
        ("ab", u16::MAX),
        "no secure listener is left"
    );
}

#[test]
fn a_renewal_that_a_crash_took_does_not_end_a_registration() {
    let mut bench = Bench::new();
    let journal = bench.open(&[UDP]);
    journal.load(bench.now()).unwrap();
    bench.register(&journal, "late", 0);
    bench.register(&journal, "other", 0);
    bench.passed += 250.0;
    // The first renewal after a pause is written at once, the second would be in a moment.
    bench.keep(&journal, "other", [bench.renewed(0)]);
    bench.passed += 0.2;
    bench.keep(&journal, "late", [bench.renewed(0)]);
    bench.passed += 100.0;
    let (journal, found) = bench.found(journal, &[UDP]);
    assert_eq!(found.iter().map(|snapshot| bench.left(snapshot)).collect::<Vec<_>>(), [200.0, 200.0]);
    // After an orderly end everything is exact, and who was silent for too long is over.
    bench.keep(&journal, "other", [bench.renewed(0)]);
    journal.close(bench.now());
    bench.passed += 250.0;
    let (_, found) = bench.found(journal, &[UDP]);
    assert_eq!(found.iter().map(|snapshot| bench.left(snapshot)).collect::<Vec<_>>(), [-50.0, 50.0]);
}

#[test]
fn renewals_and_notifications_are_written_together() {
    let mut bench = Bench::new();
    let journal = bench.open(&[UDP]);
    bench.register(&journal, "a", 0);
    bench.keep(&journal, "a", [Patch::Observing(Box::new(observation(1)))]);
    let (before, _) = journal.store.counts();
    for sequence in 6..1000 {
        bench.passed += 0.001;
        bench.keep(&journal, "a", [bench.renewed(0)]);
        bench.keep(&journal, "a", [Patch::Notified { observation: 1, sequence, silent_at: None }]);
    }
    assert!(journal.store.counts().0 - before <= 2, "{:?} after {before}", journal.store.counts());
    journal.flush(bench.now());
    let (_, found) = bench.found(journal, &[UDP]);
    assert_eq!(found[0].observations[0].sequence, 999);
}

#[test]
fn a_system_clock_that_is_set_moves_no_lifetime() {
    for set in [86_400.0, -86_400.0] {
        let mut bench = Bench::new();
        let journal = bench.open(&[UDP]);
        bench.register(&journal, "a", 0);
        bench.set += set;
        bench.passed += 100.0;
        bench.register(&journal, "b", 0);
        bench.passed += 100.0;
        journal.close(bench.now());
        let (_, found) = bench.found(journal, &[UDP]);
        assert_eq!(found.iter().map(|snapshot| bench.left(snapshot)).collect::<Vec<_>>(), [100.0, 200.0], "{set}");
    }
}

#[test]
fn a_record_that_cannot_be_read_costs_only_itself_and_is_put_aside() {
    let bench = Bench::new();
    let journal = bench.open(&[UDP]);
    for endpoint in ["a", "b", "c"] {
        bench.register(&journal, endpoint, 0);
        bench.keep(&journal, endpoint, [1, 2].map(|id| Patch::Observing(Box::new(observation(id)))));
    }
    let mut batch = Batch::new();
    batch.put(Part::Registrations, Kind::Whole.key("b"), *b"\x01nonsense");
    batch.put(Part::Observations, Kind::Observation(1).key("c"), *b"\x63from the future");
    journal.store.write(batch).unwrap();
    let (journal, found) = bench.found(journal, &[UDP]);
    let observations = |snapshot: &Snapshot| snapshot.observations.iter().map(|stored| stored.id).collect::<Vec<_>>();
    assert_eq!(
        found.iter().map(|found| (found.registration.endpoint.as_str(), observations(found))).collect::<Vec<_>>(),
        [("a", vec![1, 2]), ("c", vec![2])]
    );
    let aside = |part, kind: Kind, endpoint: &str| {
        journal.store.get(part, &[&[ASIDE], kind.key(endpoint).as_slice()].concat()).unwrap()
    };
    assert_eq!(aside(Part::Registrations, Kind::Whole, "b").as_deref(), Some(&b"\x01nonsense"[..]));
    assert!(aside(Part::Observations, Kind::Observation(1), "c").is_some());
    // What is left of `b` does not come back with a new registration of that name.
    bench.register(&journal, "b", 0);
    let (_, found) = bench.found(journal, &[UDP]);
    assert_eq!((found.len(), observations(&found[1])), (3, vec![]));
}

#[test]
fn a_forgotten_device_leaves_nothing() {
    let bench = Bench::new();
    let journal = bench.open(&[UDP]);
    for endpoint in ["a", "ab"] {
        bench.register(&journal, endpoint, 0);
        bench.keep(&journal, endpoint, [Patch::Observing(Box::new(observation(1)))]);
        bench.keep(&journal, endpoint, [Patch::Notified { observation: 1, sequence: 8, silent_at: None }]);
    }
    journal.forget("a");
    journal.flush(bench.now());
    let mut left = Vec::new();
    for part in [Part::Registrations, Part::Observations] {
        journal
            .store
            .scan(part, b"", |key, _| {
                left.extend(Kind::of(key).map(|(endpoint, _)| endpoint.to_owned()));
                true
            })
            .unwrap();
    }
    left.dedup();
    assert_eq!(left, ["ab"]);
}
