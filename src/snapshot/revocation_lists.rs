//! Files of revoked certificates, and lists that were fetched and are kept → lists for a judge, each with its place. Must not
//! know: who is judged, how lists are fetched.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::located::Located;
use crate::config::validate::revocation::{Fetched, Lists};
use crate::files::{self, progress};
use crate::lists::settings::{EXTENSION, MOST};
use crate::snapshot::ListFile;
use crate::snapshot::reading::Reading;
use crate::tls::certificate::pem;
use crate::tls::trust::lists::ListFault;
use crate::tls::trust::lists::given::{Given, Origin};
use crate::tls::trust::lists::held::Used;
use crate::tls::trust::lists::remarks::At;
use crate::tls::trust::lists::rules::Rules;
use crate::warning::Warning;

/// Lists, and for each where it is from.
#[derive(Default)]
pub(super) struct Found<'f> {
    pub(super) given: Vec<Given>,
    places: Vec<Place<'f>>,
    /// Whether a list of a URL is not there, or cannot be used.
    awaited: bool,
}

enum Place<'f> {
    File(&'f Located<PathBuf>),
    /// With what it is called.
    Fetched(&'f Located<Fetched>, String),
}

impl<'f> Found<'f> {
    fn add(&mut self, given: impl IntoIterator<Item = Given>, place: impl Fn() -> Place<'f>) {
        for one in given {
            self.given.push(one);
            self.places.push(place());
        }
    }

    /// What is asked of the lists, of which some may not be there yet.
    pub(super) fn rules(&self, lists: &Lists) -> Rules {
        Rules { awaited: self.awaited, ..lists.rules }
    }

    /// The file that a list is from; `None` where it was fetched.
    pub(super) fn file(&self, index: usize) -> Option<&'f Located<PathBuf>> {
        match self.places.get(index)? {
            Place::File(file) => Some(file),
            Place::Fetched(..) => None,
        }
    }

    /// A warning about a list, or about all of them, whose key is at `here`.
    pub(super) fn warning<T>(&self, at: At, text: String, here: &Located<T>) -> Warning {
        let place = match at {
            At::List(index) => self.places.get(index),
            At::Ca(_) | At::Whole => None,
        };
        match place {
            Some(Place::File(file)) => {
                Warning::about(file.value.display().to_string(), text).at(&Arc::from(file.path.as_str()))
            }
            Some(Place::Fetched(one, name)) => Warning::about(name.clone(), text).at(&Arc::from(one.path.as_str())),
            None => Warning::new(text).at(&Arc::from(here.path.as_str())),
        }
    }

    /// Takes note of the files that are used, and reports lists that were fetched and cannot be used.
    pub(super) fn note(&self, used: &[Used], faults: &[(usize, ListFault)], reading: &mut Reading<'_>) {
        for list in used {
            if let Some(Place::File(file)) = self.places.get(list.index) {
                reading.list_files.insert(ListFile {
                    path: file.value.clone(),
                    issuer: list.issuer.clone(),
                    this_update: list.this_update,
                    next_update: list.next_update,
                });
            }
        }
        for (index, fault) in faults {
            if let Some(Place::Fetched(one, name)) = self.places.get(*index) {
                reading.unproved.push(one.error(format!("{name}: {fault}")));
            }
        }
    }
}

impl Reading<'_> {
    /// The lists of these keys. A file that cannot be read adds an error; a list that is not kept yet does not.
    pub(super) fn lists<'f>(&mut self, lists: &'f Lists) -> Found<'f> {
        let mut found = Found::default();
        for file in &lists.files {
            if let Some(given) = self.list_file(file) {
                found.add(given, || Place::File(file));
            }
        }
        for one in &lists.fetched {
            match &one.value {
                Fetched::Url { url, file } => match self.kept(file, Origin::Url) {
                    Ok(Some(given)) => found.add(given, || Place::Fetched(one, url.to_string())),
                    Ok(None) => {
                        found.awaited = true;
                        let text = "the list of revoked certificates is not fetched yet";
                        self.pending.push(Warning::about(url.to_string(), text).at(&Arc::from(one.path.as_str())));
                    }
                    Err(reason) => {
                        found.awaited = true;
                        self.unproved.push(one.error(format!("{url}: {reason}")));
                    }
                },
                Fetched::Points { folder } => {
                    for file in self.kept_files(folder) {
                        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        match self.kept(&file, Origin::Point) {
                            Ok(given) => found.add(given.into_iter().flatten(), || Place::Fetched(one, name.clone())),
                            Err(reason) => self.unproved.push(one.error(format!("{name}: {reason}"))),
                        }
                    }
                }
            }
        }
        found
    }

    fn list_file(&mut self, file: &Located<PathBuf>) -> Option<Vec<Given>> {
        let bytes = self.loading.plain(&file.value).map_err(|error| self.errors.push(file.error(error.to_string())));
        match pem::read_crls(&bytes.ok()?) {
            Ok(contents) => {
                self.unread(file, &contents);
                Some(contents.crls.into_iter().map(Given::file).collect())
            }
            Err(error) => {
                self.errors.push(file.error(format!("{}: {error}", file.value.display())));
                None
            }
        }
    }

    /// The list in a file of the state folder; `None` where there is none. The error is the reason.
    fn kept(&mut self, file: &Path, origin: Origin) -> Result<Option<Vec<Given>>, String> {
        progress::begin(file).map_err(|error| files::reason(&error))?;
        let there =
            self.kept.entry(file.to_owned()).or_insert_with(|| Vec::from_iter(file.exists().then(|| file.to_owned())));
        if there.is_empty() {
            return Ok(None);
        }
        let bytes = self.loading.plain(file).map_err(|error| error.to_string())?;
        let contents = pem::read_crls(&bytes).map_err(|error| error.to_string())?;
        Ok(Some(contents.crls.into_iter().map(|der| Given { der, origin }).collect()))
    }

    /// All lists that are kept.
    fn kept_files(&mut self, folder: &Path) -> Vec<PathBuf> {
        if progress::begin(folder).is_err() {
            return Vec::new();
        }
        if let Some(known) = self.kept.get(folder) {
            return known.clone();
        }
        // Without the folder, nothing is kept yet.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_list = |path: &PathBuf| path.extension().is_some_and(|end| end == EXTENSION);
        let mut files: Vec<_> = entries.filter(is_list).take(2 * MOST).collect();
        files.sort_unstable();
        self.kept.insert(folder.to_owned(), files.clone());
        files
    }
}
