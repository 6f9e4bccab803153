//! Files of lists – addresses, JA4s, keys – → sets, each file read once for a snapshot, and its set kept as long as the file
//! has the same bytes. Must not know: what a list is for.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::decode::Value;
use crate::config::located::{ConfigError, Located};
use crate::config::values::health::Pinned;
use crate::feed;
use crate::files;
use crate::ja4::Ja4;
use crate::limit::prefixes::{self, Addresses};
use crate::tls::crypto;

/// Everything that was read from files of lists for one snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    addresses: Known<Addresses>,
    ja4: Known<HashSet<Ja4>>,
    pins: Known<Vec<[u8; 32]>>,
}

/// By file; `None` where it could not be read, which is reported.
type Known<T> = HashMap<PathBuf, Option<Arc<List<T>>>>;

/// What was read from one file.
#[derive(Debug)]
struct List<T> {
    sha256: [u8; 32],
    /// How many entries the file has; one that is there twice counts twice.
    entries: usize,
    /// It has none, and had some since the start.
    is_emptied: bool,
    set: Arc<T>,
}

/// A file of a list that holds something else than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed<'l> {
    pub file: &'l Path,
    /// How many entries it had.
    pub was: usize,
    pub is: usize,
}

impl Lists {
    /// Addresses and prefixes. `None` adds an error.
    pub(super) fn addresses(
        &mut self,
        before: &Self,
        file: &Located<PathBuf>,
        errors: &mut Vec<ConfigError>,
    ) -> Option<Arc<Addresses>> {
        read((&mut self.addresses, &before.addresses), file, errors, |entry| {
            let prefix = prefixes::parse(entry).ok_or_else(|| wrong(entry, prefixes::EXPECTED))?;
            prefixes::exact(prefix)
        })
    }

    /// JA4s of clients. `None` adds an error.
    pub(super) fn ja4(
        &mut self,
        before: &Self,
        file: &Located<PathBuf>,
        errors: &mut Vec<ConfigError>,
    ) -> Option<Arc<HashSet<Ja4>>> {
        let parse = |entry: &str| Ja4::parse(entry).ok_or_else(|| wrong(entry, Ja4::EXPECTED));
        read((&mut self.ja4, &before.ja4), file, errors, parse)
    }

    /// SHA-256 of public keys. `None` adds an error.
    pub(super) fn pins(
        &mut self,
        before: &Self,
        file: &Located<PathBuf>,
        errors: &mut Vec<ConfigError>,
    ) -> Option<Arc<Vec<[u8; 32]>>> {
        let parse = |entry: &str| {
            Pinned::parse(entry).map(|pinned| pinned.0).ok_or_else(|| wrong(entry, <Pinned as Value>::EXPECTED))
        };
        read((&mut self.pins, &before.pins), file, errors, parse)
    }

    /// Whether a file of addresses or of JA4s has no entries any more.
    pub(super) fn is_emptied(&self, file: &Path) -> bool {
        let [addresses, ja4] = [is_emptied(&self.addresses, file), is_emptied(&self.ja4, file)];
        addresses || ja4
    }

    /// The files that hold something else than before, in the order of their paths.
    pub(super) fn changed<'l>(&'l self, before: &'l Self) -> BTreeSet<Changed<'l>> {
        let mut all = changed(&self.addresses, &before.addresses);
        all.extend(changed(&self.ja4, &before.ja4));
        all.extend(changed(&self.pins, &before.pins));
        all
    }
}

fn read<E, T: FromIterator<E>>(
    (known, before): (&mut Known<T>, &Known<T>),
    file: &Located<PathBuf>,
    errors: &mut Vec<ConfigError>,
    entry: impl Fn(&str) -> Result<E, String>,
) -> Option<Arc<T>> {
    // Thousands of routes may name one file: it is read, and what is wrong with it is reported, once.
    let list = match known.get(&file.value) {
        Some(list) => list.clone(),
        None => {
            let before = before.get(&file.value).and_then(Option::as_ref);
            let list = fresh(file, before, entry).map_err(|faults| errors.extend(faults)).ok();
            known.insert(file.value.clone(), list.clone());
            list
        }
    };
    list.map(|list| Arc::clone(&list.set))
}

