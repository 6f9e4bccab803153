//! `pkcs11:` URIs (RFC 7512) ↔ which private key in which token is meant, and where its module and its PIN are. Pure.
//! Must not know: modules, tokens, what is done with a key.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use crate::passphrase::{self, Source};
use crate::words::{Words as _, words};

/// A private key in a token. It never holds a PIN, and `Display` shows nothing of where the PIN comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    /// What the path of the URI says of the key, its token, slot and module. Texts are UTF-8; the id is any bytes.
    given: BTreeMap<Attribute, Vec<u8>>,
    /// Attributes of vendors in the path, in their order. They are accepted, and mean nothing here.
    vendor: Vec<(String, Vec<u8>)>,
    /// The same in the query.
    vendor_query: Vec<(String, Vec<u8>)>,
    /// The file of the module, absolute.
    pub module: PathBuf,
    /// Where the PIN comes from; `None` where the URI does not say it.
    pub pin: Option<Source>,
}

/// The attributes in the path of a URI (RFC 7512 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    Token,
    Manufacturer,
    Serial,
    Model,
    SlotDescription,
    SlotId,
    SlotManufacturer,
    LibraryDescription,
    LibraryManufacturer,
    LibraryVersion,
    Object,
    Id,
    Type,
}

words! { Attribute {
    Token => "token", Manufacturer => "manufacturer", Serial => "serial", Model => "model",
    SlotDescription => "slot-description", SlotId => "slot-id", SlotManufacturer => "slot-manufacturer",
    LibraryDescription => "library-description", LibraryManufacturer => "library-manufacturer",
    LibraryVersion => "library-version", Object => "object", Id => "id", Type => "type",
} }

impl Uri {
    /// Reads a text that [`is_uri`] takes for one. The error says what was found and what was expected, and shows no PIN.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = strip_scheme(text).ok_or_else(|| format!("expected a URI that begins with \"{SCHEME}\""))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut given, mut vendor) = (BTreeMap::new(), Vec::new());
        for part in parts(path, ';') {
            let (name, value) = pair(part, PATH_CHARACTERS)?;
            match Attribute::from_word(name) {
                Some(attribute) => {
                    checked(attribute, &value)?;
                    if given.insert(attribute, value).is_some() {
                        return Err(format!("{name} is given twice, expected once"));
                    }
                }
                None if is_of_vendor(name) => vendor.push((name.to_owned(), value)),
                // It may be what tells two keys apart: so it is not passed over.
                None => return Err(format!("found the attribute {name:?}, expected {}", Attribute::EXPECTED)),
            }
        }
        let Query { module, pin, vendor: vendor_query } = Query::parse(query)?;
        let of_token = given.keys().any(|attribute| *attribute < Attribute::Object);
        if !of_token {
            return Err("names no token (expected token=LABEL, or serial=… or slot-id=…)".into());
        }
        if !given.contains_key(&Attribute::Object) && !given.contains_key(&Attribute::Id) {
            return Err("names no key (expected object=LABEL or id=%01, or both)".into());
        }
        Ok(Self { given, vendor, vendor_query, module, pin })
    }

    /// What the URI says of an attribute; `None` where it says nothing, and anything matches.
    pub fn given(&self, attribute: Attribute) -> Option<&[u8]> {
        self.given.get(&attribute).map(Vec::as_slice)
    }

    /// Whether a text that a token, slot or module reports is the one in the URI, or the URI says nothing of it.
    pub fn fits(&self, attribute: Attribute, reported: &str) -> bool {
        self.given(attribute).is_none_or(|given| given == reported.trim_end_matches(' ').as_bytes())
    }

    /// What of the URI tells tokens apart, without what is about the key. Two keys of one token have the same.
    pub fn token(&self) -> String {
        self.written_where(|attribute| attribute < Attribute::Object)
    }

    /// The same with a relative path of the PIN below `folder`.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        Self { pin: self.pin.map(|pin| pin.below(folder)), ..self }
    }

    /// The whole URI in its canonical form, which [`parse`](Self::parse) reads as the same.
    pub fn written(&self) -> String {
        let vendor = self.vendor.iter().map(|(name, value)| format!(";{name}={}", encoded(value, IN_PATH)));
        let vendor: String = vendor.collect();
        let module = encoded(self.module.as_os_str().as_bytes(), IN_QUERY);
        let pin = self.pin.as_ref().map(|pin| format!("&pin-source={}", encoded(&pin_bytes(pin), IN_QUERY)));
        let others = self.vendor_query.iter().map(|(name, value)| format!("&{name}={}", encoded(value, IN_QUERY)));
        format!("{self}{vendor}?module-path={module}{}{}", pin.unwrap_or_default(), others.collect::<String>())
    }

    fn written_where(&self, wanted: impl Fn(Attribute) -> bool) -> String {
        let wanted = self.given.iter().filter(|(attribute, _)| wanted(**attribute));
        let written = wanted.map(|(attribute, value)| match attribute {
            // RFC 7512 section 2.3: all bytes of an id should be written in this form.
            Attribute::Id => {
                format!("id={}", value.iter().map(|byte| format!("%{byte:02X}")).collect::<String>())
            }
            other => format!("{}={}", other.word(), encoded(value, IN_PATH)),
        });
        format!("{SCHEME}{}", written.collect::<Vec<_>>().join(";"))
    }
}

