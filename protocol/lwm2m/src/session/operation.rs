//! Operations of the device management and information reporting interfaces (TS Core §6.3, §6.4).
use crate::{ContentFormat, Node, Path};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The notification attributes (TS Core §7.3.2).
pub const ATTRIBUTES: [&str; 10] = ["pmin", "pmax", "gt", "lt", "st", "epmin", "epmax", "edge", "con", "hqmax"];

/// What an operation is aimed at.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Target {
    /// The path.
    pub path: Path,
    /// Uri-Query members that the application added to the path (`?a=1&b=2`).
    pub query: Vec<String>,
}

/// Partial update (POST) or replacement (PUT) of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Mode {
    #[default]
    Update,
    Replace,
}

/// One notification attribute; without a value it is removed (`?pmin`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attribute {
    /// `pmin`, `gt`, …
    pub name: &'static str,
    /// Its number as text, decimal without exponent.
    pub value: Option<String>,
}

/// One operation on a device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// GET
    Read {
        /// Object, instance, resource or resource instance.
        target: Target,
        /// Accept asked for by the application.
        format: Option<ContentFormat>,
    },
    /// GET with Accept 40
    Discover {
        /// Object, instance or resource.
        target: Target,
    },
    /// PUT of one value
    Write {
        /// Resource or resource instance.
        target: Target,
        /// The value, its path equal to the target's.
        node: Node,
        /// Content-Format asked for by the application.
        format: Option<ContentFormat>,
    },
    /// POST or PUT of several values
    WriteBatch {
        /// Instance (POST, or PUT with `Replace`) or multiple resource (PUT).
        target: Target,
        /// Absolute paths below the target.
        nodes: Vec<Node>,
        /// Update or replace.
        mode: Mode,
        /// Content-Format asked for by the application.
        format: Option<ContentFormat>,
    },
    /// PUT with a query and without a body
    WriteAttributes {
        /// Any level.
        target: Target,
        /// The attributes.
        attributes: Vec<Attribute>,
    },
    /// POST
    Execute {
        /// Resource.
        target: Target,
        /// Arguments.
        arguments: Option<String>,
    },
    /// POST to an object (or, as the contract allows, an instance)
    Create {
        /// Object or instance.
        target: Target,
        /// Absolute paths: with the object as target all instances, else resources of the one.
        nodes: Vec<Node>,
        /// Content-Format asked for by the application.
        format: Option<ContentFormat>,
    },
    /// DELETE
    Delete {
        /// Instance or resource instance.
        target: Target,
    },
    /// GET with Observe 0
    Observe {
        /// Any level.
        target: Target,
        /// Accept asked for by the application.
        format: Option<ContentFormat>,
    },
    /// GET with Observe 1, or without a word
    CancelObserve {
        /// As observed.
        target: Target,
        /// Forget it here and answer the next notification RST.
        passive: bool,
    },
    /// FETCH
    ReadComposite {
        /// What to read.
        paths: Vec<Path>,
        /// Content-Format and Accept asked for by the application.
        format: Option<ContentFormat>,
    },
    /// iPATCH
    WriteComposite {
        /// What to write.
        nodes: Vec<Node>,
        /// Content-Format asked for by the application.
        format: Option<ContentFormat>,
    },
    /// FETCH with Observe 0
    ObserveComposite {
        /// What to observe.
        paths: Vec<Path>,
        /// Content-Format and Accept asked for by the application.
        format: Option<ContentFormat>,
    },
    /// FETCH with Observe 1, or without a word
    CancelObserveComposite {
        /// As observed.
        paths: Vec<Path>,
        /// Forget it here and answer the next notification RST.
        passive: bool,
    },
}

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.name, &self.value).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Attribute, D::Error> {
        let (name, value) = <(String, Option<String>)>::deserialize(deserializer)?;
        match ATTRIBUTES.into_iter().find(|known| *known == name) {
            Some(name) => Ok(Attribute { name, value }),
            None => Err(D::Error::custom(format!("unknown attribute {name:?}"))),
        }
    }
}

/// What an observation is about; two with the same subject are the same observation to the application.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Subject {
    /// One path, with its query.
    Target(Target),
    /// The paths of a composite observation.
    Paths(Vec<Path>),
}

impl Subject {
    /// The path that contents are relative to.
    pub fn base(&self) -> Path {
        match self {
            Subject::Target(target) => target.path,
            Subject::Paths(_) => Path::ROOT,
        }
    }
}

impl Operation {
    /// Sending it twice does no more than sending it once (extensions §6.3).
    pub fn is_idempotent(&self) -> bool {
        !matches!(self, Operation::Execute { .. } | Operation::Create { .. })
    }

    /// What it observes.
    pub fn observes(&self) -> Option<Subject> {
        match self {
            Operation::Observe { target, .. } => Some(Subject::Target(target.clone())),
            Operation::ObserveComposite { paths, .. } => Some(Subject::Paths(paths.clone())),
            _ => None,
        }
    }

    /// The observation that it cancels, and whether without a word.
    pub fn cancels(&self) -> Option<(Subject, bool)> {
        match self {
            Operation::CancelObserve { target, passive } => Some((Subject::Target(target.clone()), *passive)),
            Operation::CancelObserveComposite { paths, passive } => Some((Subject::Paths(paths.clone()), *passive)),
            _ => None,
        }
    }
}
