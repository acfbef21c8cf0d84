//! Which content format to ask for and to send (contract 6.4, extensions §1).
use crate::link::Version;
use crate::registration::Registration;
use crate::{ContentFormat, Path};

/// Formats that the device refused where the gateway had chosen them; kept for one registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct RefusedFormats(u16);

impl RefusedFormats {
    pub(super) fn add(&mut self, format: ContentFormat) {
        self.0 |= 1 << format as u16;
    }
    fn contains(self, format: ContentFormat) -> bool {
        self.0 & (1 << format as u16) != 0
    }
}

/// What is known about the formats of one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Negotiation<'a> {
    version: Version,
    announced: &'a [u16],
    refused_accepts: RefusedFormats,
    refused_contents: RefusedFormats,
}

impl<'a> Negotiation<'a> {
    pub(super) fn new(
        registration: &'a Registration,
        refused_accepts: RefusedFormats,
        refused_contents: RefusedFormats,
    ) -> Negotiation<'a> {
        let announced = registration.objects.as_ref().map_or(&[][..], |objects| &objects.content_formats);
        Negotiation { version: registration.version, announced, refused_accepts, refused_contents }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    fn announces(&self, format: ContentFormat) -> bool {
        self.announced.iter().any(|number| ContentFormat::from_number(*number) == Some(format))
    }

    fn knows_lwm2m_cbor(&self) -> bool {
        self.version >= Version::new(1, 2)
    }

    /// Accept of a Read or Observe that names no format: nothing to a 1.0 device, otherwise the best that it announced.
    pub(super) fn accept(&self) -> Option<ContentFormat> {
        if self.version < Version::new(1, 1) {
            return None;
        }
        let best = [ContentFormat::SenmlCbor, ContentFormat::SenmlJson, ContentFormat::Lwm2mCbor, ContentFormat::Tlv];
        best.into_iter().find(|format| {
            self.announces(*format)
                && !self.refused_accepts.contains(*format)
                && (*format != ContentFormat::Lwm2mCbor || self.knows_lwm2m_cbor())
        })
    }

    /// Content-Format of a Write or Create that names none. `None`: the device refused all that there are.
    pub(super) fn content(&self) -> Option<ContentFormat> {
        if self.version < Version::new(1, 1) {
            return Some(ContentFormat::Tlv);
        }
        self.first([ContentFormat::Tlv, ContentFormat::SenmlCbor, ContentFormat::SenmlJson, ContentFormat::Lwm2mCbor])
    }

    /// Content-Format of a composite operation that names none.
    pub(super) fn composite(&self) -> Option<ContentFormat> {
        self.first([ContentFormat::SenmlCbor, ContentFormat::SenmlJson, ContentFormat::Lwm2mCbor])
    }

    /// The announced ones in this order, then the others.
    fn first<const N: usize>(&self, order: [ContentFormat; N]) -> Option<ContentFormat> {
        let possible = |format: &ContentFormat| {
            !self.refused_contents.contains(*format)
                && (*format != ContentFormat::Lwm2mCbor || self.knows_lwm2m_cbor() || self.announces(*format))
        };
        let announced = order.into_iter().filter(possible).find(|format| self.announces(*format));
        announced.or_else(|| order.into_iter().find(possible))
    }
}

/// Whether a format that the application asked for can carry an answer about this path.
pub(super) fn check_accept(format: ContentFormat, path: Path) -> Result<(), String> {
    match format {
        ContentFormat::Text | ContentFormat::Opaque | ContentFormat::Cbor if path.depth() < 3 => {
            Err(format!("format: one value cannot carry {path}, which is not a resource"))
        }
        ContentFormat::Link => Err("format: link carries no values, use discover".to_owned()),
        ContentFormat::SenmlEtchJson | ContentFormat::SenmlEtchCbor => Err("format: carries no answers".to_owned()),
        _ => Ok(()),
    }
}

/// Whether a format that the application asked for can carry a composite body.
pub(super) fn check_composite(format: ContentFormat) -> Result<(), String> {
    match format {
        ContentFormat::SenmlJson | ContentFormat::SenmlCbor | ContentFormat::Lwm2mCbor => Ok(()),
        _ => Err("format: a composite is SenML or LwM2M CBOR".to_owned()),
    }
}