/// Token and key, without the query: for people.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written_where(|_| true))
    }
}

/// Whether a text in the place of a path is a URI of this kind.
pub fn is_uri(text: &str) -> bool {
    strip_scheme(text).is_some()
}

/// Schemes are compared without regard to case (RFC 3986 section 3.1).
fn strip_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

/// What the query says (RFC 7512 section 2.4).
struct Query {
    module: PathBuf,
    pin: Option<Source>,
    vendor: Vec<(String, Vec<u8>)>,
}

impl Query {
    fn parse(query: &str) -> Result<Self, String> {
        let (mut module, mut name, mut pin, mut vendor) = (None, None, None, Vec::new());
        for part in parts(query, '&') {
            // Before anything of it is shown.
            if part.starts_with("pin-value") {
                return Err(PIN_VALUE.into());
            }
            let (key, value) = pair(part, QUERY_CHARACTERS)?;
            let twice = match key {
                "module-path" => module.replace(module_path(value)?).is_some(),
                "module-name" => name.replace(value).is_some(),
                "pin-source" => pin.replace(pin_source(value)?).is_some(),
                _ if is_of_vendor(key) => {
                    vendor.push((key.to_owned(), value));
                    false
                }
                _ => {
                    return Err(format!(
                        "found the attribute {key:?} behind \"?\", expected module-path or pin-source"
                    ));
                }
            };
            if twice {
                return Err(format!("{key} is given twice, expected once"));
            }
        }
        // A name would be looked for in folders that differ from system to system, and what is loaded can do everything.
        let module = module.ok_or_else(|| {
            let found = if name.is_some() { "has a module-name" } else { "names no module" };
            format!("{found}, expected ?module-path=/path/of/the/module.so")
        })?;
        Ok(Self { module, pin, vendor })
    }
}

/// The parts of a path or query; none where it is empty.
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).filter(move |_| !text.is_empty())
}

/// `name=value`, the value decoded. `allowed` are the characters that may stand in a value as they are, besides letters and
/// digits.
fn pair<'t>(part: &'t str, allowed: &str) -> Result<(&'t str, Vec<u8>), String> {
    let (name, value) = part.split_once('=').ok_or("found a part without \"=\", expected name=value")?;
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !is_name(name) {
        return Err(format!("found the attribute {name:?}, expected a name of letters, digits, \"-\" and \"_\""));
    }
    let mut rest = value.chars();
    while let Some(next) = rest.next() {
        let is_encoded = || {
            let digits = rest.as_str().as_bytes();
            digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
        };
        match next {
            '%' if is_encoded() => {}
            '%' => {
                return Err(format!(
                    "{name}: found \"%\" without two hexadecimal digits, expected %25 for the character"
                ));
            }
            _ if next.is_ascii_alphanumeric() || allowed.contains(next) => {}
            _ => return Err(format!("{name}: found {next:?}, expected it as {}", encoded_char(next))),
        }
    }
    Ok((name, percent_decode(value.as_bytes()).collect()))
}

