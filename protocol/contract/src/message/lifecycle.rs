//! Lifecycle events (extensions §5): what happens to a device beside its messages.
use crate::json;
use lwm2m::session::Ending;

/// The words of `event`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the contract's")]
pub enum Word {
    Registered,
    Updated,
    Deregistered,
    Expired,
    Replaced,
    Moved,
    Awake,
    Asleep,
    ObserveLost,
    CommandQueued,
    CommandExpired,
    DtlsRefused,
    Progress,
}

impl Word {
    /// All of them.
    pub const ALL: [Word; 13] = [
        Word::Registered,
        Word::Updated,
        Word::Deregistered,
        Word::Expired,
        Word::Replaced,
        Word::Moved,
        Word::Awake,
        Word::Asleep,
        Word::ObserveLost,
        Word::CommandQueued,
        Word::CommandExpired,
        Word::DtlsRefused,
        Word::Progress,
    ];

    /// As in JSON and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Word::Registered => "registered",
            Word::Updated => "updated",
            Word::Deregistered => "deregistered",
            Word::Expired => "expired",
            Word::Replaced => "replaced",
            Word::Moved => "moved",
            Word::Awake => "awake",
            Word::Asleep => "asleep",
            Word::ObserveLost => "observe_lost",
            Word::CommandQueued => "command_queued",
            Word::CommandExpired => "command_expired",
            Word::DtlsRefused => "dtls_refused",
            Word::Progress => "progress",
        }
    }
}

/// How the end of a registration is told: the word and its cause.
pub(super) fn ending(ending: Ending) -> (Word, Option<&'static str>) {
    match ending {
        Ending::Deregistered => (Word::Deregistered, None),
        Ending::Expired => (Word::Expired, Some("lifetime")),
        Ending::Replaced => (Word::Replaced, Some("another endpoint registered from this address")),
        Ending::Removed => (Word::Deregistered, Some("removed by the gateway")),
    }
}

/// One event while it is written.
pub(super) struct Report(Vec<u8>);

impl Report {
    pub(super) fn new(word: Word, unix: f64, endpoint: &str) -> Report {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(b"{\"msgType\":\"event\",\"event\":");
        json::string(&mut out, word.name());
        out.extend_from_slice(b",\"time\":");
        json::seconds(&mut out, (unix * 1e3).round() / 1e3);
        out.extend_from_slice(b",\"data\":{\"ep\":");
        json::string(&mut out, endpoint);
        Report(out)
    }
    fn name(&mut self, name: &str) {
        self.0.push(b',');
        json::string(&mut self.0, name);
        self.0.push(b':');
    }
    pub(super) fn text(mut self, name: &str, text: &str) -> Report {
        self.name(name);
        json::string(&mut self.0, text);
        self
    }
    pub(super) fn number(mut self, name: &str, number: usize) -> Report {
        self.name(name);
        json::integer(&mut self.0, number);
        self
    }
    /// What is JSON already.
    pub(super) fn json(mut self, name: &str, json: &str) -> Report {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
        self
    }
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}}");
        self.0
    }
}
