//! How much an authority may answer with in one order: what it sends is kept by the library, and some of it is remembered.
//! Must not know: what the answers mean.

use instant_acme::Order;

use super::job::{Job, REFUSED};
use crate::acme::trouble::Trouble;

/// An order with more authorizations than names. Each of them would be asked for, with an answer that is kept. RFC 8555
/// section 7.1.3 lets an authority want more, but one of a name that was not ordered cannot be given, and one for each name is
/// enough.
pub(super) fn too_many(job: &Job<'_>, order: &mut Order) -> Option<Trouble> {
    let (found, most) = (order.state().authorizations.len(), job.wanted.identifiers.len());
    let message = || format!("found {found} authorizations in an order, expected at most {most}, one for each name");
    (found > most).then(|| refused(message()))
}

/// An authorization that was just answered with, and has too many bytes.
pub(super) fn too_large(job: &Job<'_>) -> Option<Trouble> {
    let length = job.http.last().map_or(0, |answer| answer.body.len());
    let message = || format!("found an authorization of {length} bytes, expected at most {LARGEST}");
    (length > LARGEST).then(|| refused(message()))
}

fn refused(message: String) -> Trouble {
    Trouble { status: Some(REFUSED), ..Trouble::new(message) }
}

/// In bytes. An authorization has a handful of challenges, each with an error of some hundred bytes.
const LARGEST: usize = 64 * 1024;
