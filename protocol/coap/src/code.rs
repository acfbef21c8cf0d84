//! Request methods and response codes (RFC 7252 §5.8, §5.9; RFC 8132 §4).

/// A code byte as `class.detail`; any value a peer may send is kept as it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// 0.00, an empty message.
    pub const EMPTY: Code = Code(0);
    /// 2.01
    pub const CREATED: Code = Code::new(2, 1);
    /// 2.02
    pub const DELETED: Code = Code::new(2, 2);
    /// 2.03
    pub const VALID: Code = Code::new(2, 3);
    /// 2.04
    pub const CHANGED: Code = Code::new(2, 4);
    /// 2.05
    pub const CONTENT: Code = Code::new(2, 5);
    /// 2.31
    pub const CONTINUE: Code = Code::new(2, 31);
    /// 4.00
    pub const BAD_REQUEST: Code = Code::new(4, 0);
    /// 4.01
    pub const UNAUTHORIZED: Code = Code::new(4, 1);
    /// 4.02
    pub const BAD_OPTION: Code = Code::new(4, 2);
    /// 4.03
    pub const FORBIDDEN: Code = Code::new(4, 3);
    /// 4.04
    pub const NOT_FOUND: Code = Code::new(4, 4);
    /// 4.05
    pub const METHOD_NOT_ALLOWED: Code = Code::new(4, 5);
    /// 4.06
    pub const NOT_ACCEPTABLE: Code = Code::new(4, 6);
    /// 4.08
    pub const REQUEST_ENTITY_INCOMPLETE: Code = Code::new(4, 8);
    /// 4.09
    pub const CONFLICT: Code = Code::new(4, 9);
    /// 4.12
    pub const PRECONDITION_FAILED: Code = Code::new(4, 12);
    /// 4.13
    pub const REQUEST_ENTITY_TOO_LARGE: Code = Code::new(4, 13);
    /// 4.15
    pub const UNSUPPORTED_CONTENT_FORMAT: Code = Code::new(4, 15);
    /// 4.22
    pub const UNPROCESSABLE_ENTITY: Code = Code::new(4, 22);
    /// 4.29
    pub const TOO_MANY_REQUESTS: Code = Code::new(4, 29);
    /// 5.00
    pub const INTERNAL_SERVER_ERROR: Code = Code::new(5, 0);
    /// 5.01
    pub const NOT_IMPLEMENTED: Code = Code::new(5, 1);
    /// 5.02
    pub const BAD_GATEWAY: Code = Code::new(5, 2);
    /// 5.03
    pub const SERVICE_UNAVAILABLE: Code = Code::new(5, 3);
    /// 5.04
    pub const GATEWAY_TIMEOUT: Code = Code::new(5, 4);
    /// 5.05
    pub const PROXYING_NOT_SUPPORTED: Code = Code::new(5, 5);

    /// The code `class.detail`; class 0–7, detail 0–31.
    pub const fn new(class: u8, detail: u8) -> Code {
        Code(class << 5 | detail)
    }
    /// The class, 0–7.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }
    /// The detail, 0–31.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }
    /// Class 2.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
    /// Class 0 but not the empty message: a request, with a method that may be unknown.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }
    /// Class 2 to 5: a response, with a detail that may be unknown and then counts as `class.00` (RFC 7252 §5.9).
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2..=5)
    }
}

impl std::fmt::Display for Code {
    /// `2.05`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

/// A request method.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names are the registered method names")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
    Fetch,
    Patch,
    IPatch,
}

impl Method {
    /// The code byte that stands for the method.
    pub const fn code(self) -> Code {
        Code(match self {
            Method::Get => 1,
            Method::Post => 2,
            Method::Put => 3,
            Method::Delete => 4,
            Method::Fetch => 5,
            Method::Patch => 6,
            Method::IPatch => 7,
        })
    }
    /// The method of a code, `None` for 0.00, 0.08 and all above.
    pub const fn from_code(code: Code) -> Option<Method> {
        Some(match code.0 {
            1 => Method::Get,
            2 => Method::Post,
            3 => Method::Put,
            4 => Method::Delete,
            5 => Method::Fetch,
            6 => Method::Patch,
            7 => Method::IPatch,
            _ => return None,
        })
    }
    /// Only reads (RFC 7252 §5.1, RFC 8132 §2): asking again changes nothing.
    pub const fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Fetch)
    }
}
