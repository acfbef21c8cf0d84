//! Requests of the peer and the answers to them.
use super::{IncomingId, Output, Peer, Response};
use crate::assembly::Step;
use crate::block::{self, Block};
use crate::duplicates::Answer;
use crate::incoming::{Incoming, Served};
use crate::reliability::{Due, Retransmission};
use crate::transmission::MESSAGE_SIZE;
use crate::{Code, Kind, Message, Request, option};
use siphasher::sip::SipHasher13;
use std::time::{Duration, Instant};

/// How long the ACK of a request waits for a response to go with it; the peer repeats itself after 2 s.
const ACK_DELAY: Duration = Duration::from_secs(1);
/// Requests of the peer that may wait for an answer at a time.
const PENDING_MAX: usize = 16;
/// Room for Block2, Size2, ETag and the payload marker.
const BLOCK_ROOM: usize = 5 + 6 + 6 + 1;

impl Peer {
    /// A new request of the peer.
    pub(super) fn handle_request(&mut self, now: Instant, mut message: Message) {
        let id = IncomingId(self.name());
        let transmission = &self.config.transmission;
        let ack_due = now + ACK_DELAY.min(transmission.ack_timeout / 2);
        let mut incoming = Incoming::new(id, &message, ack_due, now + transmission.exchange_lifetime());
        if let Some(refusal) = self.refusal(&message) {
            // A NON that is not understood is rejected without a word (RFC 7252 §5.4.1).
            if incoming.confirmable || refusal.code != Code::BAD_OPTION {
                self.answer(now, incoming, refusal);
            }
            return;
        }
        let body = match message.block1() {
            None if message.payload().len() > self.config.blockwise.max_body_size => {
                self.answer(now, incoming, Response::new(Code::REQUEST_ENTITY_TOO_LARGE));
                return;
            }
            None => None,
            Some(block) => {
                let preferred = self.config.blockwise.exponent();
                incoming.block1 = Some(Block { exponent: block.exponent.min(preferred), ..block });
                let config = self.config.clone();
                match self.server().assemblies.take(now, &message, block, &config) {
                    Step::Whole(body) => Some(body),
                    Step::More => return self.answer(now, incoming, Response::new(Code::CONTINUE)),
                    Step::Refuse(code) => return self.answer(now, incoming, Response::new(code)),
                }
            }
        };
        let mut request = match Request::read(&message, Vec::new()) {
            Ok(request) => request,
            Err((code, text)) => return self.answer(now, incoming, Response::diagnostic(code, text)),
        };
        request.payload = body.unwrap_or_else(|| message.take_payload());
        if incoming.block2.is_some_and(|block| block.number > 0) {
            if let Some(response) = self.take_served(&incoming) {
                return self.answer(now, incoming, response);
            }
            // A read is simply done again; anything else must not be.
            if !incoming.safe {
                return self.answer(now, incoming, Response::new(Code::REQUEST_ENTITY_INCOMPLETE));
            }
        }
        if self.server().pending.len() >= PENDING_MAX {
            if incoming.confirmable {
                self.answer(now, incoming, Response::new(Code::SERVICE_UNAVAILABLE));
            }
            return;
        }
        let confirmable = incoming.confirmable;
        self.server().pending.push(incoming);
        self.outputs.push_back(Output::Request { id, request, confirmable });
    }

    /// What this layer refuses by itself.
    fn refusal(&self, message: &Message) -> Option<Response> {
        let blockwise = self.config.blockwise.enable;
        if let Some(refusal) = refusal(message) {
            return Some(refusal);
        }
        let blocks = [option::BLOCK1, option::BLOCK2];
        if let Some(number) = blocks.into_iter().find(|number| !blockwise && message.value(*number).is_some()) {
            return Some(bad_option(number));
        }
        message
            .block2()
            .is_some_and(Block::is_reserved)
            .then(|| Response::diagnostic(Code::BAD_REQUEST, "reserved block size"))
    }

    pub(super) fn answer_pending(&mut self, now: Instant, id: IncomingId, response: Response) {
        let Some(server) = &mut self.server else {
            return;
        };
        if let Some(at) = server.pending.iter().position(|incoming| incoming.id == id) {
            let incoming = server.pending.remove(at);
            self.answer(now, incoming, response);
        }
    }

    /// Sends the response: in the ACK if that is still due, else as a message of its own.
    fn answer(&mut self, now: Instant, incoming: Incoming, response: Response) {
        let piggybacked = incoming.ack_due.is_some();
        if incoming.is_unwanted(&response) {
            if piggybacked {
                self.acknowledge(incoming.seen);
            }
            return;
        }
        let (kind, id) = if piggybacked {
            (Kind::Acknowledgement, incoming.seen.id)
        } else {
            // Without a free message id nothing can be said; the peer asks again or gives up.
            let Some(id) = self.ids.next(now, self.config.transmission.exchange_lifetime()) else {
                return;
            };
            (if incoming.confirmable { Kind::Confirmable } else { Kind::NonConfirmable }, id)
        };
        let datagram = self.encode_answer(now, kind, id, &incoming, response);
        if piggybacked {
            self.duplicates.set(incoming.seen, Answer::Datagram, Some(&datagram));
        } else if incoming.confirmable {
            let timeout = self.config.transmission.initial_timeout(self.random.jitter());
            self.server().separate.push(Retransmission::begin(now, id, datagram.clone(), timeout));
        }
        self.transmit(datagram);
    }

