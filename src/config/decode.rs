//! Reads TOML tables key by key and collects everything that is wrong, with key path, line and column.
//!
//! serde would stop at the first error; a person corrects a file faster when all errors are reported together.
//! Must not know: which keys there are.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub mod outline;
mod places;

use crate::config::located::{ConfigError, Located, Position, Text};
use crate::words::Words;
use outline::{Key, Kind, Outline, Shape};
use places::Places;

/// What a key can hold.
pub trait Value: Sized {
    /// What to write, for the error: `a duration such as "30s"`.
    const EXPECTED: &'static str;

    /// The types of JSON Schema that it may be written as.
    const TYPES: &'static [&'static str] = &["string"];

    /// `None` where the value is something else.
    fn read(value: &DeValue<'_>) -> Option<Self>;
}

impl<T: Words> Value for T {
    const EXPECTED: &'static str = <T as Words>::EXPECTED;

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Self::from_word(value.as_str()?)
    }
}

/// The places in a text, and the faults found in it so far.
pub struct Faults<'i> {
    places: Places<'i>,
    errors: RefCell<Vec<ConfigError>>,
    /// Nothing is read: every table is visited once, to record the keys that it would ask for.
    rehearsed: bool,
}

impl<'i> Faults<'i> {
    /// No faults yet; `text` is where offsets point into, and `of` which text that is.
    pub fn new(of: Text, text: &'i str) -> Self {
        Self { places: Places::new(of, text), errors: RefCell::default(), rehearsed: false }
    }

    /// For [`Table::outline_of`].
    fn rehearsed() -> Self {
        Self { rehearsed: true, ..Self::new(Text::Configuration, "") }
    }

    /// Adds a fault of the key at `path`; `offset` is its byte in the text, if it has a place there.
    pub fn add(&self, path: &str, offset: Option<usize>, message: impl Into<String>) {
        let position = offset.map(|offset| self.position(offset));
        self.errors.borrow_mut().push(ConfigError { path: path.to_owned(), position, message: message.into() });
    }

    /// All faults, in the order in which they were found.
    pub fn into_errors(self) -> Vec<ConfigError> {
        self.errors.into_inner()
    }

    fn position(&self, offset: usize) -> Position {
        self.places.at(offset)
    }
}

/// Reads a whole text. Returns what could be read, and an error for everything that could not. Where the text is not TOML,
/// only that is reported, since errors that follow from it would mislead.
pub fn document<R>(
    of: Text,
    text: &str,
    read: impl FnOnce(&mut Table<'_>) -> R,
) -> Result<(R, Vec<ConfigError>), Vec<ConfigError>> {
    let faults = Faults::new(of, text);
    // Recoverable, so that all errors of syntax are found and not only the first.
    let (root, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        faults.add("", error.span().map(|span| span.start), format!("not valid TOML: {}", error.message()));
    }
    if !syntax.is_empty() {
        return Err(faults.into_errors());
    }
    let result = {
        let mut table = Table::new(&faults, root.get_ref(), 0, String::new());
        let result = read(&mut table);
        table.finish();
        result
    };
    Ok((result, faults.into_errors()))
}

/// An entry of a table whose keys can have any name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// The name, with its own place; its path is that of the table.
    pub name: Located<String>,
    /// `None` where it is wrong, which is reported.
    pub value: Option<Located<T>>,
}

/// A table whose keys are taken one by one; [`Table::finish`] reports those that were not taken.
pub struct Table<'t> {
    faults: &'t Faults<'t>,
    entries: &'t DeTable<'t>,
    offset: usize,
    path: String,
    known: Vec<&'static str>,
    outline: Outline,
}

impl<'t> Table<'t> {
    /// A table that begins at the byte `offset`; faults in it are added to `faults` with `path` before the key.
    pub fn new(faults: &'t Faults<'t>, entries: &'t DeTable<'t>, offset: usize, path: String) -> Self {
        Self { faults, entries, offset, path, known: Vec::new(), outline: Outline::default() }
    }

