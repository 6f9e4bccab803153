//! The certificates that a listener or a route serves: loaded from their sources, judged, and put in an index.
//! Must not know: kinds of source, how a certificate is chosen for a client.

use std::sync::Arc;

use crate::config::located::{ConfigError, Located};
use crate::snapshot::Failure;
use crate::snapshot::reach::Reach;
use crate::snapshot::reading::Reading;
use crate::snapshot::remarks;
use crate::snapshot::remarks::Use;
use crate::tls::certificate::select;
use crate::tls::certificate::source::Source;
use crate::tls::certificate::store::loaded::{self, Item, Pending};
use crate::tls::handshake::never_served;
use crate::tls::policy::Policy;
use crate::warning::Warning;

/// The certificates of a listener or a route; `here` is its place. What is wrong with them is added to `reading`.
pub(super) fn certificates(
    here: &Located<()>,
    policy: &Policy,
    sources: &[Located<Source>],
    reach: &Reach,
    reading: &mut Reading<'_>,
) -> select::Certificates {
    let place = Arc::from(here.path.as_str());
    let Given { items, unusable, pending } = load(here, policy, sources, reading);
    let items = loaded::merge(items);
    let now = reading.now.as_second();
    let mut warnings: Vec<Warning> = items.iter().flat_map(|item| remarks::of(item, Use::Server, now)).collect();
    let index = select::Certificates::new(items.into_iter().map(|item| item.entry).collect());
    let index = index.awaiting(pending.iter().map(|pending| pending.names.as_slice()));
    // With no certificate that can be served, the listener would refuse every client: then it is an error, unless one will
    // come.
    let none_left =
        pending.is_empty() && index.all().iter().all(|certificate| never_served(certificate, policy).is_some());
    if none_left { &mut reading.errors } else { &mut reading.unusable }.extend(unusable);
    warnings.extend(index.overlaps().into_iter().map(|name| Warning::about(name, OVERLAP)));
    warnings.extend(reach.unreachable(&index, now));
    reading.warnings.extend(warnings.into_iter().map(|warning| warning.at(&place)));
    index
}

/// What several sources contain.
struct Given {
    items: Vec<Item>,
    /// Certificates that were found in folders and that the policy can never serve. One that the operator named is an
    /// error.
    unusable: Vec<ConfigError>,
    /// Those that are ordered and not there yet.
    pending: Vec<Pending>,
}

/// Loads every source. It is an error where all of them together contain no certificate, and none is ordered.
fn load(here: &Located<()>, policy: &Policy, sources: &[Located<Source>], reading: &mut Reading<'_>) -> Given {
    let place = Arc::from(here.path.as_str());
    let mut given = Given { items: Vec::new(), unusable: Vec::new(), pending: Vec::new() };
    let (errors, failures) = (reading.errors.len(), reading.failures.len());
    for source in sources {
        match source.value.load(&mut reading.loading) {
            Ok(loaded) => {
                reading.warnings.extend(loaded.warnings.into_iter().map(|warning| warning.at(&place)));
                let is_ordered = loaded.is_ordered;
                let failures = loaded.failures.into_iter().map(|warning| Failure { warning, is_ordered });
                reading.failures.extend(failures.map(|failure| source.with(failure)));
                for item in &loaded.items {
                    let Some(reason) = never_served(&item.entry.certificate, policy) else { continue };
                    let list = if item.named { &mut reading.errors } else { &mut given.unusable };
                    list.push(source.error(reason));
                }
                reading.pending.extend(loaded.pending.iter().map(|pending| note(source, pending)));
                given.pending.extend(loaded.pending);
                given.items.extend(loaded.items);
            }
            Err(error) => reading.errors.push(source.error(error.to_string())),
        }
    }
    // Only the failures of these sources get this place.
    let skipped = reading.failures.split_off(failures);
    if given.items.is_empty() && given.pending.is_empty() && reading.errors.len() == errors {
        let mut message = NONE_FOUND.to_owned();
        // The reasons why files were skipped explain why nothing is left.
        message.extend(skipped.iter().map(|reason| format!("; {}", reason.value.warning)));
        reading.errors.push(here.error(message));
    }
    let placed = |mut failure: Located<Failure>| {
        failure.value.warning = failure.value.warning.at(&place);
        failure
    };
    reading.failures.extend(skipped.into_iter().map(placed));
    given
}

fn note(source: &Located<Source>, pending: &Pending) -> Warning {
    let names = pending.names.iter().map(ToString::to_string);
    let all: Vec<String> = names.chain(pending.addresses.iter().map(ToString::to_string)).collect();
    let text = format!(
        "the certificate for {} is pending: acme {:?} has not issued it yet",
        all.join(", "),
        &*pending.authority
    );
    Warning::new(text).at(&Arc::from(source.path.as_str()))
}

const NONE_FOUND: &str = "certificates: none that can be used was found (expected x.crt or x.pem with x.key, combined PEM files, or folders of them, as certbot, acme.sh, lego, Caddy or Kubernetes make them)";

const OVERLAP: &str = "several certificates of the same key type have this name, and the preferred one is served";
