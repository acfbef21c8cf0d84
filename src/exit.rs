//! Exit statuses, those of `sysexits.h` where it has one.
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// All is well.
    Ok = 0,
    /// `objects check` found errors.
    Findings = 1,
    /// The command line is wrong.
    Usage = 64,
    /// The gateway could not start or go on, though its configuration is right.
    Internal = 70,
    /// The configuration is wrong.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
