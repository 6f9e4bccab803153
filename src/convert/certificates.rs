//! Files and folders of certificates as the peers name them → sources of certificates. Must not know: which peer names them.

use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::job::{Certificate, Said};
use super::list::Line;

/// An absolute path, as text. Relative ones start from `folder`.
pub(super) fn absolute(path: &str, folder: &Path) -> PathBuf {
    folder.join(path)
}

/// A file with a certificate, and its key beside it where it is not in it: `x.pem.key`, or `x.key`.
pub(super) fn combined(path: &Path, disk: &dyn Disk) -> Certificate {
    let own = disk.has_key(path);
    let appended = PathBuf::from(format!("{}.key", path.display()));
    let beside =
        [appended, path.with_extension("key")].into_iter().find(|key| key != path && disk.has_key(key) == Some(true));
    let key = beside.filter(|_| own != Some(true)).map(|key| key.display().to_string());
    Certificate { path: path.display().to_string(), key, ..Certificate::default() }
}

/// Makes the first or the last certificate the default, if there are others: a peer has one default, where tlsgate would use
/// all that have the name of the first.
pub(super) fn with_default(certificates: &mut [Said<Certificate>], last: bool) {
    if certificates.len() < 2 {
        return;
    }
    let one = if last { certificates.last_mut() } else { certificates.first_mut() };
    if let Some(one) = one {
        one.value.default = true;
    }
}

/// The source, and its line.
pub(super) fn said(certificate: Certificate, line: &Line) -> Said<Certificate> {
    Said::new(certificate, line)
}
