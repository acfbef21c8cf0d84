//! The registration interface (TS Core §6.2): Register and Update requests, and what is known of a registered device.
use crate::link::{self, ObjectList, Version};
use coap::{Code, Method, Request};
use std::time::Duration;

/// Longest endpoint name in bytes: a Uri-Query option holds 255, `ep=` takes three of them.
pub const ENDPOINT_MAX: usize = 252;

/// What a device said about itself; replaced by Register, merged by Update.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Registration {
    /// Endpoint name.
    pub endpoint: String,
    /// Location-Path segments: `rd` and an unguessable id.
    pub location: Vec<String>,
    /// The query members as sent, in order, `lt` included (its text as sent, `86400` if it was absent). Of the members without `=` only
    /// `Q` is kept, with an empty value.
    pub members: Vec<(String, String)>,
    /// Effective lifetime (after defaults and bounds).
    pub lifetime: Duration,
    /// Enabler version.
    pub version: Version,
    /// The device uses queue mode (contract chapter 10).
    pub queue_mode: bool,
    /// The object list, if ever one was sent.
    pub objects: Option<ObjectList>,
}

/// Bounds of the lifetime that a device may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LifetimeBounds {
    /// Shorter lifetimes are refused.
    pub min: Duration,
    /// Longer ones are cut to this; also the effective lifetime of `lt=0`.
    pub max: Duration,
}

/// Why a request of the registration interface is refused: the code for the device and the reason in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Refusal {
    /// For the device.
    pub code: Code,
    /// In words; also the diagnostic payload.
    pub reason: String,
}

fn refuse<T>(code: Code, reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, reason: reason.into() })
}

fn bad<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    refuse(Code::BAD_REQUEST, reason)
}

/// The resources of the gateway that devices talk to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// `POST /rd`
    Register,
    /// `POST` to the location
    Update,
    /// `DELETE` of the location
    Deregister,
    /// `POST /dp`
    Send,
    /// `GET /.well-known/core`
    Core,
    /// Nothing that is offered; the code says why.
    Refused(Code),
}

/// What a request is for. `location`: the one of the registration, if there is one.
pub fn resource<S: AsRef<[u8]>>(method: Method, path: &[S], location: Option<&[String]>) -> Resource {
    let is =
        |names: &[&str]| path.len() == names.len() && path.iter().zip(names).all(|(a, b)| a.as_ref() == b.as_bytes());
    let is_location = location.is_some_and(|location| {
        path.len() == location.len() && path.iter().zip(location).all(|(a, b)| a.as_ref() == b.as_bytes())
    });
    let only = |wanted: Method, resource: Resource| match method == wanted {
        true => resource,
        false => Resource::Refused(Code::METHOD_NOT_ALLOWED),
    };
    match method {
        Method::Delete if path.is_empty() => Resource::Refused(Code::BAD_REQUEST),
        Method::Post if is_location => Resource::Update,
        Method::Delete if is_location => Resource::Deregister,
        _ if is_location => Resource::Refused(Code::METHOD_NOT_ALLOWED),
        _ if is(&["rd"]) => only(Method::Post, Resource::Register),
        _ if is(&["dp"]) => only(Method::Post, Resource::Send),
        _ if is(&[".well-known", "core"]) => only(Method::Get, Resource::Core),
        _ => Resource::Refused(Code::NOT_FOUND),
    }
}

/// Whether a name may be an endpoint name at all; `Err` says why not.
pub fn check_endpoint(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("ep is empty"),
        _ if name.len() > ENDPOINT_MAX => Err("ep is longer than 252 bytes"),
        _ if name.chars().any(char::is_control) => Err("ep holds control characters"),
        _ => Ok(()),
    }
}

/// The checks of a Register that need no knowledge of settings or state, in the order of contract 9.1: version, endpoint name, syntax
/// of the lifetime. Yields the endpoint name; `identity` serves in its place from LwM2M 1.1 on when the query names none.
pub fn check_register<'a>(query: &'a [String], identity: Option<&'a str>) -> Result<&'a str, Refusal> {
    let version = version(query)?;
    let endpoint = endpoint(query, version, identity)?;
    lifetime_seconds(query)?;
    queue_flag(query)?;
    Ok(endpoint)
}

impl Registration {
    /// First value of a query member.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Reads a Register (contract 9.1).
    pub fn from_register(
        request: &Request,
        identity: Option<&str>,
        bounds: LifetimeBounds,
        location: Vec<String>,
    ) -> Result<Registration, Refusal> {
        let version = version(&request.query)?;
        let endpoint = endpoint(&request.query, version, identity)?.to_owned();
        let seconds = lifetime_seconds(&request.query)?;
        let lifetime = effective(seconds.unwrap_or(86_400), bounds)?;
        queue_flag(&request.query)?;
        let mut members: Vec<_> = members(&request.query).collect();
        if seconds.is_none() {
            members.push(("lt".to_owned(), "86400".to_owned()));
        }
        let objects = object_list(request)?;
        let queue_mode = queue_mode(version, &members);
        members.shrink_to_fit();
        Ok(Registration { endpoint, location, members, lifetime, version, queue_mode, objects })
    }

