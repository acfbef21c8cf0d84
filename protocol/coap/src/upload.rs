//! A request body on its way to the peer in blocks (Block1, RFC 7959 §2.5).
use crate::block::{self, Block};
use crate::exchange::Verdict;
use crate::peer::Failure;
use crate::transmission::MESSAGE_SIZE;
use crate::{Code, Config, Kind, Message, Request, option};

/// Room kept for token, Block1, Block2, Size1, Echo and Request-Tag beside the options of the request.
const OPTION_ROOM: usize = 8 + 5 + 5 + 6 + 43 + 7;

/// Where the transfer stands.
#[derive(Debug)]
pub(crate) struct Upload {
    /// First byte of the block in flight.
    offset: usize,
    exponent: u8,
    /// Request-Tag of a transfer that must not be mixed up with an earlier one (RFC 9175 §3.3).
    tag: Option<u32>,
    restarted: bool,
}

impl Upload {
    /// The transfer that the request's body needs, if it does not fit into one message.
    pub(crate) fn needed(request: &Request, config: &Config) -> Option<Upload> {
        if !config.blockwise.enable || request.payload.is_empty() {
            return None;
        }
        let mut head = Message::new(Kind::Confirmable, request.method.code(), 0, &[]);
        request.write_target(&mut head);
        request.write_content_format(&mut head);
        let room = MESSAGE_SIZE.saturating_sub(head.length_without_payload() + OPTION_ROOM + 1);
        let exponent = config.blockwise.exponent().min(block::exponent_within(room));
        let needed = request.payload.len() > block::size(exponent);
        needed.then_some(Upload { offset: 0, exponent, tag: None, restarted: false })
    }
    /// Once more from the beginning, with another size.
    pub(crate) fn restarted(exponent: u8, tag: u32) -> Upload {
        Upload { offset: 0, exponent, tag: Some(tag), restarted: true }
    }
    pub(crate) fn is_restarted(&self) -> bool {
        self.restarted
    }
    pub(crate) fn exponent(&self) -> u8 {
        self.exponent
    }
    /// Sets this transfer apart from one to the same target that was broken off.
    pub(crate) fn set_tag(&mut self, tag: u32) {
        self.tag = Some(tag);
    }

    pub(crate) fn is_last(&self, body: &[u8]) -> bool {
        self.end(body) == body.len()
    }
    fn end(&self, body: &[u8]) -> usize {
        body.len().min(self.offset + block::size(self.exponent))
    }

    /// Adds the block in flight.
    pub(crate) fn write_block(&self, body: &[u8], message: &mut Message) {
        let number = (self.offset / block::size(self.exponent)) as u32;
        let block = Block { number, more: !self.is_last(body), exponent: self.exponent };
        message.add_uint(option::BLOCK1, block.to_uint());
        if self.offset == 0 {
            message.add_uint(option::SIZE1, body.len() as u32);
        }
        if let Some(tag) = self.tag {
            message.add_option(option::REQUEST_TAG, tag.to_be_bytes());
        }
        message.set_payload(&body[self.offset..self.end(body)]);
    }

    /// Takes the response to the block in flight; `None`: it is the response to the request as a whole.
    pub(crate) fn accept(&mut self, message: &Message, piggybacked: bool, body: &[u8]) -> Option<Verdict> {
        let code = message.code();
        if !code.is_success() {
            return None;
        }
        let incomplete = Some(Verdict::Fail(Failure::Incomplete));
        let echoed = message.block1();
        let current = (self.offset / block::size(self.exponent)) as u32;
        if let Some(block) = echoed
            && block.number != current
        {
            // A repeated answer to an earlier block has the same token; an ACK of this very message has no excuse.
            return if !piggybacked && block.number < current { Some(Verdict::Stray) } else { incomplete };
        }
        if self.is_last(body) {
            return if code == Code::CONTINUE { incomplete } else { None };
        }
        if code != Code::CONTINUE && echoed.is_none() {
            return incomplete;
        }
        let wanted = echoed.map_or(self.exponent, |block| block.exponent);
        if wanted > 6 {
            return incomplete;
        }
        let done = self.end(body);
        let exponent = self.exponent.min(wanted);
        if Block::at(done, exponent, false).is_none() {
            return Some(Verdict::Fail(Failure::BodyTooLarge));
        }
        (self.offset, self.exponent) = (done, exponent);
        Some(Verdict::Continue(Some((done, Some(body.len())))))
    }
}
