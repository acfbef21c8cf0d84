//! The gateway's own retained status message (extensions §7).
use crate::json;

/// The last will, and the last message of an orderly end.
pub const OFFLINE: &[u8] = b"{\"status\":\"offline\"}";

/// The message after each connection: version of the gateway, moment in Unix seconds.
pub fn online(version: &str, unix: f64) -> Vec<u8> {
    let mut out = Vec::with_capacity(80);
    out.extend_from_slice(b"{\"status\":\"online\",\"version\":");
    json::string(&mut out, version);
    out.extend_from_slice(b",\"time\":");
    json::seconds(&mut out, (unix * 1e3).round() / 1e3);
    out.push(b'}');
    out
}
