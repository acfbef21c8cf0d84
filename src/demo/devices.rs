//! The three simulated devices, with values that live.
use simulator::{DataType, Device, DeviceBuilder, Resource, Value};
use std::f64::consts::TAU;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A thermometer with an IPSO Temperature object.
pub(super) const THERMOMETER: &str = "demo-thermometer";
/// A battery-powered meter.
pub(super) const METER: &str = "demo-meter";
/// A tracker on its round.
pub(super) const TRACKER: &str = "demo-tracker";
/// All of them.
pub(super) const ALL: [&str; 3] = [THERMOMETER, METER, TRACKER];

/// Values change in steps of this, so that the print stays readable.
const STEP: Duration = Duration::from_secs(5);

/// Starts and registers all three; they live as long as what is returned.
///
/// # Errors
/// The gateway does not take one of them; in words.
pub(super) async fn start(gateway: SocketAddr) -> Result<Vec<Device>, String> {
    let mut devices = Vec::new();
    for (name, builder) in [(THERMOMETER, thermometer()), (METER, meter()), (TRACKER, tracker())] {
        let device = builder.register(gateway).await.map_err(|error| format!("{name} could not register: {error}"))?;
        devices.push(device);
    }
    Ok(devices)
}

fn device(name: &str, model: &str) -> DeviceBuilder {
    Device::builder(name)
        .lifetime(60)
        .pmin(STEP)
        .value([1, 0, 0], Value::Integer(1))
        .resource([1, 0, 1], Resource::value(Value::Integer(60)).writable())
        .value([3, 0, 0], "Example Devices")
        .value([3, 0, 1], model)
        .executable([3, 0, 4])
        .living([3, 0, 13], DataType::Time, |_| Value::Time(now()))
        .resource([3, 0, 14], Resource::value("+00:00").writable())
}

fn thermometer() -> DeviceBuilder {
    device(THERMOMETER, "T-1")
        .living([3303, 0, 5700], DataType::Float, |t| Value::Float(rounded(21.0 + 1.5 * wave(t, 60.0), 10.0)))
        .value([3303, 0, 5701], "Cel")
        .executable([3303, 0, 5605])
}

fn meter() -> DeviceBuilder {
    device(METER, "M-7").version("1.0").living([3, 0, 9], DataType::Integer, |t| {
        // One per cent for each step, and after the last one a new battery.
        let steps = i64::try_from(t.as_secs() / STEP.as_secs()).unwrap_or_default();
        Value::Integer(100 - steps % 100)
    })
}

fn tracker() -> DeviceBuilder {
    device(TRACKER, "G-2")
        .living([6, 0, 0], DataType::Float, |t| Value::Float(rounded(52.5163 + 0.01 * wave(t, 120.0), 1e4)))
        .living([6, 0, 1], DataType::Float, |t| {
            Value::Float(rounded(13.3777 + 0.01 * wave(t + Duration::from_secs(30), 120.0), 1e4))
        })
        .living([6, 0, 5], DataType::Time, |_| Value::Time(now() / 5 * 5))
}

/// A sine of the given period, in steps.
fn wave(t: Duration, period: f64) -> f64 {
    let steps = (t.as_secs_f64() / STEP.as_secs_f64()).floor();
    (steps * STEP.as_secs_f64() / period * TAU).sin()
}

fn rounded(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
