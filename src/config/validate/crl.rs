//! How lists of revoked certificates are fetched, as far as it can be validated without opening a file or a socket. Must not
//! know: who is judged by them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::admin::Admin;
use crate::config::validate::backend::Backend;
use crate::config::validate::client_auth::ClientAuth;
use crate::config::validate::listener::Listener;
use crate::config::validate::paths;
use crate::lists::settings::{From, MOST, Settings, Wanted};
use crate::lists::url::Url;

/// `[crl]`: the settings without what is wanted, and the file of trusted certificates.
pub(super) fn validated(
    written: file::crl::Crl,
    folder: &Path,
    state: Option<&Path>,
    errors: &mut Vec<ConfigError>,
) -> (Settings, Option<Located<PathBuf>>) {
    let file::crl::Crl { proxy, ca, refresh, timeout } = written;
    let proxy = proxy.and_then(|written| match proxy_of(&written.value) {
        Ok(url) => Some(url),
        Err(message) => {
            errors.push(written.error(message));
            None
        }
    });
    for duration in [&refresh, &timeout] {
        if duration.value.as_secs() == 0 {
            let found = humantime::format_duration(duration.value);
            errors.push(duration.error(format!("found \"{found}\", expected at least \"1s\"")));
        }
    }
    let ca = ca.map(|written| paths::file(written, folder));
    let settings = Settings {
        state: state.map(Path::to_owned),
        proxy,
        ca: ca.as_ref().map(|file| file.value.clone()),
        refresh: refresh.value,
        timeout: timeout.value,
        wanted: Vec::new(),
    };
    (settings, ca)
}

fn proxy_of(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)?;
    if url.secure || url.path != "/" {
        return Err(format!(
            "found {text:?}, expected the address of an HTTP proxy, such as \"http://proxy.example.com:3128\""
        ));
    }
    Ok(url)
}

/// With everything that has to be fetched, each once. An error where that is too much.
pub(super) fn with_wanted(
    settings: Settings,
    listeners: &[Listener],
    backends: &[Backend],
    admin: &Admin,
    errors: &mut Vec<ConfigError>,
) -> Arc<Settings> {
    let routes = listeners.iter().flat_map(|one| one.routes.iter().filter_map(|route| route.client_auth.as_ref()));
    let of_admin = admin.tls.iter().filter_map(|tls| tls.client_auth.as_ref());
    let clients = listeners.iter().filter_map(|one| one.client_auth.as_ref()).chain(routes).chain(of_admin);
    let of_clients = clients.flat_map(|auth: &ClientAuth| {
        auth.lists.wanted(auth.ca.iter().map(|file| file.value.clone()).collect()).collect::<Vec<_>>()
    });
    let file = |ca: &Option<Located<PathBuf>>| ca.iter().map(|file| file.value.clone()).collect();
    let of_backends = backends.iter().flat_map(|backend| {
        let tls = backend.tls.iter().flat_map(|tls| tls.lists.wanted(file(&tls.ca)));
        let checks = backend.health.iter().filter_map(|health| health.tls.as_ref());
        tls.chain(checks.flat_map(|tls| tls.lists.wanted(file(&tls.ca)))).collect::<Vec<_>>()
    });
    let mut seen = HashSet::new();
    let wanted: Vec<Wanted> = of_clients.chain(of_backends).filter(|one| seen.insert(one.clone())).collect();
    let urls: HashSet<_> = wanted.iter().filter(|one| one.from != From::Points).map(|one| &one.from).collect();
    if urls.len() > MOST {
        let message = format!("found {} different URLs in crl keys, expected at most {MOST}", urls.len());
        errors.push(ConfigError { path: "crl".into(), position: None, message });
    }
    Arc::new(Settings { wanted, ..settings })
}