    /// Merges an Update (contract 9.4) into a copy; `None`: it changes nothing but the time. `ep` and `lwm2m` never change by an Update.
    pub fn merged(&self, request: &Request, bounds: LifetimeBounds) -> Result<Option<Registration>, Refusal> {
        let seconds = lifetime_seconds(&request.query)?;
        queue_flag(&request.query)?;
        let lifetime = seconds.map(|seconds| effective(seconds, bounds)).transpose()?;
        let objects = object_list(request)?;
        if request.query.is_empty() && objects.is_none() {
            return Ok(None);
        }
        let mut merged = self.clone();
        let sent: Vec<_> = members(&request.query).filter(|(name, _)| name != "ep" && name != "lwm2m").collect();
        // OMA gives no other way to leave queue mode: a binding without `Q` does (L-036).
        if sent.iter().any(|(name, _)| name == "b") && !sent.iter().any(|(name, _)| name == "Q") {
            merged.members.retain(|(name, _)| name != "Q");
        }
        for (name, value) in sent {
            match merged.members.iter_mut().find(|(known, _)| *known == name) {
                Some(member) => member.1 = value,
                None => merged.members.push((name, value)),
            }
        }
        merged.lifetime = lifetime.unwrap_or(self.lifetime);
        merged.queue_mode = queue_mode(self.version, &merged.members);
        if objects.is_some() {
            merged.objects = objects;
        }
        Ok(Some(merged))
    }
}

/// All members with `=`, split at the first one, and the flag `Q`; others mean nothing.
fn members(query: &[String]) -> impl Iterator<Item = (String, String)> + '_ {
    query.iter().filter_map(|member| match member.split_once('=') {
        Some(("", _)) => None,
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None if member == "Q" => Some(("Q".to_owned(), String::new())),
        None => None,
    })
}

fn values<'a>(query: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    query.iter().filter_map(move |member| member.strip_prefix(name)?.strip_prefix('='))
}

fn version(query: &[String]) -> Result<Version, Refusal> {
    match values(query, "lwm2m").next() {
        Some("1" | "1.0") => Ok(Version::new(1, 0)),
        Some("1.1") => Ok(Version::new(1, 1)),
        Some("1.2") => Ok(Version::new(1, 2)),
        Some(_) => refuse(Code::PRECONDITION_FAILED, "lwm2m version is not one of 1.0, 1.1, 1.2"),
        None => bad("lwm2m is missing"),
    }
}

fn endpoint<'a>(query: &'a [String], version: Version, identity: Option<&'a str>) -> Result<&'a str, Refusal> {
    let mut names = values(query, "ep");
    let name = match (names.next(), identity) {
        (Some(name), _) => name,
        (None, Some(identity)) if version >= Version::new(1, 1) => identity,
        (None, _) => return bad("ep is missing"),
    };
    if names.next().is_some() {
        return bad("ep is repeated");
    }
    match check_endpoint(name) {
        Ok(()) => Ok(name),
        Err(reason) => bad(reason),
    }
}

fn lifetime_seconds(query: &[String]) -> Result<Option<u32>, Refusal> {
    let Some(text) = values(query, "lt").next() else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match digits.then(|| text.parse().ok()).flatten() {
        Some(seconds) => Ok(Some(seconds)),
        None => bad("lt is not a number of seconds below 2^32"),
    }
}

fn effective(seconds: u32, bounds: LifetimeBounds) -> Result<Duration, Refusal> {
    let lifetime = Duration::from_secs(seconds.into());
    match seconds {
        0 => Ok(bounds.max),
        _ if lifetime < bounds.min => bad(format!("lt is below {} s", bounds.min.as_secs_f64())),
        _ => Ok(lifetime.min(bounds.max)),
    }
}

fn queue_flag(query: &[String]) -> Result<(), Refusal> {
    match values(query, "Q").next() {
        Some(_) => bad("Q has a value"),
        None => Ok(()),
    }
}

/// Contract chapter 10; `Q` means something from LwM2M 1.1 on, as a flag or, wrongly but common in the field, inside `b`.
fn queue_mode(version: Version, members: &[(String, String)]) -> bool {
    let since_1_1 = version >= Version::new(1, 1);
    members.iter().any(|(name, value)| match name.as_str() {
        "b" => matches!(value.as_str(), "UQ" | "SQ" | "UQS") || (since_1_1 && value.contains('Q')),
        "apn" => matches!(value.as_str(), "Ctnb" | "psmA.eDRX0.ctnb" | "psmC.eDRX0.ctnb" | "psmF.eDRXC.ctnb"),
        "Q" => since_1_1,
        _ => false,
    })
}

fn object_list(request: &Request) -> Result<Option<ObjectList>, Refusal> {
    if request.payload.is_empty() {
        return Ok(None);
    }
    if !matches!(request.content_format, None | Some(0 | 40)) {
        return refuse(Code::UNSUPPORTED_CONTENT_FORMAT, "an object list has content format 40");
    }
    match link::parse_object_list(&request.payload) {
        Ok(list) => Ok(Some(list)),
        Err(error) => bad(format!("object list: {error}")),
    }
}
