//! What a request does to the objects, and the answer to it.

use super::engine::{Download, Engine, Upload, is_unknown_critical};
use super::log::{EndCause, Event, Request};
use super::script::Answer;
use crate::format::{Format, FormatError, Node};
use crate::message::{Code, Message, option};
use crate::path::Path;
use std::time::Instant;

/// Content-Format 40, application/link-format.
const LINK_FORMAT: u32 = 40;
/// Bodies kept for later blocks.
const DOWNLOADS: usize = 16;

/// Number, more-flag and size of a Block option (RFC 7959 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) number: u32,
    pub(super) more: bool,
    pub(super) size: usize,
}

impl Block {
    pub(super) fn read(message: &Message, number: u16) -> Option<Block> {
        let value = message.uint(number)?;
        Some(Block { number: value >> 4, more: value & 8 != 0, size: 16 << (value & 7) })
    }

    pub(super) fn value(self) -> u32 {
        let exponent = (self.size / 16).max(1).ilog2().min(6);
        self.number << 4 | u32::from(self.more) << 3 | exponent
    }

    pub(super) fn offset(self) -> usize {
        self.number as usize * self.size
    }
}

impl Engine {
    /// Carries out a request and gives the answer; `None` for a NON request that needs none. `scripted` replaces
    /// what the objects would say.
    pub(super) fn answer(&mut self, now: Instant, message: &Message, scripted: Option<Answer>) -> Option<Answer> {
        self.counters.requests += 1;
        if message.options.iter().any(|(number, _)| is_unknown_critical(*number)) {
            return Some(Answer::code(Code::BAD_OPTION));
        }
        if let Some(block) = Block::read(message, option::BLOCK2)
            && block.number > 0
        {
            return Some(self.later_block(message, block));
        }
        let mut request = Request { path: message.path(), message: message.clone() };
        let upload = Block::read(message, option::BLOCK1);
        if let Some(block) = upload {
            match self.take_block(&request, block) {
                Ok(Some(body)) => request.message.payload = body,
                Ok(None) => {
                    let value = Block { size: block.size.min(self.config.block_size), ..block }.value();
                    return Some(Answer::code(Code::CONTINUE).option_uint(option::BLOCK1, value));
                }
                Err(code) => return Some(Answer::code(code).option_uint(option::BLOCK1, block.value())),
            }
        }
        self.note(now, Event::Request(request.clone()));
        let mut answer = match scripted {
            Some(answer) => answer,
            None => self.perform(now, &request).unwrap_or_else(Answer::code),
        };
        if let Some(block) = upload {
            answer = answer.option_uint(option::BLOCK1, Block { more: false, ..block }.value());
        }
        Some(self.first_block(message, answer))
    }

    fn take_block(&mut self, request: &Request, block: Block) -> Result<Option<Vec<u8>>, Code> {
        let key = (request.method(), request.path.clone());
        if block.number == 0 {
            self.uploads.retain(|upload| upload.key != key);
            self.uploads.push(Upload { key: key.clone(), body: Vec::new() });
        }
        let limit = self.config.max_body;
        let upload = self
            .uploads
            .iter_mut()
            .find(|upload| upload.key == key)
            .filter(|upload| upload.body.len() == block.offset())
            .ok_or(Code::REQUEST_ENTITY_INCOMPLETE)?;
        if upload.body.len() + request.payload().len() > limit {
            self.uploads.retain(|upload| upload.key != key);
            return Err(Code::REQUEST_ENTITY_TOO_LARGE);
        }
        // A smaller size wished for in the first 2.31 counts from the next block on; what came is kept.
        upload.body.extend_from_slice(request.payload());
        if block.more {
            return Ok(None);
        }
        let body = std::mem::take(&mut upload.body);
        self.uploads.retain(|upload| upload.key != key);
        Ok(Some(body))
    }

    /// Cuts a large answer to its first block and keeps the rest.
    pub(super) fn first_block(&mut self, request: &Message, answer: Answer) -> Answer {
        let wished = Block::read(request, option::BLOCK2).map(|block| block.size);
        let size = wished.unwrap_or(self.config.block_size).min(self.config.block_size);
        if answer.payload.len() <= size && wished.is_none() {
            return answer;
        }
        let key = download_key(request);
        let first = slice(&answer, Block { number: 0, more: false, size });
        self.downloads.retain(|download| download.key != key);
        if self.downloads.len() == DOWNLOADS {
            self.downloads.pop_front();
        }
        self.downloads.push_back(Download { key, answer });
        first
    }

