//! From operations to CoAP requests (contract chapter 4, extensions §1 and §2; TS Transport §6.4).
use super::negotiation::{Negotiation, check};
use super::operation::{Attribute, Mode, Operation, Target};
use crate::format::choice::Use;
use crate::link::Version;
use crate::{ContentFormat, Node, Path, Value, format};
use coap::{Method, Request};

/// A request, and what the gateway chose in it by itself.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) request: Request,
    pub(super) chosen: Chosen,
}

/// The format that the gateway chose, because the application named none: the device may want another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Chosen {
    Nothing,
    Accept(ContentFormat),
    Content(ContentFormat),
}

/// Builds requests for one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Builder<'a> {
    pub(super) alternate_path: &'a [String],
    pub(super) negotiation: Negotiation<'a>,
}

impl Builder<'_> {
    /// The request of an operation; `Err` says why it cannot be expressed. A cancellation gets the form that it has without a known
    /// observation.
    pub(super) fn build(&self, operation: &Operation) -> Result<Built, String> {
        match operation {
            Operation::Read { target, format } => self.get(target, *format, None),
            Operation::Observe { target, format } => self.get(target, *format, Some(0)),
            Operation::CancelObserve { target, .. } => self.get(target, None, Some(1)),
            Operation::Discover { target } => {
                let mut request = self.request(Method::Get, target);
                request.accept = Some(ContentFormat::Link.number());
                Ok(plain(request))
            }
            Operation::Write { target, node, format } => {
                self.write(Method::Put, Use::Write, target, std::slice::from_ref(node), *format)
            }
            Operation::WriteBatch { target, nodes, mode, format } => {
                let method = match (target.path.depth(), mode) {
                    _ if nodes.is_empty() => return Err("content: nothing to write".to_owned()),
                    (2, Mode::Update) => Method::Post,
                    (2, Mode::Replace) | (3, _) => Method::Put,
                    _ => return Err("basePath: neither an instance nor a resource".to_owned()),
                };
                self.write(method, Use::Write, target, nodes, *format)
            }
            Operation::WriteAttributes { target, attributes } => {
                check_attributes(attributes)?;
                let mut request = self.request(Method::Put, target);
                request.query.extend(attributes.iter().map(|attribute| match &attribute.value {
                    Some(value) => format!("{}={value}", attribute.name),
                    None => attribute.name.to_owned(),
                }));
                Ok(plain(request))
            }
            Operation::Execute { target, arguments } => {
                let mut request = self.request(Method::Post, target);
                request.content_format = Some(ContentFormat::Text.number());
                request.payload = arguments.as_ref().map_or_else(Vec::new, |text| text.clone().into_bytes());
                Ok(plain(request))
            }
            Operation::Create { target, nodes, format } => match target.path.depth() {
                1 | 2 => self.write(Method::Post, Use::Create, target, nodes, *format),
                _ => Err("basePath: neither an object nor an instance".to_owned()),
            },
            Operation::Delete { target } => Ok(plain(self.request(Method::Delete, target))),
            Operation::ReadComposite { paths, format } => self.fetch(paths, *format, None),
            Operation::ObserveComposite { paths, format } => self.fetch(paths, *format, Some(0)),
            Operation::CancelObserveComposite { paths, .. } => self.fetch(paths, None, Some(1)),
            Operation::WriteComposite { nodes, format } => self.ipatch(nodes, *format),
        }
    }

    fn request(&self, method: Method, target: &Target) -> Request {
        let ids = target.path.ids().iter().map(u16::to_string);
        Request {
            method,
            path: self.alternate_path.iter().cloned().chain(ids).collect(),
            query: target.query.clone(),
            accept: None,
            content_format: None,
            observe: None,
            payload: Vec::new(),
        }
    }

    fn get(&self, target: &Target, asked: Option<ContentFormat>, observe: Option<u32>) -> Result<Built, String> {
        if let Some(format) = asked {
            check(format, Use::Read, target.path)?;
        }
        let chosen = if asked.is_none() { self.negotiation.accept() } else { None };
        let mut request = self.request(Method::Get, target);
        request.accept = asked.or(chosen).map(ContentFormat::number);
        request.observe = observe;
        Ok(Built { request, chosen: chosen.map_or(Chosen::Nothing, Chosen::Accept) })
    }

    fn write(
        &self,
        method: Method,
        usage: Use,
        target: &Target,
        nodes: &[Node],
        asked: Option<ContentFormat>,
    ) -> Result<Built, String> {
        if let Some(format) = asked {
            check(format, usage, target.path)?;
        }
        let formats = match asked {
            Some(format) => vec![format],
            None => self.negotiation.bodies(usage, target.path),
        };
        let mut target = target.clone();
        // LwM2M 1.0 has no resource instances in requests: the resource is written with that one instance (contract 4.2).
        if formats.first() == Some(&ContentFormat::Tlv)
            && target.path.depth() == 4
            && self.negotiation.version() < Version::new(1, 1)
        {
            target.path = target.path.parent().unwrap_or(target.path);
        }
        let request = self.request(method, &target);
        self.with_body(request, target.path, nodes, &formats, asked.is_some())
    }

    /// Adds the body, in the first of the formats that can express it.
    fn with_body(
        &self,
        mut request: Request,
        base: Path,
        nodes: &[Node],
        formats: &[ContentFormat],
        asked: bool,
    ) -> Result<Built, String> {
        let mut problem = None;
        for format in formats.iter().copied() {
            // Nothing to create with: the device chooses everything, and there is no body in any format.
            let enabler = self.negotiation.version();
            let body = if nodes.is_empty() { Ok(Vec::new()) } else { format::encode_for(enabler, format, base, nodes) };
            match body {
                Ok(body) => {
                    request.content_format = Some(format.number());
                    request.payload = body;
                    let chosen = if asked { Chosen::Nothing } else { Chosen::Content(format) };
                    return Ok(Built { request, chosen });
                }
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        Err(problem.map_or_else(|| "no format".to_owned(), |error| error.to_string()))
    }

    fn composite(
        &self,
        method: Method,
        usage: Use,
        nodes: &[Node],
        asked: Option<ContentFormat>,
    ) -> Result<Built, String> {
        // Deleting resource instances by null needs the ETCH forms of SenML, which came with 1.2 (L-064).
        let removes = usage == Use::WriteComposite && nodes.iter().any(|node| node.value == Value::Absent);
        if removes && self.negotiation.version() < Version::new(1, 2) {
            return Err("content: null needs LwM2M 1.2".to_owned());
        }
        if let Some(format) = asked {
            check(format, usage, Path::ROOT)?;
        }
        let formats = match asked {
            Some(ContentFormat::SenmlJson) if removes => vec![ContentFormat::SenmlEtchJson],
            Some(ContentFormat::SenmlCbor) if removes => vec![ContentFormat::SenmlEtchCbor],
            Some(format) => vec![format],
            None => self.negotiation.composites(removes),
        };
        let request = self.request(method, &Target { path: Path::ROOT, query: Vec::new() });
        self.with_body(request, Path::ROOT, nodes, &formats, asked.is_some())
    }

    fn fetch(&self, paths: &[Path], asked: Option<ContentFormat>, observe: Option<u32>) -> Result<Built, String> {
        if paths.is_empty() {
            return Err("paths: none".to_owned());
        }
        let nodes: Vec<_> = paths.iter().map(|path| Node::new(*path, Value::Absent)).collect();
        let mut built = self.composite(Method::Fetch, Use::ReadComposite, &nodes, asked)?;
        built.request.accept = built.request.content_format;
        built.request.observe = observe;
        Ok(built)
    }

    fn ipatch(&self, nodes: &[Node], asked: Option<ContentFormat>) -> Result<Built, String> {
        if nodes.is_empty() {
            return Err("content: nothing to write".to_owned());
        }
        self.composite(Method::IPatch, Use::WriteComposite, nodes, asked)
    }
}

fn plain(request: Request) -> Built {
    Built { request, chosen: Chosen::Nothing }
}

/// Contradictions that can be seen without the device (L-069).
fn check_attributes(attributes: &[Attribute]) -> Result<(), String> {
    let number = |name: &str| -> Option<f64> {
        attributes.iter().find(|attribute| attribute.name == name)?.value.as_ref()?.parse().ok()
    };
    let above = |low: Option<f64>, high: Option<f64>| matches!((low, high), (Some(low), Some(high)) if low > high);
    if attributes.is_empty() {
        return Err("no attribute".to_owned());
    }
    // pmax=0 means that there is no maximum.
    if above(number("pmin"), number("pmax").filter(|pmax| *pmax != 0.0)) {
        return Err("pmin: above pmax".to_owned());
    }
    if matches!((number("epmin"), number("epmax")), (Some(low), Some(high)) if low >= high) {
        return Err("epmin: not below epmax".to_owned());
    }
    if let (Some(low), Some(high)) = (number("lt"), number("gt"))
        && low + 2.0 * number("st").unwrap_or(0.0) >= high
    {
        return Err("lt: lt + 2·st is not below gt".to_owned());
    }
    Ok(())
}
