//! `register` and `update` messages (contract 9.2 to 9.4).
use crate::json;
use lwm2m::registration::Registration;

/// Query members that may hold a secret; never published, however they are written.
pub(crate) const SECRETS: [&str; 29] = [
    "password",
    "passwd",
    "passcode",
    "secret",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "mfa_token",
    "security_token",
    "jwt",
    "jwk",
    "client_jwks",
    "api_key",
    "api_secret",
    "access_key_id",
    "access_key_secret",
    "secret_access_key",
    "aws_secret_access_key",
    "secret_key",
    "account_key",
    "client_secret",
    "private_key",
    "sp_private_key",
    "private_key_password",
    "bind_password",
    "sentinel_password",
    "new_pwd",
    "old_pwd",
];

/// Renders the message.
pub(super) fn render(message_type: &str, registration: &Registration) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"msgType\":");
    json::string(&mut out, message_type);
    out.extend_from_slice(b",\"data\":{\"ep\":");
    json::string(&mut out, &registration.endpoint);
    out.extend_from_slice(b",\"lt\":");
    json::integer(&mut out, lifetime(registration));
    for (index, (name, value)) in registration.members.iter().enumerate() {
        // ours are written in our way; of members sent twice the first counts, as for the registration itself
        let ours = matches!(name.as_str(), "ep" | "lt" | "alternatePath" | "objectList");
        let secret = SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret));
        let repeated = registration.members[..index].iter().any(|(earlier, _)| earlier == name);
        if !ours && !secret && !repeated {
            out.push(b',');
            json::string(&mut out, name);
            out.push(b':');
            json::string(&mut out, value);
        }
    }
    if let Some(objects) = &registration.objects {
        out.extend_from_slice(b",\"alternatePath\":");
        json::string(&mut out, &objects.alternate_path_text);
        out.extend_from_slice(b",\"objectList\":[");
        for link in &objects.links {
            json::comma(&mut out);
            json::string(&mut out, link);
        }
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
    out
}

/// `lt` as the device sent it; the effective lifetime where it sent none.
fn lifetime(registration: &Registration) -> u64 {
    let sent = registration.member("lt").and_then(|text| text.parse().ok());
    sent.unwrap_or(registration.lifetime.as_secs())
}

/// `/rd/5f3a`
pub(super) fn location(segments: &[String]) -> String {
    segments.iter().fold(String::new(), |location, segment| location + "/" + segment)
}
