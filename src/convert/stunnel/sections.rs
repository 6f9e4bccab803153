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

/// Reads the text, and the files of the folders that it includes.
pub(super) fn read(text: &str, folder: &Path, disk: &dyn Disk, list: &mut List) -> (Vec<Entry>, Vec<Section>) {
    let (mut globals, mut sections) = (Vec::new(), Vec::<Section>::new());
    let mut texts = vec![(None::<Arc<str>>, text.to_owned())];
    let mut at = 0;
    while at < texts.len() {
        let (file, text) = texts[at].clone();
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for (number, line) in text.lines().enumerate() {
            let place = Line { file: file.clone(), number: number + 1 };
            let line = line.trim();
            if line.is_empty() || line.starts_with([';', '#']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                sections.push(Section { name: name.trim().to_owned(), line: place, entries: Vec::new() });
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                list.lost(&place, line, "expected OPTION = VALUE");
                continue;
            };
            let (key, value) = (key.trim(), value.trim().to_owned());
            if key.eq_ignore_ascii_case("include") && file.is_none() {
                include(&folder.join(&value), &place, disk, &mut texts, list);
                continue;
            }
            let entry = Entry { key: key.to_ascii_lowercase(), written: key.to_owned(), value, line: place };
            match sections.last_mut() {
                Some(section) => section.entries.push(entry),
                None => globals.push(entry),
            }
        }
        at += 1;
    }
    (globals, sections)
}

/// The files of a folder, which stunnel reads as if they were written there; services in them follow those of the file.
fn include(folder: &Path, place: &Line, disk: &dyn Disk, texts: &mut Vec<(Option<Arc<str>>, String)>, list: &mut List) {
    let files = match disk.folder(folder) {
        Ok(files) => files,
        Err(why) => {
            return list.lost(place, format!("include = {}", folder.display()), format!("it cannot be read: {why}"));
        }
    };
    for file in files {
        let name = file.display().to_string();
        if texts.len() > MOST_FILES {
            return list.lost(place, name, "there are too many files");
        }
        match disk.text(&file) {
            Ok(text) => texts.push((Some(name.into()), text)),
            Err(why) => list.lost(place, name, format!("it cannot be read: {why}")),
        }
    }
}

/// Nobody has more services in files of their own.
const MOST_FILES: usize = 1000;
