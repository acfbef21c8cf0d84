//! Printing. A reader that has gone (`| head`) is no reason to fail.
use std::fmt::Display;
use std::io::{self, Write};

/// One line to standard output.
pub(super) fn say(line: impl Display) {
    let _reader_has_gone = writeln!(io::stdout().lock(), "{line}");
}

/// One line to standard error.
pub(super) fn complain(line: impl Display) {
    let _reader_has_gone = writeln!(io::stderr().lock(), "{line}");
}
