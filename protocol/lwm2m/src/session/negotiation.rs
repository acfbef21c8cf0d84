//! What is known about the formats of one device: its version, what it announced, and what it refused (extensions §1).
use crate::format::choice::{self, Use};
use crate::link::Version;
use crate::registration::Registration;
use crate::{ContentFormat, Path};

/// What the device refused where the gateway had chosen; kept for one registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Refusals {
    contents: u16,
    /// It could not answer in a format that it had announced itself: no Accept any more.
    accept: bool,
}

impl Refusals {
    pub(super) fn add_content(&mut self, format: ContentFormat) {
        self.contents |= 1 << format as u16;
    }
    pub(super) fn add_accept(&mut self) {
        self.accept = true;
    }
    fn holds(self, format: ContentFormat) -> bool {
        self.contents & (1 << format as u16) != 0
    }
}

/// Chooses formats for one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Negotiation<'a> {
    version: Version,
    announced: &'a [u16],
    refusals: Refusals,
}

impl<'a> Negotiation<'a> {
    pub(super) fn new(registration: &'a Registration, refusals: Refusals) -> Negotiation<'a> {
        let announced = registration.objects.as_ref().map_or(&[][..], |objects| &objects.content_formats);
        Negotiation { version: registration.version, announced, refusals }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Accept of a Read or Observe that names no format.
    pub(super) fn accept(&self) -> Option<ContentFormat> {
        if self.refusals.accept { None } else { choice::accept(self.version, self.announced) }
    }

    /// Content-Formats of a Write or Create that names none, the best first.
    pub(super) fn bodies(&self, usage: Use, path: Path) -> Vec<ContentFormat> {
        self.acceptable(choice::bodies(self.version, self.announced, usage, path))
    }

    /// Content-Formats of a composite operation that names none, the best first.
    pub(super) fn composites(&self, removes: bool) -> Vec<ContentFormat> {
        self.acceptable(choice::composites(self.version, self.announced, removes))
    }

    /// Without the refused ones, unless there would be none.
    fn acceptable(&self, formats: Vec<ContentFormat>) -> Vec<ContentFormat> {
        let left: Vec<_> = formats.iter().copied().filter(|format| !self.refusals.holds(*format)).collect();
        if left.is_empty() { formats } else { left }
    }
}

/// Whether a format that the application asked for can be used.
pub(super) fn check(format: ContentFormat, usage: Use, path: Path) -> Result<(), String> {
    match choice::is_possible(format, usage, path) {
        true => Ok(()),
        false => Err(format!("format: content format {} is impossible for {path}", format.number())),
    }
}
