//! Typed values of resources (OMA TS Core, appendix C "data types").

/// The ten data types, with `Execute` standing for "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// UTF-8 text.
    String,
    /// Signed, up to 64 bit.
    Integer,
    /// Unsigned, up to 64 bit (LwM2M 1.1).
    Unsigned,
    /// IEEE 754.
    Float,
    /// True or false.
    Boolean,
    /// Bytes.
    Opaque,
    /// Seconds since 1970.
    Time,
    /// Object and instance.
    Objlnk,
    /// Link format text (LwM2M 1.1).
    Corelnk,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// UTF-8 text.
    String(String),
    /// Signed integer.
    Integer(i64),
    /// Unsigned integer.
    Unsigned(u64),
    /// Double precision: 8 bytes in TLV.
    Float(f64),
    /// Single precision: 4 bytes in TLV.
    Float32(f32),
    /// True or false.
    Boolean(bool),
    /// Bytes.
    Opaque(Vec<u8>),
    /// Seconds since 1970.
    Time(i64),
    /// Object and instance; 65535, 65535 is the null link.
    Objlnk(u16, u16),
    /// Link format text.
    Corelnk(String),
}

impl Value {
    /// The data type that this value belongs to.
    pub fn data_type(&self) -> DataType {
        match self {
            Value::String(_) => DataType::String,
            Value::Integer(_) => DataType::Integer,
            Value::Unsigned(_) => DataType::Unsigned,
            Value::Float(_) | Value::Float32(_) => DataType::Float,
            Value::Boolean(_) => DataType::Boolean,
            Value::Opaque(_) => DataType::Opaque,
            Value::Time(_) => DataType::Time,
            Value::Objlnk(..) => DataType::Objlnk,
            Value::Corelnk(_) => DataType::Corelnk,
        }
    }

    /// The value as a number, for the attributes gt, lt and st.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Integer(v) | Value::Time(v) => Some(*v as f64),
            Value::Unsigned(v) => Some(*v as f64),
            Value::Float(v) => Some(*v),
            Value::Float32(v) => Some(f64::from(*v)),
            _ => None,
        }
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Value {
                Value::$variant(value.into())
            }
        }
    )+};
}

value_from! {
    &str => String,
    String => String,
    i32 => Integer,
    i64 => Integer,
    u64 => Unsigned,
    f64 => Float,
    f32 => Float32,
    bool => Boolean,
    Vec<u8> => Opaque,
    &[u8] => Opaque,
}

impl From<(u16, u16)> for Value {
    fn from((object, instance): (u16, u16)) -> Value {
        Value::Objlnk(object, instance)
    }
}
