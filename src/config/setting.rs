//! Values that a key can hold.
use super::source::ENVIRONMENT;
use super::unit;
use config::{Value, ValueKind};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A type that a key can have.
pub(crate) trait Setting: Sized {
    /// Reads it; the error says what was expected, and what stands there unless it is a secret.
    fn read(value: &Value) -> Result<Self, String>;
}

/// A text that never shows itself: password or key.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bytes(pub(crate) usize);

/// The value came from the environment, where everything is text.
pub(crate) fn is_from_environment(value: &Value) -> bool {
    value.origin().is_some_and(|origin| origin.starts_with(ENVIRONMENT))
}

/// The type of a value in TOML's words.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value.kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "a boolean",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "an integer",
        ValueKind::Float(_) => "a float",
        ValueKind::String(_) => "a string",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "an array",
    }
}

fn expected(what: &str, value: &Value) -> String {
    format!("must be {what}, not {}", type_of(value))
}

fn text<'a>(what: &str, value: &'a Value) -> Result<&'a str, String> {
    match &value.kind {
        ValueKind::String(text) => Ok(text),
        _ => Err(expected(what, value)),
    }
}

impl Setting for String {
    fn read(value: &Value) -> Result<String, String> {
        let text = text("a string", value)?;
        if text.contains('\0') {
            return Err("must not contain a NUL character".into());
        }
        Ok(text.to_owned())
    }
}

impl Setting for Secret {
    fn read(value: &Value) -> Result<Secret, String> {
        text("a string", value).map(|text| Secret(text.to_owned()))
    }
}

impl Setting for PathBuf {
    fn read(value: &Value) -> Result<PathBuf, String> {
        match text("a path", value)? {
            "" => Err("must not be empty".into()),
            path => Ok(path.into()),
        }
    }
}

impl Setting for bool {
    fn read(value: &Value) -> Result<bool, String> {
        match &value.kind {
            ValueKind::Boolean(value) => Ok(*value),
            ValueKind::String(text) if is_from_environment(value) => {
                text.parse().map_err(|_| format!("must be true or false, not {text:?}"))
            }
            _ => Err(expected("true or false", value)),
        }
    }
}

impl Setting for Vec<String> {
    /// A list of words; in an environment variable separated by commas.
    fn read(value: &Value) -> Result<Vec<String>, String> {
        match &value.kind {
            ValueKind::Array(values) => values.iter().map(String::read).collect(),
            ValueKind::String(text) if is_from_environment(value) => {
                Ok(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
            }
            _ => Err(expected("a list of texts", value)),
        }
    }
}

impl Setting for i64 {
    fn read(value: &Value) -> Result<i64, String> {
        match &value.kind {
            ValueKind::I64(number) => Ok(*number),
            ValueKind::String(text) if is_from_environment(value) => {
                text.trim().parse().map_err(|_| format!("must be an integer, not {text:?}"))
            }
            _ => Err(expected("an integer", value)),
        }
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(value: &Value) -> Result<$type, String> {
                let number = i64::read(value)?;
                <$type>::try_from(number).map_err(|_| format!("must be between 0 and {}, not {number}", <$type>::MAX))
            }
        }
    )*};
}
unsigned!(u8, u16, u32, usize);

impl Setting for f64 {
    fn read(value: &Value) -> Result<f64, String> {
        match &value.kind {
            ValueKind::Float(number) => Ok(*number),
            // An integer is a number, too; configured factors are far below 2^53.
            ValueKind::I64(number) => Ok(*number as f64),
            ValueKind::String(text) if is_from_environment(value) => {
                text.trim().parse().map_err(|_| format!("must be a number, not {text:?}"))
            }
            _ => Err(expected("a number", value)),
        }
    }
}

impl Setting for Duration {
    fn read(value: &Value) -> Result<Duration, String> {
        match &value.kind {
            ValueKind::I64(number) => Err(format!("has no unit: write \"{number}s\" for seconds")),
            _ => unit::duration(text("a duration like \"22s\"", value)?),
        }
    }
}

impl Setting for Bytes {
    fn read(value: &Value) -> Result<Bytes, String> {
        match &value.kind {
            ValueKind::I64(_) => usize::read(value).map(Bytes),
            _ => unit::size(text("a size like \"4MB\"", value)?).map(Bytes),
        }
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<SocketAddr, String> {
        let text = text("an address like \"0.0.0.0:5683\"", value)?;
        text.parse().map_err(|_| format!("{text:?} is not an address with port like \"0.0.0.0:5683\" or \"[::]:5683\""))
    }
}
