//! Who may register: the identity that DTLS proved must be entitled to the endpoint name, and the topics must be safe.
use crate::Identities;
use contract::topic::Topics;
use lwm2m::registration::Registration;
use lwm2m::session::{Address, policy::Admission};
use std::sync::Arc;

/// The standard admission: refuses foreign endpoint names and registrations whose topics would be unsafe (4.00).
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    topics: Topics,
    identities: Arc<Identities>,
}

impl Gatekeeper {
    /// For these topics.
    pub fn new(topics: Topics, identities: Arc<Identities>) -> Gatekeeper {
        Gatekeeper { topics, identities }
    }
}

impl Admission for Gatekeeper {
    fn admit(&self, registration: &Registration, from: Address) -> Result<(), (coap::Code, String)> {
        if from.is_secure() {
            let identity = self.identities.of(from);
            // An association that is gone by now proves nothing any more.
            if !identity.as_ref().is_some_and(|identity| identity.may_register(&registration.endpoint)) {
                let who = identity.map_or_else(|| "a closed association".to_owned(), |identity| identity.to_string());
                return Err((coap::Code::BAD_REQUEST, format!("{who} may not register this endpoint")));
            }
        }
        match self.topics.expand(registration, from) {
            Ok(_) => Ok(()),
            Err(reason) => Err((coap::Code::BAD_REQUEST, reason)),
        }
    }
}