/// What an attribute of the path may be.
fn checked(attribute: Attribute, value: &[u8]) -> Result<(), String> {
    let name = attribute.word();
    let text = std::str::from_utf8(value);
    match (attribute, text) {
        (Attribute::Id, _) if value.is_empty() => Err(format!("{name} is empty, expected bytes such as %01")),
        (Attribute::Id, _) => Ok(()),
        (_, Err(_)) => Err(format!("{name} is not text in UTF-8")),
        (Attribute::Type, Ok("private")) => Ok(()),
        (Attribute::Type, Ok(other)) => Err(format!("{name}: found {other:?}, expected \"private\", or no type")),
        (Attribute::SlotId, Ok(text)) if text.parse::<u64>().is_err() || text.starts_with('+') => {
            Err(format!("{name}: found {text:?}, expected a number"))
        }
        (_, Ok(_)) => Ok(()),
    }
}

fn module_path(value: Vec<u8>) -> Result<PathBuf, String> {
    let path = PathBuf::from(std::ffi::OsString::from_vec(value));
    // The loader would look for anything else in folders of the system.
    match path.is_absolute() && !path.as_os_str().as_bytes().contains(&0) {
        true => Ok(path),
        false => Err(format!("module-path: found {:?}, expected an absolute path", path.display().to_string())),
    }
}

/// A source of passphrases; or, as in the examples of RFC 7512, `file:///path` and `/path`.
fn pin_source(value: Vec<u8>) -> Result<Source, String> {
    let text = String::from_utf8(value).map_err(|_| "pin-source is not text in UTF-8".to_owned())?;
    let found = match (text.strip_prefix("file:///"), text.starts_with('/')) {
        (Some(path), _) => Some(Source::File(Path::new("/").join(path))),
        (None, true) => Some(Source::File(text.as_str().into())),
        (None, false) => Source::parse(&text),
    };
    found.filter(|_| !text.contains('\0')).ok_or_else(|| {
        let found = if text.starts_with('|') { "found a command" } else { "found something else" };
        format!("pin-source: {found}, expected {}", passphrase::EXPECTED)
    })
}

fn pin_bytes(pin: &Source) -> Vec<u8> {
    match pin {
        Source::File(path) => [b"file:", path.as_os_str().as_bytes()].concat(),
        Source::Program(path) => [b"program:", path.as_os_str().as_bytes()].concat(),
        Source::Credential(name) => format!("credential:{name}").into_bytes(),
    }
}

/// The grammar of RFC 7512 gives vendors all other names, too; but then every typing error would be one.
fn is_of_vendor(name: &str) -> bool {
    name.starts_with("x-") || name.starts_with("vendor-")
}

fn encoded(value: &[u8], set: &'static AsciiSet) -> String {
    percent_encode(value, set).to_string()
}

fn encoded_char(character: char) -> String {
    let mut buffer = [0; 4];
    character.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

const SCHEME: &str = "pkcs11:";

const PIN_VALUE: &str = "has a pin-value, and whoever sees the configuration would know the PIN (expected pin-source=file:/PATH, or \
                         the key passphrase = \"file:PATH\" beside it)";

/// RFC 7512 section 2.3: `pk11-res-avail`, `&`, and the unreserved characters of RFC 3986.
const PATH_CHARACTERS: &str = "-._~:[]@!$'()*+,=&";
/// The same for queries: `/`, `?` and `|` instead of `&`.
const QUERY_CHARACTERS: &str = "-._~:[]@!$'()*+,=/?|";

const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_QUERY: &AsciiSet = &IN_PATH.remove(b'/').remove(b':');

#[cfg(test)]
mod tests;
