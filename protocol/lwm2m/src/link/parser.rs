//! The grammar of RFC 6690 §2, with the liberties that devices take: blanks around separators, empty elements, empty attributes.
use super::LinkError;
use std::borrow::Cow;

/// Links, and attributes of all links together, beyond which a list is refused: no device has so many, and each costs far more memory than
/// the few bytes that name it.
const MOST: usize = 65_536;

/// Name, and value without quotes and escapes if there is one.
pub type Attribute<'a> = (&'a str, Option<Cow<'a, str>>);

/// One link: `<target>;name=value;…`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link<'a> {
    /// What stands between the brackets.
    pub target: &'a str,
    /// Attributes in order.
    pub attributes: Vec<Attribute<'a>>,
    /// Byte offset of the link in the payload.
    pub offset: usize,
}

impl Link<'_> {
    /// Value of an attribute; `None` if it is missing or has no value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| *n == name).and_then(|(_, value)| value.as_deref())
    }
    /// An error of this link.
    pub(super) fn error(&self, reason: &'static str) -> LinkError {
        LinkError { reason, offset: self.offset }
    }
}

/// Reads a link list.
pub fn parse_links(payload: &[u8]) -> Result<Vec<Link<'_>>, LinkError> {
    let text =
        std::str::from_utf8(payload).map_err(|error| LinkError { reason: "not UTF-8", offset: error.valid_up_to() })?;
    let mut parser = Parser { text, at: 0, attributes: 0 };
    let mut links = Vec::new();
    loop {
        parser.skip_blanks();
        match parser.peek() {
            None => return Ok(links),
            Some(b',') => parser.at += 1,
            Some(_) if links.len() == MOST => return Err(parser.error("too many links")),
            Some(_) => links.push(parser.link()?),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many there were so far.
    attributes: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, reason: &'static str) -> LinkError {
        LinkError { reason, offset: self.at }
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// The text up to the first of `ends`, or to the end.
    fn until(&mut self, ends: &[char]) -> &'a str {
        let rest = &self.text[self.at..];
        let taken = rest.find(ends).map_or(rest, |end| &rest[..end]);
        self.at += taken.len();
        taken
    }

    fn link(&mut self) -> Result<Link<'a>, LinkError> {
        let offset = self.at;
        if self.peek() != Some(b'<') {
            return Err(self.error("link does not begin with '<'"));
        }
        self.at += 1;
        let target = self.until(&['<', '>']).trim();
        if self.peek() != Some(b'>') {
            return Err(LinkError { reason: "'<' is not closed", offset });
        }
        self.at += 1;
        let mut attributes = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some(b',') => return Ok(Link { target, attributes, offset }),
                Some(b';') => self.at += 1,
                Some(_) => return Err(self.error("expected ',' or ';'")),
            }
            if self.attributes == MOST {
                return Err(self.error("too many attributes"));
            }
            let attribute = self.attribute()?;
            self.attributes += usize::from(attribute.is_some());
            attributes.extend(attribute);
        }
    }

    /// What follows a semicolon; `None` if nothing does.
    fn attribute(&mut self) -> Result<Option<Attribute<'a>>, LinkError> {
        let name = self.until(&['=', ';', ',']).trim();
        if self.peek() != Some(b'=') {
            return Ok((!name.is_empty()).then_some((name, None)));
        }
        if name.is_empty() {
            return Err(self.error("attribute without a name"));
        }
        self.at += 1;
        self.skip_blanks();
        let value =
            if self.peek() == Some(b'"') { self.quoted()? } else { Cow::Borrowed(self.until(&[';', ',']).trim()) };
        Ok(Some((name, Some(value))))
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, LinkError> {
        let unclosed = self.error("quote is not closed");
        self.at += 1;
        let plain = self.until(&['"', '\\']);
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut value = String::from(plain);
        let mut characters = self.text[self.at..].char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += index + 1;
                    return Ok(Cow::Owned(value));
                }
                '\\' => value.push(characters.next().ok_or_else(|| unclosed.clone())?.1),
                _ => value.push(character),
            }
        }
        Err(unclosed)
    }
}
