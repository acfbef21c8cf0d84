//! What is wrong with a configuration.
use std::fmt;

/// Whether the gateway can start in spite of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Severity {
    /// It cannot.
    Error,
    /// It can, but the operator should know.
    Warning,
}

/// One thing that is wrong: where, which key, why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    /// File or environment variable that holds the value.
    pub(crate) place: String,
    /// Full name of the key, empty when the whole file is meant.
    pub(crate) key: String,
    /// Why, in words.
    pub(crate) reason: String,
    /// Error or warning.
    pub(crate) severity: Severity,
}

impl Finding {
    /// An error.
    pub(crate) fn error(place: impl Into<String>, key: impl Into<String>, reason: impl Into<String>) -> Finding {
        Finding { place: place.into(), key: key.into(), reason: reason.into(), severity: Severity::Error }
    }

    /// A warning.
    pub(crate) fn warning(place: impl Into<String>, key: impl Into<String>, reason: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(place, key, reason) }
    }

    /// The gateway cannot start with it.
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{word}: {}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}
