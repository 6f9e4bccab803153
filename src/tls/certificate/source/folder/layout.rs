//! The names in a folder → which files belong together. Pure. Must not know: what is in the files.
//!
//! Names are compared without regard to case. The layouts of certbot, acme.sh, lego, Caddy, HAProxy, cfssl, mkcert and
//! Kubernetes are known.

use std::collections::{HashMap, HashSet};

/// What a file is, by its name and the names beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A certificate, and the file in which its key should be.
    Pair { cert: String, key: String },
    /// Certificates, with the key among them or with no key at all.
    Single(String),
    /// A certificate whose longer form, with its chain, is in another file.
    Shorter { cert: String, key: String },
    /// A key that matches no certificate's name.
    Key(String),
    /// A file whose name has no known ending.
    Unknown(String),
}

/// Arranges the files of a folder; `folder` is the folder's own name. In the order of `files`.
pub(super) fn arrange(folder: &str, files: &[String]) -> Vec<Part> {
    let names = Names::new(files);
    let keys: Vec<Option<&String>> = files.iter().map(|file| names.key_of(folder, file)).collect();
    let used: HashSet<&String> = keys.iter().flatten().copied().collect();
    let whole: HashSet<&String> =
        files.iter().zip(&keys).filter(|(file, _)| is_fullchain(file)).filter_map(|(_, key)| *key).collect();
    let mut parts = Vec::with_capacity(files.len());
    for (file, key) in files.iter().zip(&keys) {
        parts.push(match (key, kind(file)) {
            _ if used.contains(file) => continue,
            (Some(key), _) => {
                let (cert, key, short) = (file.clone(), (*key).clone(), whole.contains(key) && !is_fullchain(file));
                if short { Part::Shorter { cert, key } } else { Part::Pair { cert, key } }
            }
            (None, Kind::Certificate) => Part::Single(file.clone()),
            (None, Kind::Key) => Part::Key(file.clone()),
            (None, Kind::Unknown) => Part::Unknown(file.clone()),
        });
    }
    parts
}

/// Whether a name ends like that of a certificate or of a key.
pub(super) fn is_telling(file: &str) -> bool {
    kind(file) != Kind::Unknown
}

/// Whether files of that name hold certificates.
pub(super) fn is_certificate(file: &str) -> bool {
    kind(file) == Kind::Certificate
}

/// Whether a file of that name can hold only a certificate: `.pem` may be anything.
pub(super) fn is_only_certificate(file: &str) -> bool {
    is_certificate(file) && extension(file).is_some_and(|extension| extension != "pem")
}

/// Whether the name of a sub-folder marks what is in it as no longer used.
pub(super) fn is_put_aside(folder: &str) -> bool {
    PUT_ASIDE.contains(&folder.to_lowercase().as_str())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Certificate,
    Key,
    Unknown,
}

fn kind(file: &str) -> Kind {
    match extension(file).as_deref() {
        Some("crt" | "pem" | "cer" | "cert") => Kind::Certificate,
        Some("key") => Kind::Key,
        _ => Kind::Unknown,
    }
}

/// In lower case.
fn extension(file: &str) -> Option<String> {
    file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, extension)| extension.to_lowercase())
}

fn is_fullchain(file: &str) -> bool {
    file.to_lowercase().starts_with("fullchain")
}

/// The files of one folder by their names in lower case.
struct Names<'f>(HashMap<String, Vec<&'f String>>);

impl<'f> Names<'f> {
    fn new(files: &'f [String]) -> Self {
        let mut names: HashMap<String, Vec<&String>> = HashMap::with_capacity(files.len());
        for file in files {
            names.entry(file.to_lowercase()).or_default().push(file);
        }
        Self(names)
    }

    /// The file that should hold the key of the certificate in `file`, by the names.
    fn key_of(&self, folder: &str, file: &str) -> Option<&'f String> {
        let (stem, ending) = file.rsplit_once('.').filter(|_| is_certificate(file))?;
        // Most have this name; the others are composed only for the rest, since a folder can hold ten thousand files.
        let usual = self.find(&format!("{stem}.key"), file);
        usual.or_else(|| others(folder, stem, ending).iter().find_map(|name| self.find(name, file)))
    }

    /// The file with that name without regard to case, other than `not`. One with the same spelling is preferred.
    fn find(&self, name: &str, not: &str) -> Option<&'f String> {
        let same = self.0.get(&name.to_lowercase())?;
        let mut other = same.iter().filter(|file| **file != not);
        other.clone().find(|file| **file == name).or_else(|| other.next()).copied()
    }
}

/// The names that a key may have besides `STEM.key`.
fn others(folder: &str, stem: &str, ending: &str) -> Vec<String> {
    // HAProxy: b.pem + b.pem.key. cfssl and mkcert: b.pem + b-key.pem.
    let mut names = vec![format!("{stem}.{ending}.key")];
    for between in ["-key", "_key", ".key"] {
        names.extend([format!("{stem}{between}.{ending}"), format!("{stem}{between}.pem")]);
    }
    let lower = stem.to_lowercase();
    for (certificate, key) in ALIKE {
        // Lower case can change a letter's length in UTF-8, and then the offsets do not fit.
        let at = lower.rfind(certificate).filter(|_| lower.len() == stem.len());
        let Some((before, after)) = at.and_then(|at| Some((stem.get(..at)?, stem.get(at + certificate.len()..)?)))
        else {
            continue;
        };
        names.extend(["key", ending, "pem"].map(|ending| format!("{before}{key}{after}.{ending}")));
    }
    if lower.starts_with("fullchain") {
        // acme.sh: NAME/fullchain.cer + NAME/NAME.key, or NAME_ecc/….
        let name = folder.strip_suffix("_ecc").unwrap_or(folder);
        names.extend([format!("{name}.key"), format!("{folder}.key")]);
    }
    names
}