    /// The keys that `read` takes from a table.
    pub fn outline_of<R>(read: impl FnOnce(&mut Table<'_>) -> R) -> Outline {
        let (faults, empty) = (Faults::rehearsed(), DeTable::new());
        let mut table = Table::new(&faults, &empty, 0, String::new());
        read(&mut table);
        table.outline
    }

    /// The place of the table itself, for errors about missing keys.
    pub fn here(&self) -> Located<()> {
        Located { value: (), at: self.faults.position(self.offset), path: self.path.clone() }
    }

    /// The path of the table: `listener[0]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Puts a name into the path, once it is known: `listener[0]` becomes `listener "ldaps"`.
    pub fn rename(&mut self, path: String) {
        self.path = path;
    }

    /// The value of a key; `None` where it is absent, or wrong, which is reported.
    pub fn optional<T: Value>(&mut self, key: &'static str) -> Option<Located<T>> {
        self.asks(key, false, Shape::Value(kind::<T>()));
        let value = self.entry(key)?;
        self.read(value, self.path_to(key))
    }

    /// The value of a key, or its default.
    pub fn or<T: Value>(&mut self, key: &'static str, default: T) -> Located<T> {
        let at = self.faults.position(self.offset);
        self.optional(key).unwrap_or(Located { value: default, at, path: self.path_to(key) })
    }

    /// The value of a key that must be present; `None` where it is absent or wrong, which is reported.
    pub fn required<T: Value>(&mut self, key: &'static str) -> Option<Located<T>> {
        self.asks(key, true, Shape::Value(kind::<T>()));
        if !self.entries.contains_key(key) {
            // Known all the same: the error about another, misspelled key lists it.
            self.known.push(key);
            self.faults.add(&self.path, Some(self.offset), format!("\"{key}\" is missing (expected {})", T::EXPECTED));
            return None;
        }
        self.optional(key)
    }

    /// A list of at least one entry; a single value counts as a list of one. `None` where the key is absent.
    pub fn list<T: Value>(&mut self, key: &'static str) -> Option<Vec<Located<T>>> {
        self.asks(key, false, Shape::List(kind::<T>()));
        let value = self.entry(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            return Some(self.read(value, self.path_to(key)).into_iter().collect());
        };
        // An empty list could be meant like an absent key, or like the opposite of one.
        if items.is_empty() {
            let message = format!("found an empty list, expected at least one: {}", T::EXPECTED);
            self.faults.add(&self.path_to(key), Some(value.span().start), message);
        }
        let read = |(index, item)| self.read(item, format!("{}[{index}]", self.path_to(key)));
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    /// The entries of a sub-table whose keys can have any name. `None` where it is absent, or no table, which is reported.
    pub fn entries<T: Value>(&mut self, key: &'static str) -> Option<Located<Vec<Entry<T>>>> {
        self.asks(key, false, Shape::Entries(kind::<T>()));
        let (value, path) = (self.entry(key)?, self.path_to(key));
        let DeValue::Table(entries) = value.get_ref() else {
            self.faults.add(&path, Some(value.span().start), wrong(value.get_ref(), "a table"));
            return None;
        };
        let place = |offset| self.faults.position(offset);
        let all = entries.iter().map(|(name, value)| Entry {
            name: Located { value: name.get_ref().to_string(), at: place(name.span().start), path: path.clone() },
            // In quotes: a name of the operator's can have any character.
            value: self.read(value, format!("{path}: {:?}", name.get_ref())),
        });
        Some(Located { value: all.collect(), at: place(value.span().start), path: path.clone() })
    }

    /// A sub-table; absent counts as empty.
    pub fn table<R>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'_>) -> R) -> R {
        let empty = DeTable::new();
        let found = self.entry(key).and_then(|value| match value.get_ref() {
            DeValue::Table(entries) => Some((entries, value.span().start)),
            other => {
                self.faults.add(&self.path_to(key), Some(value.span().start), wrong(other, "a table"));
                None
            }
        });
        let (entries, offset) = found.unwrap_or((&empty, self.offset));
        let mut table = Table::new(self.faults, entries, offset, self.path_to(key));
        let result = read(&mut table);
        table.finish();
        let outline = table.outline;
        self.asks(key, false, Shape::Table(outline));
        result
    }

    /// A sub-table that may be absent.
    pub fn optional_table<R>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'_>) -> R) -> Option<R> {
        // A rehearsal has no entries, and needs the keys of the table all the same.
        if !self.entries.contains_key(key) && !self.faults.rehearsed {
            self.known.push(key);
            return None;
        }
        Some(self.table(key, read))
    }

