//! A source of one certificate: the files that the operator named. Must not know: other kinds of source.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::files;
use crate::passphrase::Source as Passphrase;
use crate::tls::certificate::name::Name;
use crate::tls::certificate::place::KeyPlace;
use crate::tls::certificate::source::kind::{Kind, Watched};
use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::error::StoreError;
use crate::tls::certificate::store::loaded::Loaded;
use crate::tls::certificate::store::origin::Origin;

/// The two or three files of a certificate, and its other settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: KeyPlace,
    /// Certificates that are sent behind those of the first file.
    pub chain: Option<PathBuf>,
    /// Names that replace the certificate's own.
    pub names: Option<Vec<Name>>,
    /// Whether clients get it that send no server name, or one that no certificate has.
    pub default: bool,
    /// The passphrase of an encrypted key, besides those for all keys; or the PIN of a token, where the URI names none.
    pub passphrase: Option<Passphrase>,
}

impl Pair {
    /// Where the passphrase or PIN for its key alone comes from.
    pub(super) fn secret(&self) -> Option<&Passphrase> {
        let of_token = self.key.token().and_then(|key| key.uri.pin.as_ref());
        of_token.or(self.passphrase.as_ref())
    }
}

impl Kind for Pair {
    fn load(&self, loading: &mut Loading<'_>) -> Result<Loaded, StoreError> {
        let Self { cert, key, chain, names, default, passphrase: _ } = self;
        let origin = Origin {
            cert: cert.clone(),
            key: Some(key.clone()),
            chain: chain.clone(),
            names: names.clone(),
            passphrase: self.secret().cloned(),
        };
        let kept = loading.current(&origin)?;
        let mut item = loading.keep(origin, kept, true);
        item.entry.default = *default;
        Ok(Loaded { items: vec![item], ..Loaded::default() })
    }

    fn watched(&self) -> Watched {
        let files = [Some(&self.cert), self.key.file(), self.chain.as_ref()].into_iter().flatten().cloned();
        let passphrase = self.secret().and_then(Passphrase::file);
        Watched { files: files.chain(passphrase).collect(), folders: Vec::new() }
    }

    fn shown(&self) -> Value {
        let Self { cert, key, chain, names, default, passphrase } = self;
        let mut shown = json!({
            "cert": files::shown(cert),
            "key": key.written(),
            "default": default,
        });
        if let (Some(names), Some(shown)) = (names, shown.as_object_mut()) {
            shown.insert("names".into(), names.iter().map(ToString::to_string).collect());
        }
        if let (Some(chain), Some(shown)) = (chain, shown.as_object_mut()) {
            shown.insert("chain".into(), files::shown(chain).into());
        }
        if let (Some(passphrase), Some(shown)) = (passphrase, shown.as_object_mut()) {
            shown.insert("passphrase".into(), passphrase.to_string().into());
        }
        shown
    }

    fn resolve(&mut self, folder: &Path) {
        for path in std::iter::once(&mut self.cert).chain(&mut self.chain) {
            *path = folder.join(&path);
        }
        self.key = self.key.clone().below(folder);
        self.passphrase = self.passphrase.take().map(|passphrase| passphrase.below(folder));
    }
}
