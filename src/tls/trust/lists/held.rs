//! Certificates that are trusted, and the lists of those → which lists are used. Must not know: whether peers are clients or
//! servers, where lists are from.

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;

use crate::tls::certificate::x509;
use crate::tls::trust::lists::authorities::{Authorities, Role};
use crate::tls::trust::lists::given::{Given, Origin};
use crate::tls::trust::lists::rules::{MissingCrl, Rules};
use crate::tls::trust::lists::{List, ListFault, examine, newest, prove};

/// The lists of some CAs.
#[derive(Debug)]
pub struct Held<'a> {
    pub authorities: Authorities<'a>,
    /// Those that are used.
    pub lists: Vec<List>,
    /// Those of files that newer ones replace.
    pub replaced: Vec<List>,
    /// Those that came over the network and cannot be used, by their indexes among those given.
    pub left_out: Vec<(usize, ListFault)>,
    /// Whether a URL has brought none that is used: what it stands for is not there.
    is_short: bool,
}

/// What a list that is used says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its index among those given.
    pub index: usize,
    /// In a form that is safe to print.
    pub issuer: String,
    /// Seconds since 1970.
    pub this_update: i64,
    pub next_update: i64,
}

impl<'a> Held<'a> {
    /// What the lists that are used say of themselves.
    pub fn used(&self) -> Vec<Used> {
        let used = |list: &List| Used {
            index: list.index,
            issuer: self.authorities.subject(list.signer),
            this_update: list.this_update,
            next_update: list.next_update,
        };
        self.lists.iter().map(used).collect()
    }

    /// What each certificate is used for. Who could hold back the list of a CA must not make those below it trusted by
    /// themselves.
    pub fn roles(&self, rules: &Rules) -> Vec<Role> {
        let is_awaited = |at| rules.awaited || self.is_short || rules.points && self.authorities.has_point(at);
        self.authorities.roles(&self.lists, |at| rules.missing == MissingCrl::Refuse && is_awaited(at))
    }

    /// Why a peer that shows this very certificate is refused, which no chain would find out.
    pub fn fault(&self, index: usize, role: Role, rules: &Rules) -> Option<CertificateError> {
        if self.lists.iter().any(|list| list.revokes.contains(&index)) {
            return Some(CertificateError::Revoked);
        }
        let is_unknown = role == Role::Between && !self.authorities.is_covered(index, &self.lists);
        (is_unknown && rules.missing == MissingCrl::Refuse).then_some(CertificateError::UnknownRevocationStatus)
    }

    /// The errors are those of lists in files, by their indexes.
    pub fn new(ca: &'a [CertificateDer<'_>], given: &[Given]) -> Result<Self, Vec<(usize, ListFault)>> {
        let authorities = Authorities::new(ca.iter().map(|der| x509::parse(der).ok()).collect());
        let (mut lists, mut errors, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (index, one) in given.iter().enumerate() {
            let examined = match one.origin {
                Origin::File => examine(index, &one.der, &authorities.parsed),
                // webpki must not find more that is wrong with it: that would stop a start.
                Origin::Url | Origin::Point => examine(index, &one.der, &authorities.parsed)
                    .and_then(|list| prove::readable(&one.der).map(|()| list)),
            };
            match (examined, one.origin) {
                (Ok(list), _) => lists.push(list),
                (Err(fault), Origin::File) => errors.push((index, fault)),
                // It is the list of a CA that is trusted elsewhere.
                (Err(ListFault::Stranger { .. } | ListFault::Forged { .. }), Origin::Point) => {}
                (Err(fault), Origin::Url | Origin::Point) => left_out.push((index, fault)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let (lists, mut replaced) = newest(lists, |one, other| authorities.same_key(one, other));
        let by_url = |index: usize| given.get(index).is_some_and(|given| given.origin == Origin::Url);
        // In place of its own list, a server can send that of another CA, which another URL has brought already.
        let is_short =
            left_out.iter().map(|(index, _)| *index).chain(replaced.iter().map(|list| list.index)).any(by_url);
        // Of two servers, one has the newer list at first; nobody has to do anything about it.
        replaced.retain(|list| given.get(list.index).is_some_and(|given| given.origin == Origin::File));
        Ok(Self { authorities, lists, replaced, left_out, is_short })
    }
}
