//! What is shown of the configuration: tables of keys, in the order of the reference. Must not know: which keys there are.

use serde_json::{Map, Value};

/// The keys of a table, in order, and what they hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table(pub Vec<(&'static str, Shown)>);

/// What a key holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// A value, or a list of values; null where the key is not set.
    Value(Value),
    /// A table that is written as one value: `{ rate = "10/s", burst = 50 }`.
    Inline(Table),
    /// `[key]`
    Table(Table),
    /// `[[key]]`, `[key.NAME]`, or the entries of a list that have keys of their own.
    Tables(Tables),
}

/// Tables of one kind, each with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Tables {
    /// What one of them is called: `listener`.
    pub one: &'static str,
    pub form: Form,
    pub all: Vec<(String, Table)>,
}

/// How tables of one kind are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A list, in any order; the name is a key of the table.
    List,
    /// A list whose order means something; the name is a key of the table.
    Ordered,
    /// Under their names, which are not in the tables.
    Named,
}

impl Table {
    /// Adds a key.
    pub(super) fn key(mut self, key: &'static str, shown: impl Into<Shown>) -> Self {
        self.0.push((key, shown.into()));
        self
    }

    /// Adds a table, or null where there is none.
    pub(super) fn table(self, key: &'static str, table: Option<Self>) -> Self {
        self.key(key, table.map_or(Shown::Value(Value::Null), Shown::Table))
    }

    /// Adds all keys of another table.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The value of a key; `None` where the table does not have it.
    pub fn get(&self, key: &str) -> Option<&Shown> {
        // Tables have few keys, and a list keeps their order.
        self.0.iter().find(|(name, _)| *name == key).map(|(_, shown)| shown)
    }

    /// The table as a JSON object.
    pub fn json(&self) -> Value {
        self.0.iter().map(|(key, shown)| ((*key).to_owned(), shown.json())).collect::<Map<_, _>>().into()
    }
}

impl Shown {
    fn json(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Inline(table) | Self::Table(table) => table.json(),
            Self::Tables(Tables { one: _, form: Form::List | Form::Ordered, all }) => {
                all.iter().map(|(_, table)| table.json()).collect()
            }
            Self::Tables(Tables { one: _, form: Form::Named, all }) => {
                all.iter().map(|(name, table)| (name.clone(), table.json())).collect::<Map<_, _>>().into()
            }
        }
    }
}

impl<T: Into<Value>> From<T> for Shown {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

impl From<Table> for Shown {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<Tables> for Shown {
    fn from(tables: Tables) -> Self {
        Self::Tables(tables)
    }
}