    /// The tables of `[[key]]`.
    pub fn tables<R>(&mut self, key: &'static str, mut read: impl FnMut(&mut Table<'_>) -> R) -> Vec<R> {
        if self.faults.rehearsed {
            self.asks(key, false, Shape::Tables(Self::outline_of(&mut read)));
        }
        let Some(value) = self.entry(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let message = wrong(value.get_ref(), &format!("a list of tables, written [[{key}]]"));
            self.faults.add(&self.path_to(key), Some(value.span().start), message);
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_to(key));
            match item.get_ref() {
                DeValue::Table(entries) => {
                    let mut table = Table::new(self.faults, entries, item.span().start, path);
                    all.push(read(&mut table));
                    table.finish();
                }
                other => self.faults.add(&path, Some(item.span().start), wrong(other, "a table")),
            }
        }
        all
    }

    /// The tables of `[key.NAME]`, each with its name.
    pub fn named_tables<R>(&mut self, key: &'static str, mut read: impl FnMut(&str, &mut Table<'_>) -> R) -> Vec<R> {
        if self.faults.rehearsed {
            self.asks(key, false, Shape::Named(Self::outline_of(|table| read("", table))));
        }
        let Some(value) = self.entry(key) else { return Vec::new() };
        let DeValue::Table(named) = value.get_ref() else {
            let message = wrong(value.get_ref(), &format!("tables with names, written [{key}.NAME]"));
            self.faults.add(&self.path_to(key), Some(value.span().start), message);
            return Vec::new();
        };
        let mut all = Vec::new();
        for (name, item) in named {
            let path = format!("{key} {:?}", name.get_ref());
            match item.get_ref() {
                DeValue::Table(entries) => {
                    let mut table = Table::new(self.faults, entries, name.span().start, path);
                    all.push(read(name.get_ref(), &mut table));
                    table.finish();
                }
                other => self.faults.add(&path, Some(item.span().start), wrong(other, "a table")),
            }
        }
        all
    }

    /// Reports every key that was not taken, with the keys that exist.
    pub fn finish(&mut self) {
        for key in self.entries.keys() {
            if !self.known.iter().any(|known| known == key.get_ref()) {
                let mut known = self.known.clone();
                known.sort_unstable();
                let message = format!("unknown key {:?} (expected one of {})", key.get_ref(), known.join(", "));
                self.faults.add(&self.path, Some(key.span().start), message);
            }
        }
    }

    /// Records a key for the outline. Only a rehearsal needs it.
    fn asks(&mut self, key: &'static str, required: bool, shape: Shape) {
        if self.faults.rehearsed {
            self.outline.0.entry(key).or_insert(Key { required, shape });
        }
    }

    fn entry(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.entries.get(key)
    }

    fn read<T: Value>(&self, value: &Spanned<DeValue<'_>>, path: String) -> Option<Located<T>> {
        let offset = value.span().start;
        match T::read(value.get_ref()) {
            Some(read) => Some(Located { value: read, at: self.faults.position(offset), path }),
            None => {
                self.faults.add(&path, Some(offset), wrong(value.get_ref(), T::EXPECTED));
                None
            }
        }
    }

    fn path_to(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}: {key}", self.path) }
    }
}

fn kind<T: Value>() -> Kind {
    Kind { expected: T::EXPECTED, types: T::TYPES }
}

/// `found …, expected …`
fn wrong(found: &DeValue<'_>, expected: &str) -> String {
    let found = match found {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    };
    format!("found {found}, expected {expected}")
}
