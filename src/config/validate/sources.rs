//! Every source of certificates of a configuration, wherever it stands. Must not know: what is loaded from it.

use crate::config::located::Located;
use crate::config::validate::Config;
use crate::tls::certificate::source::Source;

impl Config {
    /// Those of listeners and their routes, of the admin server, and of backends.
    pub fn sources(&self) -> impl Iterator<Item = &Located<Source>> {
        let of_listeners = self.listeners.iter().flat_map(|listener| listener.sources());
        let of_backends = self.backends.iter().filter_map(|backend| backend.tls.as_ref()?.certificate.as_ref());
        of_listeners.chain(self.admin.sources()).chain(of_backends)
    }
}
