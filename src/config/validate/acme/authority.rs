//! One `[acme.NAME]` → an authority. Must not know: other authorities, which certificates are ordered from it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::Uri;

use super::{challenges, publisher};
use crate::acme::settings::{Authority, Eab, Tsig};
use crate::config::file::acme::{self as file, Acme as Written};
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths;
use crate::config::values::HostName;
use crate::config::values::health::Port;
use crate::net::endpoint::Endpoint;

/// What an authority needs on this machine, with the places in the configuration: files, and addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Certificates that are trusted at the directory's address.
    pub ca: Option<Located<PathBuf>>,
    /// The key of the external account binding.
    pub eab: Option<Located<PathBuf>>,
    /// The key of transaction signatures.
    pub tsig: Option<Located<Tsig>>,
    /// The program that publishes records.
    pub program: Option<Located<PathBuf>>,
    /// Where http-01 is answered.
    pub http: Vec<Located<Endpoint>>,
}

impl Files {
    /// The paths of all.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let Self { ca, eab, tsig, program, http: _ } = self;
        let paths = [ca, eab, program].into_iter().filter_map(|file| Some(&file.as_ref()?.value));
        paths.chain(tsig.as_ref().map(|tsig| &tsig.value.key_file))
    }
}

/// `None` where something of it is wrong, which adds an error.
pub(super) fn validated(written: Written, folder: &Path, errors: &mut Vec<ConfigError>) -> Option<(Authority, Files)> {
    let before = errors.len();
    name(&written, errors);
    let directory = written.directory.as_ref();
    errors.extend(directory.and_then(|url| Some(url.error(format!("found {:?}, {}", url.value, fault(&url.value)?)))));
    contacts(&written, errors);
    if let Some(profile) = written.profile.as_ref().filter(|profile| !is_word(&profile.value)) {
        errors.push(profile.error(format!("found {:?}, expected a profile's name, without spaces", profile.value)));
    }
    let has_eab = written.eab.is_some();
    let (eab, eab_file) = eab(written.eab, folder, errors).unzip();
    let has_dns = written.dns.is_some();
    let published = written.dns.and_then(|dns| publisher::validated(dns, folder, errors));
    let list = challenges::Asked {
        here: &written.here,
        challenges: written.challenges.as_deref(),
        dns: has_dns,
        http: written.http.as_deref(),
        tls_port: written.tls_port.as_ref(),
        http_port: written.http_port.as_ref(),
    };
    let challenges = challenges::validated(&list, errors);
    let ca = written.ca.map(|ca| paths::file(ca, folder));
    let wrong = errors.len() > before || has_eab && eab.is_none() || has_dns && published.is_none();
    let (dns, tsig, program) = published.map_or((None, None, None), |one| (Some(one.publisher), one.tsig, one.program));
    let http = written.http.into_iter().flatten();
    let http: Vec<_> = http.map(|one| Located { value: one.value.0, at: one.at, path: one.path }).collect();
    let port = |written: Option<Located<Port>>, default| written.map_or(default, |port| port.value.0);
    let authority = Authority {
        name: written.name.into(),
        directory: written.directory?.value,
        contact: written.contact.into_iter().flatten().map(|contact| contact.value).collect(),
        accept_terms: written.accept_terms.value,
        ca: ca.as_ref().map(|ca| ca.value.clone()),
        eab,
        profile: written.profile.map(|profile| profile.value),
        challenges,
        dns,
        http: http.iter().map(|endpoint| endpoint.value.clone()).collect(),
        tls_port: port(written.tls_port, HTTPS),
        http_port: port(written.http_port, HTTP),
        check: written.check.value,
        timeout: written.timeout.value,
        fallback: written.fallback.into_iter().flatten().map(|name| Arc::from(name.value)).collect(),
    };
    (!wrong).then_some((authority, Files { ca, eab: eab_file, tsig, program, http }))
}

/// The name is also that of a folder.
fn name(written: &Written, errors: &mut Vec<ConfigError>) {
    let name = &written.name;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('.') || !name.bytes().all(known) {
        errors.push(written.here.error(format!(
            "found the name {name:?}, expected at most {LONGEST_NAME} letters, digits, \"-\", \"_\" and \".\", and not \".\" first"
        )));
    }
}

/// Why a text is not the URL of a directory: what was expected.
fn fault(text: &str) -> Option<&'static str> {
    let Some(url) = text.parse::<Uri>().ok().filter(|_| text.is_ascii()) else { return Some(DIRECTORY) };
    let host = url.host().and_then(HostName::parse);
    let plain = !text.contains(['#', '@']) && url.port().is_none_or(|port| port.as_u16() != 0);
    match url.scheme_str() {
        // What is sent to an authority decides who gets certificates for one's names.
        Some("http") => Some("expected https: without TLS, anyone on the way could answer in the authority's place"),
        Some("https") if plain && host.is_some() && text.len() <= LONGEST_URL => None,
        _ => Some(DIRECTORY),
    }
}

fn contacts(written: &Written, errors: &mut Vec<ConfigError>) {
    let mut seen = HashSet::new();
    for contact in written.contact.iter().flatten() {
        if !is_contact(&contact.value) {
            let message = format!("found {:?}, expected a URL such as \"mailto:ops@example.com\"", contact.value);
            errors.push(contact.error(message));
        } else if !seen.insert(&contact.value) {
            errors.push(contact.error(format!("{:?} is listed twice", contact.value)));
        }
    }
}

/// A `mailto:` with one address and nothing else (RFC 8555 section 7.3), or another URL.
fn is_contact(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':').filter(|_| is_word(text)) else { return false };
    if scheme.eq_ignore_ascii_case("mailto") {
        let whole =
            rest.split_once('@').is_some_and(|(user, host)| !user.is_empty() && HostName::parse(host).is_some());
        return whole && !rest.contains(['?', ',']);
    }
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
}

fn eab(written: Option<file::Eab>, folder: &Path, errors: &mut Vec<ConfigError>) -> Option<(Eab, Located<PathBuf>)> {
    let file::Eab { kid, key_file } = written?;
    if let Some(wrong) = kid.as_ref().filter(|kid| !is_word(&kid.value)) {
        let message = format!("found {:?}, expected the key identifier that the authority has given you", wrong.value);
        errors.push(wrong.error(message));
    }
    let file = paths::secret(key_file?, folder, errors)?;
    Some((Eab { kid: kid?.value, key_file: file.value.clone() }, file))
}

/// Visible ASCII, at least one character.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

const DIRECTORY: &str =
    "expected the URL of the authority's directory, such as \"https://acme-v02.api.letsencrypt.org/directory\"";

/// RFC 8737 section 3, RFC 8555 section 8.3.
const HTTPS: u16 = 443;
const HTTP: u16 = 80;

/// As long as a label of a DNS name.
const LONGEST_NAME: usize = 63;

const LONGEST_URL: usize = 2048;
