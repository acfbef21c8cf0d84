//! Ready-made devices with living values.

use crate::device::DeviceBuilder;
use crate::objects::Resource;
use crate::value::{DataType, Value};
use crate::waveform::Waveform;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A thermometer: IPSO Temperature (3303) around 21 °C, a full swing in two minutes.
    Temperature,
    /// A battery that drains within ten minutes: level and voltage in the Device object (3).
    Battery,
    /// A tracker that drives in a circle: Location (6).
    Location,
}

impl Profile {
    /// The name, as it stands on the command line and in endpoint names.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Temperature => "temperature",
            Profile::Battery => "battery",
            Profile::Location => "location",
        }
    }

    /// The profile with this name.
    pub fn from_name(name: &str) -> Option<Profile> {
        [Profile::Temperature, Profile::Battery, Profile::Location].into_iter().find(|p| p.name() == name)
    }

    /// Adds the profile's objects, and the Server and Device objects that every device has.
    pub fn apply(self, builder: DeviceBuilder) -> DeviceBuilder {
        let builder = common(builder, self.name());
        match self {
            Profile::Temperature => temperature(builder),
            Profile::Battery => battery(builder),
            Profile::Location => location(builder),
        }
    }
}

/// Server (1) and Device (3).
fn common(builder: DeviceBuilder, model: &str) -> DeviceBuilder {
    builder
        .value([1, 0, 0], 101i64)
        .resource([1, 0, 1], Resource::value(300i64).writable())
        .resource([1, 0, 2], Resource::value(0i64).writable())
        .resource([1, 0, 3], Resource::value(0i64).writable())
        .resource([1, 0, 6], Resource::value(true).writable())
        .resource([1, 0, 7], Resource::value("U").writable())
        .executable([1, 0, 8])
        .value([3, 0, 0], "lwm2m-sim")
        .value([3, 0, 1], model)
        .value([3, 0, 2], "0001")
        .value([3, 0, 3], env!("CARGO_PKG_VERSION"))
        .executable([3, 0, 4])
        .resource([3, 0, 11], Resource::multiple(DataType::Integer, [(0, 0i64)]))
        .executable([3, 0, 12])
        .resource([3, 0, 13], Resource::living(DataType::Time, |_| Value::Time(unix_now())).writable())
        .resource([3, 0, 14], Resource::value("+00:00").writable())
        .resource([3, 0, 15], Resource::value("Europe/Berlin").writable())
        .value([3, 0, 16], "U")
}

fn temperature(builder: DeviceBuilder) -> DeviceBuilder {
    let wave = Waveform::Sine { low: 18.0, high: 24.0, period: Duration::from_secs(120) };
    builder
        .living([3303, 0, 5700], DataType::Float, move |t| Value::Float32(wave.rounded(t, 1) as f32))
        .value([3303, 0, 5601], 18.0f32)
        .value([3303, 0, 5602], 24.0f32)
        .value([3303, 0, 5603], -40.0f32)
        .value([3303, 0, 5604], 85.0f32)
        .executable([3303, 0, 5605])
        .value([3303, 0, 5701], "Cel")
}

fn battery(builder: DeviceBuilder) -> DeviceBuilder {
    let level = Waveform::Drain { high: 100.0, low: 5.0, period: Duration::from_secs(600) };
    let millivolts = Waveform::Drain { high: 4200.0, low: 3300.0, period: Duration::from_secs(600) };
    builder
        .resource([3, 0, 6], Resource::multiple(DataType::Integer, [(0, 1i64)]))
        .living([3, 0, 7], DataType::Integer, move |t| Value::Integer(millivolts.rounded(t, -1) as i64))
        .living([3, 0, 9], DataType::Integer, move |t| Value::Integer(level.at(t).round() as i64))
        .living([3, 0, 20], DataType::Integer, move |t| Value::Integer(if level.at(t) < 20.0 { 4 } else { 0 }))
        .value([3, 0, 21], 2600i64)
}

fn location(builder: DeviceBuilder) -> DeviceBuilder {
    // A circle of about two kilometres, the second coordinate a quarter of the period behind the first.
    let period = Duration::from_secs(300);
    let latitude = Waveform::Sine { low: 52.51, high: 52.53, period };
    let longitude = Waveform::Sine { low: 13.39, high: 13.42, period };
    let behind = move |t: Duration| t + period / 4;
    builder
        .living([6, 0, 0], DataType::Float, move |t| Value::Float(latitude.rounded(t, 5)))
        .living([6, 0, 1], DataType::Float, move |t| Value::Float(longitude.rounded(behind(t), 5)))
        .value([6, 0, 2], 34.0)
        .living([6, 0, 5], DataType::Time, |_| Value::Time(unix_now()))
        .value([6, 0, 6], 7.5)
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
