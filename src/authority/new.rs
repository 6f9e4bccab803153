//! A new authority: everything is written into a folder beside the one that is asked for, which then takes its name. So
//! there is a whole authority or none. Must not know: arguments.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::acme::settings::KeyKind;
use crate::authority::build::{self, Terms, Validity};
use crate::authority::error::AuthorityError;
use crate::authority::index::Index;
use crate::authority::key;
use crate::authority::open::{INDEX, ROOT, ROOT_KEY, issuing_file};
use crate::authority::permit::Permitted;
use crate::authority::publish::Published;
use crate::state::Folder;
use crate::tls::certificate::pem::written::section;

/// What the new authority is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The common name of the root.
    pub name: String,
    pub key: KeyKind,
    /// Of the root.
    pub days: u32,
    pub issuing_days: u32,
    pub permitted: Permitted,
    pub crl_url: Option<String>,
    pub crl_days: u32,
}

/// Makes an authority in a folder that does not exist yet, or is empty. With a passphrase, its keys are encrypted.
pub fn create(path: &Path, plan: &Plan, passphrase: Option<&str>, now: i64) -> Result<(), AuthorityError> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{} cannot be made: {error}", path.display()));
    if fs::read_dir(path).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(AuthorityError::NotEmpty(path.to_owned()));
    }
    let terms = Terms { permitted: &plan.permitted, crl_url: plan.crl_url.as_deref() };
    let root = build::root(&plan.name, key::generate(plan.key)?, Validity::days(plan.days, now), terms)?;
    let issuing_name = issuing_name(&plan.name, 1);
    let validity = Validity::days(plan.issuing_days, now);
    let issuing = build::issuing(&issuing_name, key::generate(plan.key)?, validity, &root, terms)?;
    let mut index = Index::new(issuing.serial.clone(), plan.permitted.texts(), plan.crl_url.clone(), plan.crl_days);
    index.crl_number = 1;

    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(above).map_err(named)?;
    // It is removed if anything fails.
    let beside = tempfile::Builder::new()
        .prefix(".tlsgate-ca-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(above)
        .map_err(named)?;
    let folder = Folder::open(beside.path())?;
    folder.write(Path::new(ROOT_KEY), key::to_pem(root.issuer.key(), passphrase)?.as_bytes())?;
    folder.write(Path::new(ROOT), section("CERTIFICATE", &root.certificate).as_bytes())?;
    let key = key::to_pem(issuing.issuer.key(), passphrase)?;
    folder.write(&issuing_file(&issuing.serial, "key"), key.as_bytes())?;
    let certificate = section("CERTIFICATE", &issuing.certificate);
    folder.write(&issuing_file(&issuing.serial, "pem"), certificate.as_bytes())?;
    Published::first(&root, &issuing, &index, now)?.write(&folder)?;
    folder.write(Path::new(INDEX), &index.write())?;
    // This takes the place of an empty folder, and of nothing else.
    fs::rename(beside.path(), path).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => AuthorityError::NotEmpty(path.to_owned()),
        _ => named(error).into(),
    })?;
    // It is elsewhere now.
    drop(beside.keep());
    Ok(File::open(above).and_then(|above| above.sync_all()).map_err(named)?)
}

/// The URL of a folder in which lists are published, with a slash at its end.
pub fn crl_url(text: &str) -> Result<String, AuthorityError> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest)
            if !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(if text.ends_with('/') { text.to_owned() } else { format!("{text}/") })
        }
        _ => Err(AuthorityError::Name(format!(
            "found {text:?}, expected the URL of a folder, such as http://crl.example.com/"
        ))),
    }
}

/// Each issuing certificate has a name of its own, since lists are found by their issuer's name.
pub(super) fn issuing_name(root: &str, number: usize) -> String {
    format!("{root} issuing {number}")
}
