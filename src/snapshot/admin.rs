//! TLS of the admin server: its settings, and the files that they name → what TLS is terminated with. Must not know:
//! sockets, what is served over it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::validate::admin::Admin;
use crate::snapshot::indexes::Indexes;
use crate::snapshot::judges::Judges;
use crate::snapshot::reach::Reach;
use crate::snapshot::reading::Reading;
use crate::snapshot::served;
use crate::tls::certificate::select::UnknownName;
use crate::tls::handshake::{Settings, Terminator};
use crate::tls::record::Layer;
use crate::tls::wire::fault;

/// What TLS is terminated with; `before` is that of the snapshot before. `None` where there never was TLS, or where something
/// is wrong, which adds an error to `reading`.
pub(super) fn terminator(
    admin: &Admin,
    before: Option<&Arc<Terminator>>,
    layer: Layer,
    reading: &mut Reading<'_>,
) -> Option<Arc<Terminator>> {
    // A server that has begun with TLS must not become plain, nor forget by which certificates it knows its clients, because
    // the section was removed: that takes effect at the next start.
    let Some(tls) = &admin.tls else { return before.map(Arc::clone) };
    let same = before.map(Arc::as_ref);
    let own = admin.listen.as_ref().and_then(|listen| listen.value.address()?.ip()).filter(|ip| !ip.is_unspecified());
    let addresses = own.map(|ip: IpAddr| Arc::new(HashSet::from([ip.to_canonical()])));
    let reach = Reach { nameless: true, addresses };
    let certificates = served::certificates(&tls.here, &tls.policy, &tls.certificates, &reach, reading);
    let client_auth = match &tls.client_auth {
        Some(asked) => Some(Judges::of(same).judge(asked, reading)?),
        None => None,
    };
    let built = Terminator::new(Settings {
        policy: Arc::clone(&tls.policy),
        certificates: Indexes::of(same).taken_over(certificates),
        unknown_name: UnknownName::Default,
        require_sni: false,
        alpn: vec![(*b"http/1.1").into()],
        client_auth,
        // Each connection is a full handshake: requests are few, and so a client certificate that was revoked ends with it.
        tickets: None,
        layer,
    });
    let wrong = |error| reading.errors.push(tls.here.error(format!("policy: {}", fault::reason(&error))));
    built.map(Arc::new).map_err(wrong).ok()
}
