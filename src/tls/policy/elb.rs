//! The policy string of a Classic Load Balancer of AWS → the lists of a policy:
//! `Protocol-TLSv1.2,Server-Defined-Cipher-Order,ECDHE-ECDSA-AES256-GCM-SHA384,…`. Must not know: where it was written.

use super::CipherOrder;
use super::names::{self, PolicyError};
use super::own::Wish;

/// Parses the string. Suites keep their order; without `Server-Defined-Cipher-Order` the client's order decides. Returns
/// all errors of the string.
pub fn parse(text: &str) -> Result<Wish, Vec<PolicyError>> {
    let mut wish = Wish { versions: Vec::new(), suites: Vec::new(), groups: None, cipher_order: CipherOrder::Client };
    let mut errors = Vec::new();
    for entry in text.split(',').map(str::trim) {
        let read = match entry.strip_prefix(PROTOCOL) {
            _ if entry.is_empty() => Err(PolicyError::EmptyEntry),
            _ if entry == SERVER_ORDER && wish.cipher_order == CipherOrder::Server => {
                Err(PolicyError::Twice(SERVER_ORDER.to_owned()))
            }
            _ if entry == SERVER_ORDER => {
                wish.cipher_order = CipherOrder::Server;
                Ok(())
            }
            Some(version) => names::parse_version(version).map(|version| wish.versions.push(version)),
            None => names::parse_suite(entry).map(|suite| wish.suites.push(suite)),
        };
        errors.extend(read.err());
    }
    if errors.is_empty() && wish.versions.is_empty() {
        // Reported only if there is no other error: the protocol may be there, but misspelled.
        errors.push(PolicyError::NoProtocol);
    }
    if errors.is_empty() { Ok(wish) } else { Err(errors) }
}

const PROTOCOL: &str = "Protocol-";
const SERVER_ORDER: &str = "Server-Defined-Cipher-Order";
