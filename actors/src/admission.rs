//! Who may register: topic safety first; identity and provisioning come on top.
use contract::topic::Topics;
use lwm2m::registration::Registration;
use lwm2m::session::{Address, policy::Admission};

/// The standard admission: refuses registrations whose topics would be unsafe (4.00).
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    topics: Topics,
}

impl Gatekeeper {
    /// For these topics.
    pub fn new(topics: Topics) -> Gatekeeper {
        Gatekeeper { topics }
    }
}

impl Admission for Gatekeeper {
    fn admit(&self, registration: &Registration, from: Address) -> Result<(), (coap::Code, String)> {
        match self.topics.expand(registration, from) {
            Ok(_) => Ok(()),
            Err(reason) => Err((coap::Code::BAD_REQUEST, reason)),
        }
    }
}
