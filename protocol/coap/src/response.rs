//! A response as a whole: its code, its few options and its complete body.
use crate::{Code, Message, option};

/// A response, in either direction, whole body included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// Response code.
    pub code: Code,
    /// Content-Format, `None` = option absent.
    pub content_format: Option<u16>,
    /// Observe sequence number (24 bits) of a response or notification.
    pub observe: Option<u32>,
    /// Location-Path segments.
    pub location_path: Vec<String>,
    /// Max-Age in seconds when present.
    pub max_age: Option<u32>,
    /// Body; the diagnostic text of an error.
    pub payload: Vec<u8>,
}

impl Response {
    /// A response without options and body.
    pub fn new(code: Code) -> Response {
        Response {
            code,
            content_format: None,
            observe: None,
            location_path: Vec::new(),
            max_age: None,
            payload: Vec::new(),
        }
    }

    /// A response with a diagnostic text (RFC 7252 §5.5.2).
    pub fn diagnostic(code: Code, text: impl Into<String>) -> Response {
        Response { payload: text.into().into_bytes(), ..Response::new(code) }
    }

    /// Reads a response, payload included. Location-Path segments that are not UTF-8 are read with replacement characters.
    pub(crate) fn read(mut message: Message) -> Response {
        Response {
            code: message.code(),
            content_format: message.content_format(),
            observe: message.observe(),
            location_path: message
                .values(option::LOCATION_PATH)
                .map(|segment| String::from_utf8_lossy(segment).into_owned())
                .collect(),
            max_age: message.uint(option::MAX_AGE, 4),
            payload: message.take_payload(),
        }
    }

    /// Adds all but the payload.
    pub(crate) fn write_options(&self, message: &mut Message) {
        if let Some(observe) = self.observe {
            message.add_uint(option::OBSERVE, observe & 0xff_ffff);
        }
        for segment in &self.location_path {
            message.add_option(option::LOCATION_PATH, segment.as_bytes());
        }
        if let Some(format) = self.content_format {
            message.add_uint(option::CONTENT_FORMAT, format.into());
        }
        if let Some(seconds) = self.max_age {
            message.add_uint(option::MAX_AGE, seconds);
        }
    }
}
