//! The roots that this system trusts. Must not know: what they are used for.

use std::path::Path;

use crate::tls::certificate::chain::Anchors;
use crate::tls::certificate::inventory;

/// The roots of the system; none if they cannot be read.
pub(in crate::cli) fn system() -> Anchors {
    // Without roots, chains are shown as open, which is better than an error.
    let system = SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.exists());
    system.and_then(|path| inventory::anchors(path).ok()).unwrap_or_default()
}

/// Where the distributions have them: Debian's family, Red Hat's family, Alpine.
const SYSTEM_ROOTS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
