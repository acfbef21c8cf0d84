//! `schema`.
use super::output::say;
use crate::exit::Exit;

/// Prints the JSON Schema of both directions.
pub(super) fn schema() -> Exit {
    say(format_args!("{:#}", contract::schema()));
    Exit::Ok
}
