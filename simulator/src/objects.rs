//! The object tree of a simulated device.

use crate::format::Node;
use crate::message::Code;
use crate::path::Path;
use crate::value::{DataType, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Computes a living value from the time since the device started.
pub type Living = Arc<dyn Fn(Duration) -> Value + Send + Sync>;
/// Runs an executable resource; gets the arguments, gives the response code.
pub type Handler = Arc<dyn Fn(&str) -> Code + Send + Sync>;

#[derive(Clone)]
enum Source {
    Fixed(Value),
    Living(Living),
}

impl Source {
    fn value(&self, elapsed: Duration) -> Value {
        match self {
            Source::Fixed(value) => value.clone(),
            Source::Living(compute) => compute(elapsed),
        }
    }
}

#[derive(Clone)]
enum Content {
    Single(DataType, Source),
    Multiple(DataType, BTreeMap<u16, Source>),
    Executable(Handler),
}

/// One resource: its type, its operations and its value or values. Readable unless it is executable or
/// [`Resource::write_only`]; writable only after [`Resource::writable`].
#[derive(Clone)]
pub struct Resource {
    content: Content,
    readable: bool,
    writable: bool,
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.content {
            Content::Single(data_type, _) => format!("{data_type:?}"),
            Content::Multiple(data_type, values) => format!("{data_type:?}[{}]", values.len()),
            Content::Executable(_) => "executable".to_owned(),
        };
        write!(f, "{kind} readable={} writable={}", self.readable, self.writable)
    }
}

impl Resource {
    fn of(content: Content) -> Resource {
        let readable = !matches!(content, Content::Executable(_));
        Resource { content, readable, writable: false }
    }

    /// A resource with one value; its type is the value's.
    pub fn value(value: impl Into<Value>) -> Resource {
        let value = value.into();
        Resource::of(Content::Single(value.data_type(), Source::Fixed(value)))
    }

    /// A resource whose value is computed at every look.
    pub fn living(data_type: DataType, compute: impl Fn(Duration) -> Value + Send + Sync + 'static) -> Resource {
        Resource::of(Content::Single(data_type, Source::Living(Arc::new(compute))))
    }

    /// A multiple resource with these instances, possibly none.
    pub fn multiple<V: Into<Value>>(data_type: DataType, values: impl IntoIterator<Item = (u16, V)>) -> Resource {
        let values = values.into_iter().map(|(id, value)| (id, Source::Fixed(value.into()))).collect();
        Resource::of(Content::Multiple(data_type, values))
    }

    /// An executable resource that answers 2.04.
    pub fn executable() -> Resource {
        Resource::executable_with(|_| Code::CHANGED)
    }

    /// An executable resource that answers what `handler` says.
    pub fn executable_with(handler: impl Fn(&str) -> Code + Send + Sync + 'static) -> Resource {
        Resource::of(Content::Executable(Arc::new(handler)))
    }

    /// Allows Write.
    pub fn writable(mut self) -> Resource {
        self.writable = true;
        self
    }

    /// Allows Write, refuses Read with 4.05.
    pub fn write_only(mut self) -> Resource {
        self.writable = true;
        self.readable = false;
        self
    }

    fn data_type(&self) -> Option<DataType> {
        match self.content {
            Content::Single(data_type, _) | Content::Multiple(data_type, _) => Some(data_type),
            Content::Executable(_) => None,
        }
    }

    fn is_living(&self) -> bool {
        match &self.content {
            Content::Single(_, source) => matches!(source, Source::Living(_)),
            Content::Multiple(_, values) => values.values().any(|source| matches!(source, Source::Living(_))),
            Content::Executable(_) => false,
        }
    }

