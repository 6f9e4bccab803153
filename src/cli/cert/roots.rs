//! The roots that this system trusts. Must not know: what is verified with them.

use std::path::Path;

use crate::tls::certificate::chain::Anchors;
use crate::tls::certificate::inventory;

/// The roots that come with the system. If they cannot be read, there are none.
pub(in crate::cli) fn system() -> Anchors {
    let system = SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.exists());
    system.and_then(|path| inventory::anchors(path).ok()).unwrap_or_default()
}

/// Debian and its like, Red Hat and its like, Alpine.
const SYSTEM_ROOTS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
