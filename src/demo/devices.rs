//! The three simulated devices, with values that live.
use simulator::{Device, Profile};
use std::net::SocketAddr;
use std::time::Duration;

/// Measures the temperature.
pub(super) const THERMOMETER: &str = "demo-thermometer";
/// Runs on a battery that drains; LwM2M 1.0.
pub(super) const METER: &str = "demo-meter";
/// Drives in a circle.
pub(super) const TRACKER: &str = "demo-tracker";
/// All of them.
pub(super) const ALL: [&str; 3] = [THERMOMETER, METER, TRACKER];

/// Not more than one notification in this time, so that the print stays readable.
const CALM: Duration = Duration::from_secs(5);

/// Starts and registers all three; they live as long as what is returned.
///
/// # Errors
/// The gateway does not take one of them; in words.
pub(super) async fn start(gateway: SocketAddr) -> Result<Vec<Device>, String> {
    let mut devices = Vec::new();
    let kinds = [
        (THERMOMETER, Profile::Temperature, "1.1"),
        (METER, Profile::Battery, "1.0"),
        (TRACKER, Profile::Location, "1.1"),
    ];
    for (name, profile, version) in kinds {
        let builder = profile.apply(Device::builder(name).version(version).lifetime(60).pmin(CALM));
        let device = builder.register(gateway).await.map_err(|error| format!("{name} could not register: {error}"))?;
        devices.push(device);
    }
    Ok(devices)
}
