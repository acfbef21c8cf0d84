//! What a value that says its own kind (JSON, CBOR) means for a resource of a known type.
use crate::{ResourceType, Value};

/// A number as it stood on the wire. Integers never pass through a double.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Number {
    Integer(i128),
    Float(f64),
}

/// Integers up to here are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Number {
    /// As a double, rounded.
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) => float,
        }
    }

    /// `60.0` is the integer 60; beyond 2^53 a double no longer tells which integer was meant.
    fn integral(self) -> Option<i128> {
        match self {
            Number::Integer(integer) => Some(integer),
            Number::Float(float) if float.fract() == 0.0 && float.abs() <= EXACT => Some(float as i128),
            Number::Float(_) => None,
        }
    }

    /// Sum of two numbers; exact as long as both are integers.
    pub(super) fn plus(self, other: Number) -> Number {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => Number::Integer(a.saturating_add(b)),
            _ => Number::Float(self.as_f64() + other.as_f64()),
        }
    }
}

/// A number for a resource; without a known type an integer stays one.
pub(super) fn number(resource_type: Option<ResourceType>, number: Number) -> Result<Value, String> {
    if matches!(number, Number::Float(float) if !float.is_finite()) {
        return Err("number is not finite".into());
    }
    let range = || "number is out of range".to_string();
    match resource_type {
        None => match number {
            Number::Integer(integer) => match i64::try_from(integer) {
                Ok(signed) => Ok(Value::Integer(signed)),
                Err(_) => u64::try_from(integer).map(Value::Unsigned).map_err(|_| range()),
            },
            Number::Float(float) => Ok(Value::Float(float)),
        },
        Some(ResourceType::Float) => Ok(Value::Float(number.as_f64())),
        Some(ResourceType::Integer) => {
            let integer = number.integral().ok_or("not a whole number, or too large to be exact")?;
            i64::try_from(integer).map(Value::Integer).map_err(|_| range())
        }
        Some(ResourceType::Unsigned) => {
            let integer = number.integral().ok_or("not a whole number, or too large to be exact")?;
            u64::try_from(integer).map(Value::Unsigned).map_err(|_| range())
        }
        Some(ResourceType::Time) => match number.integral() {
            Some(integer) => i64::try_from(integer).map(Value::Time).map_err(|_| range()),
            // A clock finer than seconds; kept as it is, the contract has only numbers.
            None => Ok(Value::Float(number.as_f64())),
        },
        Some(other) => Err(mismatch("number", other)),
    }
}

/// A text for a resource.
pub(super) fn text(resource_type: Option<ResourceType>, text: String) -> Result<Value, String> {
    match resource_type {
        None | Some(ResourceType::String) => Ok(Value::String(text)),
        Some(ResourceType::CoreLink) => Ok(Value::CoreLink(text)),
        // Formats with a member of its own for links (`vlo`, `ov`) want it there, but Leshan sends them as text.
        Some(ResourceType::ObjectLink) => object_link(&text),
        Some(other) => Err(mismatch("text", other)),
    }
}

/// A truth value for a resource.
pub(super) fn boolean(resource_type: Option<ResourceType>, boolean: bool) -> Result<Value, String> {
    match resource_type {
        None | Some(ResourceType::Boolean) => Ok(Value::Boolean(boolean)),
        Some(other) => Err(mismatch("truth value", other)),
    }
}

/// Bytes for a resource.
pub(super) fn bytes(resource_type: Option<ResourceType>, bytes: Vec<u8>) -> Result<Value, String> {
    match resource_type {
        None | Some(ResourceType::Opaque) => Ok(Value::Opaque(bytes)),
        Some(other) => Err(mismatch("byte string", other)),
    }
}

/// An object link for a resource.
pub(super) fn link(resource_type: Option<ResourceType>, text: &str) -> Result<Value, String> {
    match resource_type {
        None | Some(ResourceType::ObjectLink) => object_link(text),
        Some(other) => Err(mismatch("object link", other)),
    }
}

/// `66:0`
pub(super) fn object_link(text: &str) -> Result<Value, String> {
    let id = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err("object link is not object:instance".to_string());
        }
        part.parse::<u16>().map_err(|_| "object link id is above 65535".to_string())
    };
    let (object, instance) = text.split_once(':').ok_or("object link is not object:instance")?;
    Ok(Value::ObjectLink(id(object)?, id(instance)?))
}

fn mismatch(what: &str, resource_type: ResourceType) -> String {
    format!("{what} for a resource of type {resource_type:?}")
}

/// The double nearest to the shortest decimal of a 32-bit float: 20.02 stays 20.02, where plain widening gives 20.020000457763672. Only
/// where that decimal would lie beyond what 32 bits can hold (3.4028235e38) the value itself is taken.
pub(super) fn widen(single: f32) -> f64 {
    let exact = f64::from(single);
    if exact.fract() == 0.0 && exact.abs() <= 16_777_216.0 || !exact.is_finite() {
        return exact;
    }
    let mut decimal = Decimal::default();
    // Writing to `Decimal` only fails when it is full, and then plain widening is still the right value to a single's precision.
    match std::fmt::Write::write_fmt(&mut decimal, format_args!("{single:e}")) {
        Ok(()) => decimal.as_str().parse().ok().filter(|wide: &f64| wide.abs() <= f32::MAX.into()).unwrap_or(exact),
        Err(_) => exact,
    }
}

/// Room for the shortest decimal of a single: sign, 9 digits, point, exponent.
#[derive(Default)]
struct Decimal {
    bytes: [u8; 24],
    len: usize,
}

impl Decimal {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl std::fmt::Write for Decimal {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}