    fn collect(&self, nodes: &mut Vec<Node>, path: &Path, elapsed: Duration) {
        match &self.content {
            Content::Single(_, source) => nodes.push(Node::new(path.clone(), source.value(elapsed))),
            Content::Multiple(_, values) => {
                nodes.extend(values.iter().map(|(id, source)| Node::new(path.child(*id), source.value(elapsed))));
            }
            Content::Executable(_) => {}
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Object {
    version: Option<String>,
    /// What a created instance may hold; `None`: Create is refused with 4.05.
    template: Option<BTreeMap<u16, Resource>>,
    instances: BTreeMap<u16, BTreeMap<u16, Resource>>,
}

/// All objects of one device.
#[derive(Debug, Clone, Default)]
pub struct Objects(BTreeMap<u16, Object>);

impl Objects {
    /// No objects.
    pub fn new() -> Objects {
        Objects::default()
    }

    /// Adds or replaces a resource at `[object, instance, resource]`.
    pub fn insert(&mut self, [object, instance, resource]: [u16; 3], content: Resource) {
        self.0.entry(object).or_default().instances.entry(instance).or_default().insert(resource, content);
    }

    /// Declares an object that has no instance yet.
    pub fn declare(&mut self, object: u16) {
        self.0.entry(object).or_default();
    }

    /// Sets the version announced as `ver=`.
    pub fn set_version(&mut self, object: u16, version: &str) {
        self.0.entry(object).or_default().version = Some(version.to_owned());
    }

    /// Allows Create on `object`; new instances start with these resources.
    pub fn set_template(&mut self, object: u16, resources: impl IntoIterator<Item = (u16, Resource)>) {
        self.0.entry(object).or_default().template = Some(resources.into_iter().collect());
    }

    /// Whether any value is computed.
    pub fn has_living(&self) -> bool {
        let resources = self.0.values().flat_map(|object| object.instances.values()).flat_map(BTreeMap::values);
        resources.into_iter().any(Resource::is_living)
    }

    /// The data type at `path` (resource or resource instance), also of instances yet to be created.
    pub fn data_type(&self, path: &Path) -> Option<DataType> {
        let &[object, instance, resource, ..] = path.ids() else { return None };
        let object = self.0.get(&object)?;
        let in_instance = object.instances.get(&instance).and_then(|resources| resources.get(&resource));
        let in_template = || object.template.as_ref().and_then(|template| template.get(&resource));
        let in_any = || object.instances.values().find_map(|resources| resources.get(&resource));
        in_instance.or_else(in_template).or_else(in_any)?.data_type()
    }

    /// Reads `path`: 4.04 when nothing is there, 4.05 for a single resource that is not readable.
    ///
    /// # Errors
    /// The response code to send.
    pub fn read(&self, path: &Path, elapsed: Duration) -> Result<Vec<Node>, Code> {
        let ids = path.ids();
        if ids.is_empty() {
            return Ok(self.read_root(elapsed));
        }
        let object = path.id(0).and_then(|id| self.0.get(&id)).ok_or(Code::NOT_FOUND)?;
        let mut nodes = Vec::new();
        for (instance, resources) in &object.instances {
            if path.id(1).is_some_and(|id| id != *instance) {
                continue;
            }
            for (id, resource) in resources {
                if path.id(2).is_some_and(|wanted| wanted != *id) {
                    continue;
                }
                if !resource.readable {
                    if ids.len() >= 3 {
                        return Err(Code::METHOD_NOT_ALLOWED);
                    }
                    continue;
                }
                resource.collect(&mut nodes, &Path::from([ids[0], *instance, *id]), elapsed);
            }
        }
        if ids.len() == 4 {
            nodes.retain(|node| node.path == *path);
        }
        let exists = match ids {
            [_] => true,
            [_, instance] => object.instances.contains_key(instance),
            [_, instance, resource] => {
                object.instances.get(instance).is_some_and(|resources| resources.contains_key(resource))
            }
            _ => !nodes.is_empty(),
        };
        if exists { Ok(nodes) } else { Err(Code::NOT_FOUND) }
    }

    /// Everything readable but Security (0) and OSCORE (21), which no server may see.
    fn read_root(&self, elapsed: Duration) -> Vec<Node> {
        let visible = self.0.keys().filter(|id| !matches!(id, 0 | 21));
        visible.flat_map(|id| self.read(&Path::from([*id]), elapsed).unwrap_or_default()).collect()
    }

    /// Writes values into existing instances; with `replace`, writable resources of an instance at `base` that are
    /// not named are removed.
    ///
    /// # Errors
    /// The response code to send; then nothing was changed.
    pub fn write(&mut self, base: &Path, nodes: &[Node], replace: bool) -> Result<(), Code> {
        for node in nodes {
            if !base.contains(&node.path) || node.path.depth() < 3 || node.value.is_none() {
                return Err(Code::BAD_REQUEST);
            }
            let resource = self.resource(&node.path).ok_or(Code::NOT_FOUND)?;
            if !resource.writable {
                return Err(Code::METHOD_NOT_ALLOWED);
            }
            let multiple = matches!(resource.content, Content::Multiple(..));
            if multiple != (node.path.depth() == 4) {
                return Err(Code::BAD_REQUEST);
            }
        }
        if nodes.is_empty() && self.read(base, Duration::ZERO).is_err() {
            return Err(Code::NOT_FOUND);
        }
        if replace
            && base.depth() == 2
            && let Some(resources) = self.instance_mut(base)
        {
            let named = |id: u16| nodes.iter().any(|node| node.path.id(2) == Some(id));
            resources.retain(|id, resource| !resource.writable || named(*id));
        }
        let mut emptied: Vec<Path> = Vec::new();
        for node in nodes {
            let Some(value) = node.value.clone() else { continue };
            let resource_path = node.path.prefix(3);
            let first = replace && base.depth() <= 3 && !emptied.contains(&resource_path);
            let Some(resource) = self.resource_mut(&node.path) else { continue };
            match &mut resource.content {
                Content::Single(_, source) => *source = Source::Fixed(value),
                Content::Multiple(_, values) => {
                    if first {
                        values.clear();
                        emptied.push(resource_path);
                    }
                    values.extend(node.path.id(3).map(|id| (id, Source::Fixed(value))));
                }
                Content::Executable(_) => {}
            }
        }
        Ok(())
    }

    /// Sets a value from inside the device, whatever its operations; creates what is missing.
    pub fn set(&mut self, path: &Path, value: Value) {
        let &[object, instance, resource, ..] = path.ids() else { return };
        let data_type = value.data_type();
        let resources = self.0.entry(object).or_default().instances.entry(instance).or_default();
        match path.id(3) {
            None => match resources.get_mut(&resource) {
                Some(Resource { content: Content::Single(_, source), .. }) => *source = Source::Fixed(value),
                _ => {
                    resources.insert(resource, Resource::value(value));
                }
            },
            Some(id) => {
                let entry = resources
                    .entry(resource)
                    .or_insert_with(|| Resource::of(Content::Multiple(data_type, BTreeMap::new())));
                if let Content::Multiple(_, values) = &mut entry.content {
                    values.insert(id, Source::Fixed(value));
                }
            }
        }
    }

    /// The handler of an executable resource: 4.04 when nothing is there, 4.05 when it is not executable.
    ///
    /// # Errors
    /// The response code to send.
    pub fn handler(&self, path: &Path) -> Result<Handler, Code> {
        match &self.resource(path).ok_or(Code::NOT_FOUND)?.content {
            Content::Executable(handler) => Ok(handler.clone()),
            _ => Err(Code::METHOD_NOT_ALLOWED),
        }
    }

    /// Creates instances of `object`; nodes below instance 65535 go to an id chosen here.
    ///
    /// # Errors
    /// The response code to send.
    pub fn create(&mut self, object: u16, nodes: Vec<Node>) -> Result<Vec<u16>, Code> {
        let entry = self.0.get_mut(&object).ok_or(Code::NOT_FOUND)?;
        let template = entry.template.clone().ok_or(Code::METHOD_NOT_ALLOWED)?;
        let mut wanted: Vec<u16> = nodes.iter().filter_map(|node| node.path.id(1)).collect();
        wanted.dedup();
        if wanted.is_empty() {
            wanted.push(u16::MAX);
        }
        if wanted.iter().any(|id| entry.instances.contains_key(id)) {
            return Err(Code::BAD_REQUEST);
        }
        let mut created = Vec::new();
        for id in wanted {
            let chosen = if id == u16::MAX {
                (0..u16::MAX).find(|id| !entry.instances.contains_key(id)).ok_or(Code::BAD_REQUEST)?
            } else {
                id
            };
            entry.instances.insert(chosen, template.clone());
            created.push((id, chosen));
        }
        for node in nodes {
            let Some(value) = node.value else { continue };
            let Some(&(_, chosen)) = created.iter().find(|(id, _)| Some(*id) == node.path.id(1)) else { continue };
            let mut ids = node.path.ids().to_vec();
            ids[1] = chosen;
            self.set(&Path::from(ids.as_slice()), value);
        }
        Ok(created.into_iter().map(|(_, chosen)| chosen).collect())
    }

    /// Deletes an object instance or a resource instance.
    ///
    /// # Errors
    /// The response code to send.
    pub fn delete(&mut self, path: &Path) -> Result<(), Code> {
        match *path.ids() {
            [object, instance] => {
                let object = self.0.get_mut(&object).ok_or(Code::NOT_FOUND)?;
                if object.template.is_none() {
                    return Err(Code::METHOD_NOT_ALLOWED);
                }
                object.instances.remove(&instance).map(|_| ()).ok_or(Code::NOT_FOUND)
            }
            [_, _, _, id] => match self.resource_mut(path) {
                Some(Resource { content: Content::Multiple(_, values), writable: true, .. }) => {
                    values.remove(&id).map(|_| ()).ok_or(Code::NOT_FOUND)
                }
                Some(_) => Err(Code::METHOD_NOT_ALLOWED),
                None => Err(Code::NOT_FOUND),
            },
            _ => Err(Code::METHOD_NOT_ALLOWED),
        }
    }

    /// Removes an object instance from inside the device; says whether it was there.
    pub fn remove(&mut self, object: u16, instance: u16) -> bool {
        self.0.get_mut(&object).is_some_and(|object| object.instances.remove(&instance).is_some())
    }

    /// The object list of a registration, without the root link; Security (0) and OSCORE (21) are left out.
    pub fn links(&self, alternate: &str) -> Vec<String> {
        let root = alternate.trim_end_matches('/');
        let mut links = Vec::new();
        for (id, object) in self.0.iter().filter(|(id, _)| !matches!(id, 0 | 21)) {
            let version = object.version.as_ref().map(|version| format!(";ver={version}")).unwrap_or_default();
            if object.instances.is_empty() || !version.is_empty() {
                links.push(format!("<{root}/{id}>{version}"));
            }
            links.extend(object.instances.keys().map(|instance| format!("<{root}/{id}/{instance}>")));
        }
        links
    }

    /// The answer to Discover (OMA TS Core 6.3.2): `path`, what lies below it, and the attributes that
    /// `attributes` gives for each.
    ///
    /// # Errors
    /// The response code to send.
    pub fn discover(&self, path: &Path, attributes: &dyn Fn(&Path) -> String) -> Result<String, Code> {
        let object = path.id(0).and_then(|id| self.0.get(&id)).ok_or(Code::NOT_FOUND)?;
        let mut links = Vec::new();
        if path.depth() == 1 {
            let version = object.version.as_ref().map(|version| format!(";ver={version}")).unwrap_or_default();
            links.push(format!("<{path}>{version}{}", attributes(path)));
        }
        for (instance, resources) in &object.instances {
            if path.id(1).is_some_and(|id| id != *instance) {
                continue;
            }
            let at = path.prefix(1).child(*instance);
            if path.depth() <= 2 {
                links.push(format!("<{at}>{}", attributes(&at)));
            }
            for (id, resource) in resources {
                if path.id(2).is_some_and(|wanted| wanted != *id) {
                    continue;
                }
                let at = at.child(*id);
                let dim = match &resource.content {
                    Content::Multiple(_, values) => format!(";dim={}", values.len()),
                    _ => String::new(),
                };
                links.push(format!("<{at}>{dim}{}", attributes(&at)));
                // Resource instances show only where their resource itself is asked for.
                if let (3, Content::Multiple(_, values)) = (path.depth(), &resource.content) {
                    let instances = values.keys().map(|id| at.child(*id));
                    links.extend(instances.map(|at| format!("<{at}>{}", attributes(&at))));
                }
            }
        }
        let found = match path.depth() {
            1 => true,
            2 => path.id(1).is_some_and(|id| object.instances.contains_key(&id)),
            3 => !links.is_empty(),
            _ => return Err(Code::BAD_REQUEST),
        };
        if found { Ok(links.join(",")) } else { Err(Code::NOT_FOUND) }
    }

    fn instance_mut(&mut self, path: &Path) -> Option<&mut BTreeMap<u16, Resource>> {
        self.0.get_mut(&path.id(0)?)?.instances.get_mut(&path.id(1)?)
    }

    fn resource(&self, path: &Path) -> Option<&Resource> {
        self.0.get(&path.id(0)?)?.instances.get(&path.id(1)?)?.get(&path.id(2)?)
    }

    fn resource_mut(&mut self, path: &Path) -> Option<&mut Resource> {
        self.instance_mut(path)?.get_mut(&path.id(2)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Objects {
        let mut objects = Objects::new();
        objects.insert([3, 0, 0], Resource::value("Acme"));
        objects.insert([3, 0, 4], Resource::executable());
        objects.insert([3, 0, 6], Resource::multiple(DataType::Integer, [(0, 1i64), (1, 5)]).writable());
        objects.insert([3, 0, 14], Resource::value("+01").writable());
        objects.insert([5, 0, 0], Resource::value(vec![]).write_only());
        objects.set_template(6, [(0, Resource::value(0.0).writable())]);
        objects.set_version(3, "1.1");
        objects
    }

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn reads_by_level_and_names_what_is_missing() {
        let objects = objects();
        let count = |at: &str| objects.read(&path(at), Duration::ZERO).map(|nodes| nodes.len());
        for (at, expected) in [
            ("/3", Ok(4)),
            ("/3/0", Ok(4)),
            ("/3/0/6", Ok(2)),
            ("/3/0/6/1", Ok(1)),
            ("/3/0/6/2", Err(Code::NOT_FOUND)),
            ("/3/0/4", Err(Code::METHOD_NOT_ALLOWED)),
            ("/5/0/0", Err(Code::METHOD_NOT_ALLOWED)),
            ("/5/0", Ok(0)),
            ("/6", Ok(0)),
            ("/6/0", Err(Code::NOT_FOUND)),
            ("/9", Err(Code::NOT_FOUND)),
            ("/", Ok(4)),
        ] {
            assert_eq!(count(at), expected, "{at}");
        }
    }

    #[test]
    fn refused_writes_change_nothing() {
        let mut objects = objects();
        let nodes = [Node::new([3, 0, 14], "+02"), Node::new([3, 0, 0], "Mine")];
        assert_eq!(objects.write(&path("/3/0"), &nodes, false), Err(Code::METHOD_NOT_ALLOWED));
        assert_eq!(objects.read(&path("/3/0/14"), Duration::ZERO).unwrap(), [Node::new([3, 0, 14], "+01")]);
    }

    #[test]
    fn replacing_a_multiple_resource_drops_the_instances_not_named() {
        let mut objects = objects();
        objects.write(&path("/3/0/6"), &[Node::new([3, 0, 6, 3], 7i64)], true).unwrap();
        assert_eq!(objects.read(&path("/3/0/6"), Duration::ZERO).unwrap(), [Node::new([3, 0, 6, 3], 7i64)]);
        objects.write(&path("/3/0/6"), &[Node::new([3, 0, 6, 4], 8i64)], false).unwrap();
        assert_eq!(objects.read(&path("/3/0/6"), Duration::ZERO).unwrap().len(), 2);
    }

    #[test]
    fn create_and_delete_follow_the_template() {
        let mut objects = objects();
        assert_eq!(objects.create(3, vec![]), Err(Code::METHOD_NOT_ALLOWED));
        assert_eq!(objects.create(6, vec![Node::new([6, 4, 0], 1.5)]), Ok(vec![4]));
        assert_eq!(objects.create(6, vec![Node::new([6, u16::MAX, 0], 2.5)]), Ok(vec![0]));
        assert_eq!(objects.create(6, vec![]), Ok(vec![1]));
        assert_eq!(objects.read(&path("/6/0/0"), Duration::ZERO).unwrap(), [Node::new([6, 0, 0], 2.5)]);
        assert_eq!(objects.delete(&path("/6/4")), Ok(()));
        assert_eq!(objects.delete(&path("/6/4")), Err(Code::NOT_FOUND));
    }

    #[test]
    fn links_and_discover_name_versions_and_dimensions() {
        let objects = objects();
        assert_eq!(objects.links("/lw").join(","), "</lw/3>;ver=1.1,</lw/3/0>,</lw/5/0>,</lw/6>");
        let attributes = |at: &Path| if at.depth() == 3 { ";pmin=1".to_owned() } else { String::new() };
        assert_eq!(
            objects.discover(&path("/3/0/6"), &attributes).unwrap(),
            "</3/0/6>;dim=2;pmin=1,</3/0/6/0>,</3/0/6/1>"
        );
        assert!(objects.discover(&path("/3"), &attributes).unwrap().starts_with("</3>;ver=1.1,</3/0>,</3/0/0>"));
    }
}