/// Parts of certificates' names, and what they are in the names of their keys.
const ALIKE: &[(&str, &str)] = &[
    ("fullchain", "privkey"),
    ("fullchain", "key"),
    ("certificate", "privatekey"),
    ("certificate", "private_key"),
    ("certificate", "key"),
    ("cert", "privkey"),
    ("cert", "key"),
    ("crt", "key"),
];

/// certbot keeps every version in `archive`, lego moves what it has revoked into `archives`, acme.sh what it has replaced
/// into `backup`.
const PUT_ASIDE: &[&str] = &["archive", "archives", "backup", "backups", "bak", "expired", "old", "revoked"];

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(folder: &str, files: &[&str]) -> Vec<Part> {
        arrange(folder, &files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>())
    }

    fn pair(cert: &str, key: &str) -> Part {
        Part::Pair { cert: cert.into(), key: key.into() }
    }

    #[test]
    fn what_known_programs_write_is_paired() {
        for (folder, cert, key) in [
            ("c", "x.crt", "x.key"),
            ("c", "x.pem", "x.key"),
            ("c", "x.cer", "x.key"),
            ("c", "D.CRT", "D.KEY"),
            ("c", "D.CRT", "d.key"),
            ("c", "b.pem", "b.pem.key"),
            ("c", "b.crt", "b.crt.key"),
            ("c", "server-cert.pem", "server-key.pem"),
            ("c", "server.pem", "server-key.pem"),
            ("c", "server.cert.pem", "server.key.pem"),
            ("c", "server.crt", "server.key.pem"),
            ("c", "cert.pem", "key.pem"),
            ("c", "mycert.pem", "mykey.pem"),
            ("c", "cert1.pem", "privkey1.pem"),
            ("live", "fullchain.pem", "privkey.pem"),
            ("live", "fullchain2.pem", "privkey2.pem"),
            ("a.test", "fullchain.cer", "a.test.key"),
            ("a.test_ecc", "fullchain.cer", "a.test.key"),
            ("c", "a.test+1.pem", "a.test+1-key.pem"),
            ("c", "tls.crt", "tls.key"),
            ("c", "certificate.crt", "private_key.pem"),
        ] {
            assert!(arranged(folder, &[cert, key]).contains(&pair(cert, key)), "{cert} and {key}");
            assert!(arranged(folder, &[key, cert]).contains(&pair(cert, key)), "{key} and {cert}");
        }
    }

    #[test]
    fn a_name_that_is_spelled_the_same_comes_first() {
        let parts = arranged("c", &["x.crt", "X.key", "x.key"]);
        assert_eq!(parts, [pair("x.crt", "x.key"), Part::Key("X.key".into())]);
    }

    #[test]
    fn the_full_chain_counts_and_what_is_beside_it_is_no_certificate_of_its_own() {
        let certbot = ["README", "cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"];
        let expected = [
            Part::Unknown("README".into()),
            Part::Shorter { cert: "cert.pem".into(), key: "privkey.pem".into() },
            Part::Single("chain.pem".into()),
            pair("fullchain.pem", "privkey.pem"),
        ];
        assert_eq!(arranged("a.test", &certbot), expected);
        let acme = ["a.test.cer", "a.test.conf", "a.test.csr", "a.test.key", "ca.cer", "fullchain.cer"];
        let expected = [
            Part::Shorter { cert: "a.test.cer".into(), key: "a.test.key".into() },
            Part::Unknown("a.test.conf".into()),
            Part::Unknown("a.test.csr".into()),
            Part::Single("ca.cer".into()),
            pair("fullchain.cer", "a.test.key"),
        ];
        assert_eq!(arranged("a.test", &acme), expected);
        let lego = ["a.crt", "a.issuer.crt", "a.json", "a.key"];
        let expected = [pair("a.crt", "a.key"), Part::Single("a.issuer.crt".into()), Part::Unknown("a.json".into())];
        assert_eq!(arranged("c", &lego), expected);
    }

    #[test]
    fn what_has_no_other_half_is_not_passed_over() {
        let parts = arranged("c", &["a.crt", "b.key", "c.p12", "key.pem", ".crt"]);
        let expected = [
            Part::Single("a.crt".into()),
            Part::Key("b.key".into()),
            Part::Unknown("c.p12".into()),
            Part::Single("key.pem".into()),
            Part::Unknown(".crt".into()),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn odd_names_are_only_names() {
        for name in ["", ".", "..", "İ.crt", "fullchainİ.pem", "ẞcert.pem", "\u{fffd}.key", "cert.cert.cert", "key.key"]
        {
            let parts = arranged(name, &[name]);
            assert_eq!(parts.len(), 1, "{name}: {parts:?}");
        }
    }
}