fn fresh<E, T: FromIterator<E>>(
    file: &Located<PathBuf>,
    before: Option<&Arc<List<T>>>,
    entry: impl Fn(&str) -> Result<E, String>,
) -> Result<Arc<List<T>>, Vec<ConfigError>> {
    let wrong = |reason: String| file.error(format!("{}: {reason}", file.value.display()));
    let contents = files::read(&file.value, files::LARGEST_FEED).map_err(|error| vec![wrong(files::reason(&error))])?;
    let sha256 = crypto::sha256(&contents.bytes);
    if let Some(same) = before.filter(|before| before.sha256 == sha256) {
        return Ok(Arc::clone(same));
    }
    match feed::entries(&contents.bytes, entry) {
        Ok(entries) => {
            let had_some = before.is_some_and(|before| before.entries > 0 || before.is_emptied);
            Ok(Arc::new(List {
                sha256,
                entries: entries.len(),
                is_emptied: entries.is_empty() && had_some,
                set: Arc::new(entries.into_iter().collect()),
            }))
        }
        Err(feed::Faults { first, more }) => {
            let mut errors: Vec<ConfigError> = first.iter().map(|fault| wrong(fault.to_string())).collect();
            errors.extend((more > 0).then(|| wrong(format!("{more} more lines are wrong"))));
            Err(errors)
        }
    }
}

fn is_emptied<T>(known: &Known<T>, file: &Path) -> bool {
    known.get(file).and_then(Option::as_ref).is_some_and(|list| list.is_emptied)
}

fn changed<'l, T>(is: &'l Known<T>, was: &'l Known<T>) -> BTreeSet<Changed<'l>> {
    let both = is.iter().filter_map(|(file, is)| Some((file, is.as_ref()?, was.get(file)?.as_ref()?)));
    let different = both.filter(|(_, is, was)| is.sha256 != was.sha256);
    different.map(|(file, is, was)| Changed { file, was: was.entries, is: is.entries }).collect()
}

fn wrong(entry: &str, expected: &str) -> String {
    format!("{}, expected {expected}", feed::found(entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::located::{Position, Text};

    fn file(path: PathBuf) -> Located<PathBuf> {
        Located {
            value: path,
            at: Position { text: Text::Configuration, line: 1, column: 1 },
            path: "deny_file".to_owned(),
        }
    }

    #[test]
    fn a_file_is_read_once_and_its_set_is_kept_while_its_bytes_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let list = file(folder.path().join("list"));
        let (mut errors, none) = (Vec::new(), Lists::default());
        std::fs::write(&list.value, "192.0.2.0/24 ; SBL1\n192.0.2.7\n").unwrap();
        let mut first = Lists::default();
        let one = first.addresses(&none, &list, &mut errors).unwrap();
        assert!(Arc::ptr_eq(&one, &first.addresses(&none, &list, &mut errors).unwrap()));
        let mut second = Lists::default();
        assert!(Arc::ptr_eq(&one, &second.addresses(&first, &list, &mut errors).unwrap()));
        assert!(second.changed(&first).is_empty() && errors.is_empty());
        std::fs::write(&list.value, "192.0.2.0/24\n").unwrap();
        let mut third = Lists::default();
        assert!(!Arc::ptr_eq(&one, &third.addresses(&second, &list, &mut errors).unwrap()));
        let changed: Vec<_> = third.changed(&second).into_iter().collect();
        assert_eq!(changed, [Changed { file: &list.value, was: 2, is: 1 }]);
    }

    #[test]
    fn a_file_is_emptied_from_its_last_entry_to_its_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let list = file(folder.path().join("list"));
        let (mut before, mut errors) = (Lists::default(), Vec::new());
        for (text, is_emptied) in
            [("# none\n", false), ("10.0.0.0/8\n", false), ("", true), ("", true), ("#\n", true), ("10.0.0.1\n", false)]
        {
            std::fs::write(&list.value, text).unwrap();
            let mut now = Lists::default();
            now.addresses(&before, &list, &mut errors).unwrap();
            assert_eq!(now.is_emptied(&list.value), is_emptied, "{text:?}");
            before = now;
        }
    }

    #[test]
    fn what_is_wrong_is_reported_once_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let list = file(folder.path().join("list"));
        std::fs::write(&list.value, "10.0.0.0/8\n# fine\n10.0.0.1/8\nten\n").unwrap();
        let (mut errors, mut lists) = (Vec::new(), Lists::default());
        assert!((0..2).all(|_| lists.addresses(&Lists::default(), &list, &mut errors).is_none()));
        let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
        let path = list.value.display();
        let expected = [
            format!("{path}: line 3: found 10.0.0.1/8, expected 10.0.0.0/8, or a longer prefix"),
            format!("{path}: line 4: found \"ten\", expected {}", prefixes::EXPECTED),
        ];
        assert_eq!(messages, expected);
        errors.clear();
        assert!(lists.ja4(&Lists::default(), &list, &mut errors).is_none() && errors.len() == 3);
        errors.clear();
        assert!(lists.pins(&Lists::default(), &file(folder.path().join("none")), &mut errors).is_none());
        assert!(errors[0].message.ends_with("none: no such file"), "{errors:?}");
    }
}
