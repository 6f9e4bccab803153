//! Compares a second ClientHello, the answer to a HelloRetryRequest, with the first: what may differ (RFC 8446 section
//! 4.1.2). Must not know: records, rustls.
//!
//! The first hello determines the route, the policy, the certificate and whether a client certificate is required; the
//! handshake uses the second. So the second must repeat the first: any other change is refused, even in a field that
//! tlsgate does not read.

use std::borrow::Cow;

use crate::tls::wire::codes::extension_name;
use crate::tls::wire::codes::extensions::{EARLY_DATA, ENCRYPTED_CLIENT_HELLO, KEY_SHARE, PADDING, PRE_SHARED_KEY};
use crate::tls::wire::cursor::Cursor;

/// How a second ClientHello differs from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    /// It cannot be parsed.
    Malformed,
    /// What it changes: fields under their names in RFC 8446, extensions under IANA's, the latter up to one more than a
    /// reason lists.
    Changed(Vec<Cow<'static, str>>),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed => f.write_str("the second ClientHello is malformed"),
            Self::Changed(parts) => {
                let shown = parts.get(..MOST_SHOWN).unwrap_or(parts).join(", ");
                let more = if parts.len() > MOST_SHOWN { " and more" } else { "" };
                write!(f, "the second ClientHello differs from the first in {shown}{more}")
            }
        }
    }
}

/// Compares the bodies of two ClientHellos, without the handshake message's header.
pub(crate) fn compare(first: &[u8], second: &[u8]) -> Result<(), Difference> {
    let (Some(first), Some(second)) = (Parts::of(first), Parts::of(second)) else { return Err(Difference::Malformed) };
    let mut changed: Vec<Cow<'static, str>> = Vec::new();
    for (name, before, now) in [
        ("legacy_version", first.version, second.version),
        ("random", first.random, second.random),
        ("legacy_session_id", first.session, second.session),
        ("cipher_suites", first.suites, second.suites),
        ("legacy_compression_methods", first.compressions, second.compressions),
    ] {
        if before != now {
            changed.push(name.into());
        }
    }
    // Their order may change: nothing depends on it.
    let mut kinds: Vec<u16> = first.extensions.iter().chain(&second.extensions).map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let refused = kinds.into_iter().filter(|kind| !may_become(*kind, &first, &second));
    changed.extend(refused.take(MOST_SHOWN + 1).map(extension_name));
    if changed.is_empty() { Ok(()) } else { Err(Difference::Changed(changed)) }
}

/// Whether the second hello may have these extensions of that number, after those of the first.
fn may_become(kind: u16, first: &Parts<'_>, second: &Parts<'_>) -> bool {
    let (before, now) = (first.all(kind), second.all(kind));
    match kind {
        // rustls checks that the share is the requested one.
        KEY_SHARE => now.len() == 1 && before.len() == 1,
        PADDING => true,
        // RFC 8446 section 4.2.10: no early data after a HelloRetryRequest.
        EARLY_DATA => now.is_empty(),
        // Keys may be left out; their ages and binders are new. rustls checks that at least one is left.
        PRE_SHARED_KEY => {
            let is_outer = !first.all(ENCRYPTED_CLIENT_HELLO).is_empty();
            let known = before.first().and_then(|(_, data)| identities(data)).unwrap_or_default();
            match now {
                [] => true,
                [(_, data)] if before.len() == 1 => identities(data).is_some_and(|now| {
                    // Next to an encrypted hello these are random bytes (RFC 9849 section 6.1.2), and may be new ones.
                    let mut known = known.iter();
                    is_outer || now.iter().all(|one| known.any(|before| before == one))
                }),
                _ => false,
            }
        }
        // The inner hello changes as this one does, and is encrypted again (RFC 9849 section 6.1.5).
        ENCRYPTED_CLIENT_HELLO => now.len() == before.len(),
        // This includes a cookie: tlsgate's HelloRetryRequest never has one.
        _ => now == before,
    }
}

/// The identities of the pre-shared keys, without their ages (RFC 8446 section 4.2.11).
fn identities(data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut list = Cursor(data).vector16()?;
    let mut all = Vec::new();
    while !list.0.is_empty() {
        all.push(list.vector16()?.0);
        list.take(4)?;
    }
    Some(all)
}

/// The fields of a ClientHello (RFC 8446 section 4.1.2).
struct Parts<'a> {
    version: &'a [u8],
    random: &'a [u8],
    session: &'a [u8],
    suites: &'a [u8],
    compressions: &'a [u8],
    /// Sorted by their numbers. Several of one number, which rustls refuses, stay in the client's order.
    extensions: Vec<(u16, &'a [u8])>,
}

impl<'a> Parts<'a> {
    fn of(body: &'a [u8]) -> Option<Self> {
        let mut body = Cursor(body);
        let (version, random) = (body.take(2)?, body.take(32)?);
        let (session, suites, compressions) = (body.vector8()?.0, body.vector16()?.0, body.vector8()?.0);
        let mut extensions = Vec::new();
        let mut list = body.vector16()?;
        while !list.0.is_empty() {
            extensions.push((list.u16()?, list.vector16()?.0));
        }
        extensions.sort_by_key(|(kind, _)| *kind);
        body.0.is_empty().then_some(Self { version, random, session, suites, compressions, extensions })
    }

    /// The extensions of that number. A message has room for 16,000 numbers, so that each must be found at once.
    fn all(&self, kind: u16) -> &[(u16, &'a [u8])] {
        let start = self.extensions.partition_point(|(known, _)| *known < kind);
        let from = self.extensions.get(start..).unwrap_or_default();
        from.get(..from.partition_point(|(known, _)| *known == kind)).unwrap_or_default()
    }
}

/// How many changes a reason lists: a client can change any number of extensions, and the reason is logged.
const MOST_SHOWN: usize = 8;

#[cfg(test)]
mod tests;
