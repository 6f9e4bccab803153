//! The text of stunnel.conf → the options before the first service, and the services. Must not know: what options mean.

use std::path::Path;
use std::sync::Arc;

use crate::convert::disk::Disk;
use crate::convert::list::{Line, List};

/// `[NAME]` and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: Line,
    pub(super) entries: Vec<Entry>,
}

/// `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// In lower case: stunnel ignores case.
    pub(super) key: String,
    /// As it is written.
    written: String,
    pub(super) value: String,
    pub(super) line: Line,
}

impl Entry {
    pub(super) fn shown(&self) -> String {
        format!("{} = {}", self.written, self.value)
    }
}

/// Reads the text, and the files of the folders that it includes, where it does so.
pub(super) fn read(text: &str, folder: &Path, disk: &dyn Disk, list: &mut List) -> (Vec<Entry>, Vec<Section>) {
    let mut reading = Reading { folder, disk, list, globals: Vec::new(), sections: Vec::new() };
    reading.text(text, None);
    (reading.globals, reading.sections)
}

struct Reading<'a> {
    folder: &'a Path,
    disk: &'a dyn Disk,
    list: &'a mut List,
    globals: Vec<Entry>,
    sections: Vec<Section>,
}

impl Reading<'_> {
    fn text(&mut self, text: &str, file: Option<&Arc<str>>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate() {
            let place = Line { file: file.cloned(), number: number + 1 };
            let line = line.trim();
            if line.is_empty() || line.starts_with([';', '#']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                self.sections.push(Section { name: name.trim().to_owned(), line: place, entries: Vec::new() });
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                self.list.lost(&place, line, "expected OPTION = VALUE");
                continue;
            };
            let (key, value) = (key.trim(), value.trim().to_owned());
            // Included files include nothing here: they could include each other.
            if key.eq_ignore_ascii_case("include") && file.is_none() {
                self.include(&value, &place);
                continue;
            }
            let entry = Entry { key: key.to_ascii_lowercase(), written: key.to_owned(), value, line: place };
            match self.sections.last_mut() {
                Some(section) => section.entries.push(entry),
                None => self.globals.push(entry),
            }
        }
    }

    /// The files of a folder by name, which stunnel reads as if they were written there.
    fn include(&mut self, folder: &str, place: &Line) {
        let folder = self.folder.join(folder);
        let files = match self.disk.folder(&folder) {
            Ok(files) => files,
            Err(why) => {
                let text = format!("include = {}", folder.display());
                return self.list.lost(place, text, format!("it cannot be read: {why}"));
            }
        };
        if files.len() > MOST_FILES {
            self.list.lost(place, format!("include = {}", folder.display()), "there are too many files");
        }
        for file in files.into_iter().take(MOST_FILES) {
            let name = file.display().to_string();
            match self.disk.text(&file) {
                Ok(text) => self.text(&text, Some(&name.into())),
                Err(why) => self.list.lost(place, name, format!("it cannot be read: {why}")),
            }
        }
    }
}

/// Nobody has more services in files of their own.
const MOST_FILES: usize = 1000;
