//! From CoAP responses to answers (contract chapters 5 and 6).
use super::event::{Answer, Content};
use super::operation::{Operation, Subject};
use crate::catalog::DeviceTypes;
use crate::{ContentFormat, Node, Path, Value, format, link};
use coap::{Code, Response};

/// Longest diagnostic text that is passed on, in bytes.
const DIAGNOSTIC_MAX: usize = 512;

/// How the answer to an operation reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Values below this path.
    Values(Path),
    /// Links.
    Links,
    /// A Write, with its quirk (contract 5.2).
    Write,
    /// A new instance.
    Created,
    /// A code only.
    Code,
}

impl Shape {
    pub(super) fn of(operation: &Operation) -> Shape {
        match operation {
            Operation::Read { target, .. } => Shape::Values(target.path),
            Operation::Observe { target, .. } | Operation::CancelObserve { target, .. } => Shape::Values(target.path),
            Operation::ReadComposite { .. } => Shape::Values(Path::ROOT),
            Operation::ObserveComposite { .. } | Operation::CancelObserveComposite { .. } => Shape::Values(Path::ROOT),
            Operation::Discover { .. } => Shape::Links,
            Operation::Write { .. } | Operation::WriteBatch { .. } => Shape::Write,
            Operation::Create { .. } => Shape::Created,
            Operation::WriteAttributes { .. } | Operation::Execute { .. } => Shape::Code,
            Operation::Delete { .. } | Operation::WriteComposite { .. } => Shape::Code,
        }
    }

    pub(super) fn of_subject(subject: &Subject) -> Shape {
        Shape::Values(subject.base())
    }
}

/// Reads responses of one device.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) types: DeviceTypes<'a>,
    pub(super) alternate_path: &'a [String],
    pub(super) now_unix: f64,
    pub(super) raw_unknown_objects: bool,
}

impl Reader<'_> {
    pub(super) fn read(&self, shape: Shape, response: &Response) -> Answer {
        let code = response.code;
        if !code.is_success() {
            return Answer { code, content: Content::None, diagnostic: diagnostic(response), location: None };
        }
        let empty = response.payload.is_empty();
        match shape {
            Shape::Values(_) | Shape::Links if empty && code != Code::CONTENT => bare(code),
            Shape::Values(base) => self.values(base, response),
            Shape::Links => Answer { content: links(&response.payload), ..bare(code) },
            Shape::Write if code == Code::CONTENT && empty => bare(Code::METHOD_NOT_ALLOWED),
            Shape::Write if code == Code::CONTENT => bare(Code::CHANGED),
            Shape::Created => Answer { location: self.location(&response.location_path), ..bare(code) },
            Shape::Write | Shape::Code => bare(code),
        }
    }

    fn values(&self, base: Path, response: &Response) -> Answer {
        let bytes = || Answer { content: Content::Bytes(response.payload.clone()), ..bare(response.code) };
        let number = response.content_format.unwrap_or(0);
        let format = match ContentFormat::from_number(number) {
            // An empty object or instance, said without a word about the format.
            Some(ContentFormat::Text) if response.payload.is_empty() && base.depth() < 3 => {
                return Answer { content: Content::Nodes(Vec::new()), ..bare(response.code) };
            }
            Some(ContentFormat::Opaque) => return bytes(),
            Some(ContentFormat::Link) => return undecodable("link format where values are expected"),
            Some(format) => format,
            // XML and EXI have a meaning, but not this one.
            None if matches!(number, 41 | 47 | 50) => return undecodable(&format!("content format {number}")),
            None => return bytes(),
        };
        match self.decode(format, &response.payload, base) {
            Ok(nodes) => Answer { content: Content::Nodes(nodes), ..bare(response.code) },
            Err(reason) => undecodable(&reason),
        }
    }

    /// Decodes a body; with `unknown_objects = "reject"` values that no definition gives a type are an error.
    pub(super) fn decode(&self, format: ContentFormat, body: &[u8], base: Path) -> Result<Vec<Node>, String> {
        let nodes =
            format::decode(format, body, base, &self.types, self.now_unix).map_err(|error| error.to_string())?;
        let untyped = nodes.iter().find(|node| matches!(node.value, Value::Untyped(_)));
        match untyped {
            Some(node) if !self.raw_unknown_objects => Err(format!("no definition of {}", node.path)),
            _ => Ok(nodes),
        }
    }

    /// The path of a new instance; the alternate path, if the device puts it there, is cut off.
    fn location(&self, segments: &[String]) -> Option<Path> {
        let own = segments.strip_prefix(self.alternate_path).unwrap_or(segments);
        if own.is_empty() {
            return None;
        }
        Path::parse(&own.join("/")).ok()
    }
}

fn bare(code: Code) -> Answer {
    Answer { code, content: Content::None, diagnostic: None, location: None }
}

/// An answer of the gateway in place of the device's.
pub(super) fn own(code: Code, diagnostic: impl Into<String>) -> Answer {
    Answer { diagnostic: Some(diagnostic.into()), ..bare(code) }
}

/// What a passive cancellation is answered with.
pub(super) fn cancelled() -> Answer {
    bare(Code::CONTENT)
}

fn undecodable(reason: &str) -> Answer {
    own(Code::BAD_REQUEST, format!("undecodable: {reason}"))
}

fn links(payload: &[u8]) -> Content {
    let text = String::from_utf8_lossy(payload);
    Content::Links(link::split_links(&text).into_iter().map(str::to_owned).collect())
}

fn diagnostic(response: &Response) -> Option<String> {
    if response.payload.is_empty() || !matches!(response.content_format, None | Some(0)) {
        return None;
    }
    let shown = response.payload.get(..DIAGNOSTIC_MAX).unwrap_or(&response.payload);
    Some(String::from_utf8_lossy(shown).into_owned())
}
