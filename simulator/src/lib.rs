//! Simulated LwM2M devices: the test bench of the gateway, and of anybody else's.
//!
//! A [`Device`] is a whole device in a task of its own: objects with living values, registration with updates,
//! observations with their attributes, block-wise transfer, scripted faults and a lossy network, with a log of all that
//! it saw. A [`RawClient`] sends hand-made datagrams. Nothing here is shared with the gateway: codecs and rules are
//! written a second time, so that an error on either side shows.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use simulator::{DataType, Device, Resource, Rule, Value};
//! use std::time::Duration;
//!
//! let device = Device::builder("sensor-1")
//!     .lifetime(60)
//!     .value([3, 0, 0], "Acme")
//!     .executable([3, 0, 4])
//!     .resource([3, 0, 14], Resource::value("+01").writable())
//!     .living([3303, 0, 5700], DataType::Float, |t| Value::Float32(20.0 + t.as_secs_f32().sin()))
//!     .rule(Rule::path("/3/0/4").once().separate(Duration::from_millis(300)))
//!     .register("127.0.0.1:5683".parse()?)
//!     .await?;
//! device.wait_observed([3303, 0, 5700], Duration::from_secs(5)).await?;
//! device.set([3303, 0, 5700], 21.5);
//! device.deregister().await?;
//! # Ok(())
//! # }
//! ```

mod device;
mod format;
pub mod hex;
pub mod load;
pub mod message;
mod objects;
mod objects_file;
mod path;
mod profile;
mod raw;
mod value;
mod waveform;

pub use device::{
    Answer, Config, Counters, Datagrams, Delivery, Device, DeviceBuilder, DeviceError, EndCause, Event, ExchangeError,
    LinkQuality, Log, Request, Rule, Update, WaitError,
};
pub use format::{Format, FormatError, Node, Types};
pub use message::{Code, Kind, Message};
pub use objects::{Handler, Living, Objects, Resource};
pub use objects_file::{ObjectsFileError, parse_objects};
pub use path::{Path, PathError};
pub use profile::Profile;
pub use raw::{RawClient, RawError};
pub use value::{DataType, Value};
pub use waveform::Waveform;
