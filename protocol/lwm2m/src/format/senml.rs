//! SenML (RFC 8428) as LwM2M uses it: what the JSON and the CBOR form have in common.

/// Times below this are relative to now (RFC 8428 §4.5.3).
const RELATIVE: f64 = 268_435_456.0;

/// Unix seconds of a time as it stands in a pack.
pub(super) fn absolute_time(time: f64, now: f64) -> Result<f64, String> {
    if !time.is_finite() {
        return Err("time is not finite".into());
    }
    Ok(if time < RELATIVE { now + time } else { time })
}