    fn encode_answer(
        &mut self,
        now: Instant,
        kind: Kind,
        id: u16,
        incoming: &Incoming,
        mut response: Response,
    ) -> Vec<u8> {
        let blockwise = &self.config.blockwise;
        if response.payload.len() > blockwise.max_body_size {
            response = Response::diagnostic(Code::INTERNAL_SERVER_ERROR, "response too large");
        }
        let wanted = incoming.block2.filter(|_| blockwise.enable && response.code.is_success());
        let mut offset = wanted.map_or(0, Block::offset);
        if offset > 0 && offset >= response.payload.len() {
            response = Response::diagnostic(Code::BAD_REQUEST, "no such block");
            offset = 0;
        }
        let mut message = Message::new(kind, response.code, id, incoming.token.as_slice());
        response.write_options(&mut message);
        if let Some(block) = incoming.block1.filter(|block| !block.is_reserved()) {
            message.add_uint(option::BLOCK1, block.to_uint());
        }
        if response.code == Code::REQUEST_ENTITY_TOO_LARGE {
            message.add_uint(option::SIZE1, u32::try_from(blockwise.max_body_size).unwrap_or(u32::MAX));
        }
        let room = MESSAGE_SIZE.saturating_sub(message.length_without_payload() + BLOCK_ROOM);
        let asked = wanted.map_or(6, |block| block.exponent);
        let exponent = blockwise.exponent().min(asked).min(block::exponent_within(room));
        let fits = offset == 0 && response.payload.len() <= block::size(exponent);
        let end = response.payload.len().min(offset + block::size(exponent));
        let more = end < response.payload.len();
        match Block::at(offset, exponent, more).filter(|_| blockwise.enable && !fits) {
            None => message.set_payload(response.payload),
            Some(block) => {
                let etag = SipHasher13::new().hash(&response.payload) as u32;
                message.add_option(option::ETAG, etag.to_be_bytes());
                message.add_uint(option::BLOCK2, block.to_uint());
                if offset == 0 {
                    message.add_uint(option::SIZE2, u32::try_from(response.payload.len()).unwrap_or(u32::MAX));
                }
                message.set_payload(&response.payload[offset..end]);
                if more {
                    let expires = now + blockwise.lifetime();
                    self.server().keep(Served { key: incoming.key.clone(), response, expires });
                }
            }
        }
        message.encode()
    }

    /// The response that the peer is fetching block by block.
    fn take_served(&mut self, incoming: &Incoming) -> Option<Response> {
        let served = &mut self.server.as_mut()?.served;
        let at = served.iter().position(|served| served.key == incoming.key)?;
        Some(served.remove(at).response)
    }

    /// The peer acknowledged or reset a separate response.
    pub(super) fn end_separate(&mut self, id: u16) -> bool {
        let Some(server) = &mut self.server else {
            return false;
        };
        let found = server.separate.iter().position(|retransmission| retransmission.id == id);
        found.map(|at| server.separate.swap_remove(at)).is_some()
    }

    pub(super) fn advance_server(&mut self, now: Instant) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        for incoming in &mut server.pending {
            if incoming.ack_due.is_some_and(|due| due <= now) {
                incoming.ack_due = None;
                self.acknowledge(incoming.seen);
            }
        }
        server.pending.retain(|incoming| now < incoming.expires);
        server.separate.retain_mut(|retransmission| match retransmission.advance(now, &self.config.transmission) {
            Due::Wait => true,
            Due::GiveUp => false,
            Due::Repeat(datagram) => {
                self.tally.retransmitted += 1;
                self.tally.transmitted += 1;
                self.outputs.push_back(Output::Transmit(datagram));
                true
            }
        });
        server.assemblies.expire(now);
        server.served.retain(|served| now < served.expires);
        self.server = Some(server);
    }
}

/// What nobody without knowledge of the resources could accept (RFC 7252 §5.4.1, §5.7.2, §5.8, §5.10.8).
pub(crate) fn refusal(message: &Message) -> Option<Response> {
    if message.method().is_none() {
        return Some(Response::diagnostic(Code::METHOD_NOT_ALLOWED, "unknown method"));
    }
    if message.value(option::PROXY_URI).or(message.value(option::PROXY_SCHEME)).is_some() {
        return Some(Response::diagnostic(Code::PROXYING_NOT_SUPPORTED, "not a proxy"));
    }
    if let Some(number) = option::unrecognised(message, true) {
        return Some(bad_option(number));
    }
    // Resources here have no ETag that could match, and always exist.
    let unmet = message.values(option::IF_MATCH).any(|etag| !etag.is_empty());
    (unmet || message.value(option::IF_NONE_MATCH).is_some()).then(|| Response::new(Code::PRECONDITION_FAILED))
}

fn bad_option(number: u16) -> Response {
    Response::diagnostic(Code::BAD_OPTION, format!("option {number} not supported"))
}