    fn later_block(&mut self, request: &Message, block: Block) -> Answer {
        let key = download_key(request);
        match self.downloads.iter().find(|download| download.key == key) {
            Some(download) if block.offset() < download.answer.payload.len() => slice(&download.answer, block),
            Some(_) => Answer::code(Code::BAD_REQUEST),
            None => Answer::code(Code::REQUEST_ENTITY_INCOMPLETE),
        }
    }

    fn perform(&mut self, now: Instant, request: &Request) -> Result<Answer, Code> {
        let path = self.target(&request.path)?;
        let elapsed = now - self.started;
        // Only a bootstrap server may touch Security and OSCORE (OMA TS Core 1.1, appendix E.1).
        if matches!(path.id(0), Some(0 | 21)) {
            return Err(Code::UNAUTHORIZED);
        }
        match request.method() {
            Code::GET if request.accept() == Some(LINK_FORMAT) => {
                let attributes = |at: &Path| match *at == path && at.depth() == 3 {
                    true => self.effective_attribute_text(at),
                    false => self.attribute_text(at),
                };
                let links = self.objects.discover(&path, &attributes)?;
                Ok(Answer::numbered(LINK_FORMAT as u16, links))
            }
            Code::GET => {
                let nodes = self.objects.read(&path, elapsed)?;
                let answer = self.content(&path, &nodes, request.accept())?;
                Ok(self.observed(now, request, vec![path], nodes, answer))
            }
            Code::FETCH => {
                let nodes = self.decode(&path, request)?;
                let paths: Vec<Path> = nodes.into_iter().map(|node| node.path).collect();
                let nodes = self.read_all(&paths, elapsed);
                let accept = request.accept().or(request.content_format());
                let answer = self.content(&Path::root(), &nodes, accept)?;
                Ok(self.observed(now, request, paths, nodes, answer))
            }
            Code::PUT if request.payload().is_empty() && request.content_format().is_none() => {
                self.objects.read(&path, elapsed).or_else(|code| match code {
                    Code::METHOD_NOT_ALLOWED => Ok(Vec::new()),
                    other => Err(other),
                })?;
                self.write_attributes(now, &path, request.query());
                Ok(Answer::code(Code::CHANGED))
            }
            Code::PUT => self.write(now, request, &path, true),
            Code::IPATCH => self.write(now, request, &path, false),
            Code::POST => match path.depth() {
                1 => self.create(now, request, &path),
                2 => self.write(now, request, &path, false),
                3 if self.objects.data_type(&path).is_some() => self.write(now, request, &path, false),
                3 => self.execute(now, request, path),
                _ => Err(Code::METHOD_NOT_ALLOWED),
            },
            Code::DELETE => {
                self.objects.delete(&path)?;
                self.note(now, Event::Deleted(path.clone()));
                self.end_observations_below(now, &path, EndCause::Gone);
                Ok(Answer::code(Code::DELETED))
            }
            _ => Err(Code::METHOD_NOT_ALLOWED),
        }
    }

    /// The Uri-Path without alternate path.
    fn target(&self, path: &str) -> Result<Path, Code> {
        let alternate = self.config.alternate.trim_end_matches('/');
        let below = path.strip_prefix(alternate).ok_or(Code::NOT_FOUND)?;
        if !below.is_empty() && !below.starts_with('/') {
            return Err(Code::NOT_FOUND);
        }
        below.parse().map_err(|_| Code::NOT_FOUND)
    }

    pub(super) fn read_all(&self, paths: &[Path], elapsed: std::time::Duration) -> Vec<Node> {
        paths.iter().flat_map(|path| self.objects.read(path, elapsed).unwrap_or_default()).collect()
    }

