//! The one place that reads the clocks.
use lwm2m::session::Now;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// This moment. A system clock before 1970 counts as 1970.
pub(crate) fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Now { instant: Instant::now(), unix }
}
