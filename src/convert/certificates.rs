//! Files and folders of certificates as the peers name them → sources of certificates. Must not know: which peer names them.

use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::job::{Certificate, Said};
use super::list::{Line, List};
use super::pattern;

/// An absolute path. Relative ones start from `folder`. What is no path is as it is written.
pub(super) fn absolute(path: &str, folder: &Path) -> PathBuf {
    if is_elsewhere(path) { PathBuf::from(path) } else { folder.join(path) }
}

/// Whether a certificate or a key is not in a file: in a token, an engine of OpenSSL, or the text itself.
pub(super) fn is_elsewhere(path: &str) -> bool {
    ["data:", "engine:", "pkcs11:", "store:"].iter().any(|scheme| path.starts_with(scheme))
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

/// A folder. tlsgate loads the files that have the endings of certificates; where the peer would load others too, or only those
/// that are `wanted`, the files that are there now are named, the first as the default.
pub(super) fn folder(
    path: &Path,
    wanted: Option<&str>,
    line: &Line,
    disk: &dyn Disk,
    list: &mut List,
) -> Vec<Said<Certificate>> {
    let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fits = |file: &PathBuf| {
        let name = name(file);
        !name.starts_with('.') && wanted.is_none_or(|wanted| pattern::fits(wanted, &name))
    };
    let files: Vec<PathBuf> = disk.folder(path).unwrap_or_default().into_iter().filter(fits).collect();
    let ends = |file: &PathBuf, endings: &[&str]| {
        file.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
    };
    let is_odd =
        |file: &PathBuf| !ends(file, &["crt", "pem", "cer", "cert", "key"]) && disk.has_key(file) == Some(true);
    if wanted.is_none() && !files.iter().any(is_odd) {
        let path = path.display().to_string();
        return vec![said(Certificate { path, is_folder: true, ..Certificate::default() }, line)];
    }
    let why = "the files that are there now are named: tlsgate takes all files of a folder that end with .pem or .crt";
    list.lost(line, path.display().to_string(), why);
    // HAProxy has such files beside a certificate.
    let usable = files.iter().filter(|file| !ends(file, &["dh", "issuer", "key", "ocsp", "sctl"]));
    let mut named: Vec<_> = usable
        .map(|file| combined(file, disk))
        .filter(|one| one.key.is_some() || disk.has_key(Path::new(&one.path)) == Some(true))
        .map(|one| said(one, line))
        .collect();
    with_default(&mut named, false);
    named
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