    /// 2.05 with the nodes in the accepted format, or in the device's own choice.
    pub(super) fn content(&self, base: &Path, nodes: &[Node], accept: Option<u32>) -> Result<Answer, Code> {
        let format = match accept {
            Some(number) => self.format(number).ok_or(Code::NOT_ACCEPTABLE)?,
            None if base.depth() == 0 => Format::SenmlCbor,
            None => {
                let single = matches!(nodes, [node] if node.path == *base);
                if single { self.config.resource_format } else { self.config.node_format }
            }
        };
        let encoded = match format.encode(base, nodes) {
            // A device that prefers text or opaque falls back for values these cannot hold.
            Err(FormatError::NotExpressible) if accept.is_none() => {
                let format = self.config.node_format;
                format.encode(base, nodes).map(|bytes| (format, bytes))
            }
            encoded => encoded.map(|bytes| (format, bytes)),
        };
        let (format, bytes) = encoded.map_err(|_| Code::NOT_ACCEPTABLE)?;
        Ok(Answer::numbered(self.format_number(format), bytes))
    }

    fn format(&self, number: u32) -> Option<Format> {
        let number = match number {
            1542 => 11542,
            1543 => 11543,
            number => number,
        };
        Format::from_number(number).filter(|format| self.config.formats.contains(format))
    }

    fn format_number(&self, format: Format) -> u16 {
        match format {
            Format::Tlv if self.config.old_numbers => 1542,
            Format::Json if self.config.old_numbers => 1543,
            format => format.number(),
        }
    }

    fn decode(&self, path: &Path, request: &Request) -> Result<Vec<Node>, Code> {
        let number = request.content_format().unwrap_or(0);
        let format = self.format(number).ok_or(Code::UNSUPPORTED_CONTENT_FORMAT)?;
        let types = |at: &Path| self.objects.data_type(at);
        format.decode(path, request.payload(), &types).map_err(|_| Code::BAD_REQUEST)
    }

    fn write(&mut self, now: Instant, request: &Request, path: &Path, replace: bool) -> Result<Answer, Code> {
        let nodes = self.decode(path, request)?;
        self.objects.write(path, &nodes, replace)?;
        for node in nodes {
            if let Some(value) = node.value {
                self.note(now, Event::Written(node.path, value));
            }
        }
        self.evaluate_changes(now);
        Ok(Answer::code(Code::CHANGED))
    }

    fn create(&mut self, now: Instant, request: &Request, path: &Path) -> Result<Answer, Code> {
        let nodes = if request.payload().is_empty() { Vec::new() } else { self.decode(path, request)? };
        let named = nodes.iter().any(|node| node.path.id(1).is_some_and(|id| id != u16::MAX));
        let object = path.id(0).ok_or(Code::BAD_REQUEST)?;
        let created = self.objects.create(object, nodes)?;
        let mut answer = Answer::code(Code::CREATED);
        for id in &created {
            self.note(now, Event::Created(path.child(*id)));
        }
        // Only an id that the device chose itself is reported (OMA TS Core 6.3.6).
        if let ([id], false) = (created.as_slice(), named) {
            answer =
                answer.option(option::LOCATION_PATH, object.to_string()).option(option::LOCATION_PATH, id.to_string());
        }
        Ok(answer)
    }

    fn execute(&mut self, now: Instant, request: &Request, path: Path) -> Result<Answer, Code> {
        let handler = self.objects.handler(&path)?;
        let arguments = String::from_utf8_lossy(request.payload()).into_owned();
        let code = handler(&arguments);
        self.note(now, Event::Executed { path, arguments });
        Ok(Answer::code(code))
    }
}

fn download_key(request: &Message) -> (String, Vec<String>, Vec<u8>) {
    let accept = request.option(option::ACCEPT).map(<[u8]>::to_vec).unwrap_or_default();
    (request.path(), request.texts(option::URI_QUERY), accept)
}

fn slice(answer: &Answer, block: Block) -> Answer {
    let start = block.offset().min(answer.payload.len());
    let end = (start + block.size).min(answer.payload.len());
    let more = end < answer.payload.len();
    let mut part = Answer { payload: answer.payload[start..end].to_vec(), ..answer.clone() };
    if block.number > 0 {
        // Later blocks are plain GETs: they carry no Observe option (RFC 7959 §3.4).
        part.options.retain(|(number, _)| *number != option::OBSERVE);
    }
    part.option_uint(option::BLOCK2, Block { more, ..block }.value())
}
