//! Files of a folder that are not part of any certificate → why they are not served, where an operator may expect it.
//! Must not know: how certificates are found.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout;
use crate::files;
use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::content::{self, Content, Leaf};
use crate::tls::certificate::store::loaded::Loaded;
use crate::warning::Warning;

/// What a file that is not loaded should be, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// A certificate without a key, neither in it nor beside it.
    Single,
    /// A certificate with its full chain in a file beside it.
    Shorter,
    /// A key that matches no certificate's name.
    Key,
    Unknown,
}

/// A file, what it should be by its name, and what is in it.
type Seen = (PathBuf, Left, Content);

/// Reads the files that are left over of a folder, and adds a warning for each that an operator may expect to be served.
pub(super) fn explain(left: Vec<(PathBuf, Left)>, loaded: &mut Loaded, loading: &mut Loading<'_>) {
    let mut seen: Vec<Seen> = Vec::with_capacity(left.len());
    for (file, what) in left {
        match look(&file, what, loading) {
            Ok(content) => seen.push((file, what, content)),
            Err(error) => {
                // A file with an unknown ending is probably not a certificate; that it cannot be read is no reason to warn.
                let named = what != Left::Unknown && fs::symlink_metadata(&file).is_ok();
                let reason = named.then(|| Warning::about(shown(&file), files::reason(&error)));
                loaded.failures.extend(reason.map(|reason| reason.led_by("skipped: ")));
            }
        }
    }
    let served = Served::of(loaded, &seen);
    let stray: HashMap<(&Path, [u8; 32]), &Path> = seen.iter().filter_map(key_by_place).collect();
    let missed = |leaf: &Leaf| !served.certificates.contains(&leaf.certificate);
    let wanted: HashSet<(&Path, [u8; 32])> = seen
        .iter()
        .filter_map(leaf_by_place)
        .filter(|(_, leaf)| missed(leaf))
        .map(|(at, leaf)| (at, leaf.key))
        .collect();
    let warnings: Vec<Warning> = seen
        .iter()
        .filter_map(|(file, what, content)| match content {
            Content::Leaf(leaf) | Content::Both(leaf) if missed(leaf) => {
                let place = (folder_of(file), leaf.key);
                let fits = stray.get(&place).copied().or_else(|| served.keys.get(&place).copied());
                Some(missing(file, *what, content, fits))
            }
            Content::Leaf(_) | Content::Both(_) | Content::Authorities => None,
            Content::Key(Some(key)) if served.keys.contains_key(&(folder_of(file), *key)) => None,
            // The warning about its certificate already names this file.
            Content::Key(Some(key)) if wanted.contains(&(folder_of(file), *key)) => None,
            Content::Key(_) => Some(Warning::about(shown(file), STRAY_KEY)),
            Content::Foreign(why) => Some(Warning::about(shown(file), *why)),
            Content::Broken(error) => Some(Warning::about(shown(file), error.to_string())),
            Content::Nothing => nothing(file, *what).map(|why| Warning::about(shown(file), why)),
        })
        .collect();
    loaded.warnings.extend(warnings);
}

fn look(file: &Path, what: Left, loading: &mut Loading<'_>) -> io::Result<Content> {
    loading.look(file, if what == Left::Unknown { LARGEST_UNKNOWN } else { files::LARGEST_CERTIFICATES })
}

/// The certificates and keys of the folder that are served.
#[derive(Debug, Default)]
struct Served<'l> {
    /// By SHA-256.
    certificates: HashSet<[u8; 32]>,
    /// The file of a private key, by its folder and the SHA-256 of its public half.
    keys: HashMap<(&'l Path, [u8; 32]), &'l Path>,
}

impl<'l> Served<'l> {
    fn of(loaded: &'l Loaded, seen: &[Seen]) -> Self {
        let matters = |content: &Content| matches!(content, Content::Leaf(_) | Content::Both(_) | Content::Key(_));
        if !seen.iter().any(|(_, _, content)| matters(content)) {
            return Self::default();
        }
        let mut served = Self::default();
        for item in &loaded.items {
            let certificate = &item.entry.certificate;
            served.certificates.insert(certificate.fingerprint);
            if let Some(key) = certificate.key.cert.first().and_then(content::bearer) {
                served.keys.insert((folder_of(&item.key), key), &item.key);
            }
        }
        served
    }
}

fn key_by_place((file, _, content): &Seen) -> Option<((&Path, [u8; 32]), &Path)> {
    match content {
        Content::Key(Some(key)) => Some(((folder_of(file), *key), file)),
        _ => None,
    }
}

fn leaf_by_place((file, _, content): &Seen) -> Option<(&Path, Leaf)> {
    match content {
        Content::Leaf(leaf) => Some((folder_of(file), *leaf)),
        _ => None,
    }
}

/// The warning about a certificate that is not served.
fn missing(file: &Path, what: Left, content: &Content, fits: Option<&Path>) -> Warning {
    let why = match (what, content) {
        (Left::Shorter, _) => ANOTHER,
        (Left::Unknown | Left::Key, Content::Both(_)) => ENDING_OF_BOTH,
        (Left::Unknown | Left::Key, _) => ENDING,
        (Left::Single, _) => KEYLESS,
    };
    let warning = Warning::about(shown(file), why);
    match fits {
        Some(key) => warning.with(format!("; its key is in {}", shown(key))),
        None => warning,
    }
}

/// The warning about a file without certificates or keys, where its name implies them.
fn nothing(file: &Path, what: Left) -> Option<&'static str> {
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    match what {
        Left::Single | Left::Shorter => layout::is_only_certificate(&name).then_some("holds no certificate"),
        Left::Key => Some("holds no private key"),
        Left::Unknown => FOREIGN_ENDINGS.iter().any(|ending| name.ends_with(ending)).then_some(FOREIGN_ENDING),
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

const KEYLESS: &str = "is not served: it holds a certificate, and there is no private key here with a matching name (for x.crt that is x.key, x.crt.key or x-key.pem)";
const ANOTHER: &str = "is not served: it holds another certificate than the full chain beside it";
const ENDING: &str = "is not served: it holds a certificate, and its name does not end in .crt, .pem, .cer or .cert";
const ENDING_OF_BOTH: &str =
    "is not served: it holds a certificate with its key, and its name does not end in .pem, .crt, .cer or .cert";
const STRAY_KEY: &str = "is not used: it holds a private key, and there is no certificate here with a matching name";
const FOREIGN_ENDING: &str = "is not read: its ending is not that of a PEM file";

/// Endings of forms that are not read, in lower case.
const FOREIGN_ENDINGS: &[&str] = &[".p12", ".pfx", ".jks", ".keystore", ".der", ".p7b", ".p7c"];

/// Bytes that are read of a file with an unknown ending: certificates are much smaller.
const LARGEST_UNKNOWN: u64 = 1 << 20;
