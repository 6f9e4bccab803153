//! What several values of a job have to be. Must not know: which values.

use std::collections::BTreeSet;

use crate::convert::certificates::is_elsewhere;
use crate::convert::list::{Line, List};

/// Protocols of ALPN, each once.
pub(super) fn protocols(names: &mut Vec<String>, line: &Line, list: &mut List) {
    let mut seen = BTreeSet::new();
    names.retain(|name| {
        let is_name = (1..=255).contains(&name.len());
        if !is_name {
            list.lost(line, format!("alpn {name:?}"), "a protocol has 1 to 255 bytes (RFC 7301 section 3.1)");
        }
        is_name && seen.insert(name.clone())
    });
}

/// Reports a value that is wrong. Whether it is.
pub(super) fn lost(is_wrong: bool, line: &Line, text: String, why: &str, list: &mut List) -> bool {
    if is_wrong {
        list.lost(line, text, why);
    }
    is_wrong
}

/// Why there is nothing in such a file that tlsgate reads.
pub(super) fn unreadable(file: &str) -> Option<&'static str> {
    if file.starts_with("pkcs11:") {
        return Some("write the certificate with key = \"pkcs11:…\", with module-path and pin-source in the URI");
    }
    if is_elsewhere(file) {
        return Some("tlsgate reads certificates and keys from files and tokens");
    }
    let is_archive = file.rsplit_once('.').is_some_and(|(_, end)| ["p12", "pfx"].contains(&&*end.to_ascii_lowercase()));
    is_archive.then_some("tlsgate reads PEM: \"openssl pkcs12 -nodes -in FILE\" prints it")
}

/// Whether tlsgate can read CAs, lists of revoked certificates, or certificates for servers there. Reports a file where it
/// cannot.
pub(super) fn is_file_of_pem(file: &str, line: &Line, list: &mut List) -> bool {
    let is_one = unreadable(file).is_none();
    if !is_one {
        list.security(line, file, "tlsgate reads this from files of PEM only");
    }
    is_one
}

/// Of connections, or of checks.
pub(super) fn is_count(number: u64) -> bool {
    (1..=u64::from(u32::MAX)).contains(&number)
}

/// What counts, and limits, can be.
pub(super) const COUNT: &str = "expected a whole number from 1";

/// Of `sun_path` (unix(7)), without the zero at its end.
pub(super) const LONGEST_PATH: usize = 107;
