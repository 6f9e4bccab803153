//! A second ClientHello, which answers a HelloRetryRequest, against the first: what may differ (RFC 8446 section 4.1.2).
//! Must not know: records, rustls.
//!
//! A client is judged by its first hello – route, policy, certificate, what it has to show –, and the handshake goes by
//! the second. So the second must be the first again: whatever else it changes is refused, whether anybody here reads it or
//! not.

use std::borrow::Cow;

use crate::tls::wire::codes::extension_name;
use crate::tls::wire::codes::extensions::{EARLY_DATA, ENCRYPTED_CLIENT_HELLO, KEY_SHARE, PADDING, PRE_SHARED_KEY};
use crate::tls::wire::cursor::Cursor;

/// How a second ClientHello is not the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    /// It cannot be taken apart.
    Malformed,
    /// What it changes: fields by their names in RFC 8446, extensions by IANA's.
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

/// Compares the bodies of two ClientHellos, the handshake message's header left out.
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
    let mut kinds: Vec<u16> = first.extensions.iter().chain(&second.extensions).map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        if !may_become(kind, &first, &second) {
            changed.push(extension_name(kind));
        }
    }
    if changed.is_empty() { Ok(()) } else { Err(Difference::Changed(changed)) }
}

/// Whether the extensions of that number in the first hello may be followed by those in the second.
fn may_become(kind: u16, first: &Parts<'_>, second: &Parts<'_>) -> bool {
    let (before, now): (Vec<_>, Vec<_>) = (first.all(kind).collect(), second.all(kind).collect());
    match kind {
        // Whether the share is the one that was asked for, rustls sees.
        KEY_SHARE => now.len() == 1 && before.len() == 1,
        PADDING => true,
        EARLY_DATA => now.is_empty(),
        // Keys may be left out, and their ages and binders are made anew. That not all of them are left out, rustls sees.
        PRE_SHARED_KEY => {
            let is_outer = first.all(ENCRYPTED_CLIENT_HELLO).next().is_some();
            let known = before.first().and_then(|data| identities(data)).unwrap_or_default();
            match now[..] {
                [] => true,
                [data] if before.len() == 1 => identities(data).is_some_and(|now| {
                    // Beside an encrypted hello these are made up, and made up anew.
                    let mut known = known.iter();
                    is_outer || now.iter().all(|one| known.any(|before| before == one))
                }),
                _ => false,
            }
        }
        // The hello in it changes as this one does, and is encrypted anew (RFC 9849 section 6.1.5).
        ENCRYPTED_CLIENT_HELLO => now.len() == before.len(),
        // A cookie too: no HelloRetryRequest of ours has one.
        _ => now == before,
    }
}

/// The pre-shared keys' names, without their ages (RFC 8446 section 4.2.11).
fn identities(data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut list = Cursor(data).vector16()?;
    let mut all = Vec::new();
    while !list.0.is_empty() {
        all.push(list.vector16()?.0);
        list.take(4)?;
    }
    Some(all)
}

/// RFC 8446 section 4.1.2.
struct Parts<'a> {
    version: &'a [u8],
    random: &'a [u8],
    session: &'a [u8],
    suites: &'a [u8],
    compressions: &'a [u8],
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
        body.0.is_empty().then_some(Self { version, random, session, suites, compressions, extensions })
    }

    fn all(&self, kind: u16) -> impl Iterator<Item = &'a [u8]> {
        self.extensions.iter().filter(move |(known, _)| *known == kind).map(|(_, data)| *data)
    }
}

/// So many parts make a reason long enough.
const MOST_SHOWN: usize = 8;

#[cfg(test)]
mod tests;
