//! A response body on its way from the peer in blocks (Block2, RFC 7959 §2.4).
use crate::block::{self, Block};
use crate::budget::Body;
use crate::exchange::Verdict;
use crate::peer::Failure;
use crate::{Config, Message, Response, option};

/// The body so far, in the response that it belongs to.
#[derive(Debug)]
pub(crate) struct Download {
    /// Without its payload.
    response: Response,
    body: Body,
    exponent: u8,
    etag: Option<Box<[u8]>>,
    total: Option<usize>,
    restarted: bool,
}

impl Download {
    /// Takes the first message of a response: complete, or the beginning of a download.
    pub(crate) fn first(message: Message, config: &Config) -> (Verdict, Option<Box<Download>>) {
        let fail = |failure| (Verdict::Fail(failure), None);
        let block = message.block2().filter(|_| message.code().is_success());
        if let Some(block) = block {
            if !config.blockwise.enable {
                return fail(Failure::CriticalOption(option::BLOCK2));
            }
            if block.is_reserved() || block.number != 0 || !block.fits(message.payload().len()) {
                return fail(Failure::Incomplete);
            }
        }
        if message.payload().len() > config.blockwise.max_body_size {
            return fail(Failure::BodyTooLarge);
        }
        let Some(block) = block.filter(|block| block.more) else {
            return (Verdict::Complete(Response::read(message)), None);
        };
        let total = announced(&message);
        if total.is_some_and(|total| total > config.blockwise.max_body_size) {
            return fail(Failure::BodyTooLarge);
        }
        let mut body = config.bodies.open();
        if body.append(message.payload()).is_err() {
            return fail(Failure::Exhausted);
        }
        let download = Download {
            exponent: block.exponent.min(config.blockwise.exponent()),
            etag: message.value(option::ETAG).map(Into::into),
            total,
            restarted: false,
            body,
            response: Response { payload: Vec::new(), ..Response::read(message) },
        };
        (Verdict::Continue(Some(download.progress())), Some(Box::new(download)))
    }

    /// Asks for the next block. Observe is not repeated (RFC 7959 §3.4).
    pub(crate) fn write_request(&self, message: &mut Message) {
        let number = (self.body.len() / block::size(self.exponent)) as u32;
        message.add_uint(option::BLOCK2, Block { number, more: false, exponent: self.exponent }.to_uint());
    }

    /// Takes the answer to the request for the next block.
    pub(crate) fn accept(
        &mut self,
        message: Message,
        piggybacked: bool,
        restartable: bool,
        config: &Config,
    ) -> Verdict {
        let done = self.body.len();
        if !message.code().is_success() {
            return Verdict::Complete(Response::read(message));
        }
        // A body that was restarted may fit into one message by now.
        let whole = (done == 0).then_some(Block { number: 0, more: false, exponent: 6 });
        let Some(block) = message.block2().or(whole).filter(|block| !block.is_reserved()) else {
            return Verdict::Fail(Failure::Incomplete);
        };
        if block.offset() != done {
            // A repeated answer to an earlier request has the same token; an ACK of this very message has no excuse.
            let stray = !piggybacked && block.offset() < done;
            return if stray { Verdict::Stray } else { Verdict::Fail(Failure::Incomplete) };
        }
        if done == 0 {
            self.begin_anew(&message);
        } else if message.value(option::ETAG) != self.etag.as_deref() {
            return self.restart(restartable);
        }
        if !block.fits(message.payload().len())
            || message.content_format() != self.response.content_format
            || block.more && message.payload().is_empty()
        {
            return Verdict::Fail(Failure::Incomplete);
        }
        let grown = done + message.payload().len();
        if grown > config.blockwise.max_body_size || Block::at(grown, block.exponent, false).is_none() {
            return Verdict::Fail(Failure::BodyTooLarge);
        }
        if self.body.append(message.payload()).is_err() {
            return Verdict::Fail(Failure::Exhausted);
        }
        self.exponent = self.exponent.min(block.exponent);
        if block.more {
            return Verdict::Continue(Some(self.progress()));
        }
        match self.body.take() {
            Some(payload) => {
                let response = std::mem::replace(&mut self.response, Response::new(message.code()));
                Verdict::Complete(Response { payload, ..response })
            }
            None => Verdict::Fail(Failure::Exhausted),
        }
    }

    /// The representation changed in mid-transfer: once, from the first block again (RFC 7959 §2.4).
    fn restart(&mut self, restartable: bool) -> Verdict {
        if !restartable || self.restarted {
            return Verdict::Fail(Failure::Incomplete);
        }
        self.restarted = true;
        self.body.clear();
        Verdict::Continue(None)
    }

    /// The first block of the second attempt: its options count, but the Observe value stays that of the notification.
    fn begin_anew(&mut self, message: &Message) {
        self.etag = message.value(option::ETAG).map(Into::into);
        self.total = announced(message);
        self.response.code = message.code();
        self.response.content_format = message.content_format();
        self.response.max_age = message.uint(option::MAX_AGE, 4);
    }

    fn progress(&self) -> (usize, Option<usize>) {
        (self.body.len(), self.total)
    }
}

/// Size2, if it says anything (RFC 7959 §4).
fn announced(message: &Message) -> Option<usize> {
    message.uint(option::SIZE2, 4).filter(|size| *size > 0).map(|size| size as usize)
}
