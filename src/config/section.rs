//! Reads one table of the configuration key by key, so that every finding is reported and not only the first.
use super::finding::Finding;
use super::setting::{Setting, type_of};
use config::{Map, Value, ValueKind};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// What all sections of one file share.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file, as the operator named it.
    pub(crate) file: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
    findings: RefCell<Vec<Finding>>,
    /// Full name of every key that was asked for, so that a test can hold the shipped file against them.
    #[cfg(test)]
    pub(super) asked: RefCell<Vec<String>>,
}

impl Document {
    /// A document without findings yet.
    pub(crate) fn new(file: &Path) -> Document {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Document {
            file: file.display().to_string(),
            folder: folder.to_owned(),
            findings: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// Adds a finding.
    pub(crate) fn report(&self, finding: Finding) {
        self.findings.borrow_mut().push(finding);
    }

    /// Everything that was found.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings.into_inner()
    }

    /// A relative path means: in the folder of the configuration file if it is there, else in the working directory if it
    /// is there, else (something still to be made) in the folder of the configuration file.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        let beside = self.folder.join(path);
        if !beside.exists() && path.exists() { path.to_owned() } else { beside }
    }
}

/// One table. Keys are taken out as they are read; [`Section::finish`] reports those that nobody asked for.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    document: &'a Document,
    name: String,
    table: Map<String, Value>,
    /// Keys asked for so far: where each came from if it did not come from the file, and whether it was there at all.
    known: Vec<(&'static str, Option<String>, bool)>,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(crate) fn root(document: &'a Document, table: Map<String, Value>) -> Section<'a> {
        Section { document, name: String::new(), table, known: Vec::new() }
    }

    /// The document, for paths.
    pub(crate) fn document(&self) -> &'a Document {
        self.document
    }

    /// A key, or its default when absent.
    pub(crate) fn get<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// A key that may be absent; also `None` when its value cannot be used, which is reported.
    pub(crate) fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let value = self.value(key)?;
        T::read(&value).map_err(|reason| self.report(key, reason)).ok()
    }

    /// A key whose value must pass a test.
    pub(crate) fn checked<T: Setting>(
        &mut self,
        key: &'static str,
        default: T,
        test: impl FnOnce(&T) -> Result<(), String>,
    ) -> T {
        let value = self.get(key, default);
        if let Err(reason) = test(&value) {
            self.report(key, reason);
        }
        value
    }

    /// A key that takes one of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        let Some(word) = self.optional::<String>(key) else { return default };
        words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value).unwrap_or_else(|| {
            let names: Vec<_> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.report(key, format!("must be {}, not {word:?}", names.join(" or ")));
            default
        })
    }

    /// A file that must exist, resolved.
    pub(crate) fn existing_file(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.document.resolve(&self.optional::<PathBuf>(key)?);
        match std::fs::File::open(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                self.report(key, format!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }

    /// The key stands in the section and has not been read yet.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The key was read and stood there, usable or not.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.known.iter().any(|(known, _, present)| *known == key && *present)
    }

    /// The untyped value of a key.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<Value> {
        #[cfg(test)]
        self.document.asked.borrow_mut().push(self.full(key));
        let value = self.table.remove(key);
        self.known.push((key, value.as_ref().and_then(|value| value.origin()).map(str::to_owned), value.is_some()));
        value
    }

    /// A table below this one; empty when absent.
    pub(crate) fn section(&mut self, key: &'static str) -> Section<'a> {
        let table = match self.value(key) {
            None => Map::default(),
            Some(Value { kind: ValueKind::Table(table), .. }) => table,
            Some(other) => {
                self.report(key, format!("must be a table, not {}", type_of(&other)));
                Map::default()
            }
        };
        Section { document: self.document, name: self.full(key), table, known: Vec::new() }
    }

    /// An array of tables below this one; empty when absent.
    pub(crate) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let items = match self.value(key) {
            None => Vec::new(),
            Some(Value { kind: ValueKind::Array(items), .. }) => items,
            Some(other) => {
                let reason =
                    format!("must be an array of tables, not {}: write [[{}]]", type_of(&other), self.full(key));
                self.report(key, reason);
                Vec::new()
            }
        };
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let name = format!("{}[{index}]", self.full(key));
            match item.kind {
                ValueKind::Table(table) => {
                    sections.push(Section { document: self.document, name, table, known: Vec::new() });
                }
                _ => self.document.report(Finding::error(
                    &self.document.file,
                    name,
                    format!("must be a table, not {}", type_of(&item)),
                )),
            }
        }
        sections
    }

    /// Reports a key of this section.
    pub(crate) fn report(&self, key: &str, reason: impl Into<String>) {
        self.document.report(Finding::error(self.place(key), self.full(key), reason));
    }

    /// Reports a key of this section as a warning.
    pub(crate) fn warn(&self, key: &str, reason: impl Into<String>) {
        self.document.report(Finding::warning(self.place(key), self.full(key), reason));
    }

    /// Ends the section: keys that nobody asked for are unknown.
    pub(crate) fn finish(mut self) {
        let mut unknown: Vec<_> = std::mem::take(&mut self.table).into_iter().collect();
        unknown.sort_by(|(left, _), (right, _)| left.cmp(right));
        for (key, value) in unknown {
            let place = value.origin().unwrap_or(&self.document.file);
            let mut known: Vec<_> = self.known.iter().map(|(key, ..)| *key).collect();
            known.sort_unstable();
            let here = if self.name.is_empty() { "known here".to_owned() } else { format!("known in [{}]", self.name) };
            let reason = format!("unknown key; {here}: {}", known.join(", "));
            self.document.report(Finding::error(place, self.full(&key), reason));
        }
    }

    /// Full name of a key.
    fn full(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Where a key that was read came from.
    fn place(&self, key: &str) -> &str {
        let origin = self.known.iter().find(|(known, ..)| *known == key).and_then(|(_, origin, _)| origin.as_deref());
        origin.unwrap_or(&self.document.file)
    }
}
