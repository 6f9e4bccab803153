//! What is odd about the lists of some CAs, in words. Must not know: files, who shows it.

use crate::tls::certificate::x509;
use crate::tls::trust::lists::given::{Given, Origin};
use crate::tls::trust::lists::held::Held;
use crate::tls::trust::lists::rules::{ExpiredCrl, MissingCrl, Rules};

/// What an error or a warning is about: one of the certificates or lists that were given, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Ca(usize),
    List(usize),
    Whole,
}

/// Whose certificates are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Clients,
    Servers,
}

impl Whose {
    fn word(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Servers => "servers",
        }
    }
}

/// Remarks that do not depend on the time.
pub fn of(held: &Held<'_>, given: &[Given], rules: &Rules, whose: Whose) -> Vec<(At, String)> {
    let Held { authorities, lists, replaced, .. } = held;
    let whose = whose.word();
    let mut remarks = Vec::new();
    for index in (0..authorities.parsed.len()).filter(|at| lists.iter().any(|list| list.revokes.contains(at))) {
        let subject = authorities.subject(index);
        remarks.push((
            At::Ca(index),
            format!("the certificate of \"{subject}\" is on its issuer's list of revoked certificates, and {whose} below it are refused"),
        ));
    }
    if rules.missing == MissingCrl::Refuse {
        for index in authorities.unlisted(lists) {
            let subject = authorities.subject(index);
            let text = format!(
                "there is no list of revoked certificates of \"{subject}\" in \"crl\", where other CAs have one, and its {whose} are refused"
            );
            remarks.push((At::Ca(index), text));
        }
        if rules.asked && lists.is_empty() {
            let text =
                format!("there is no list of revoked certificates yet, and all {whose} are refused until there is");
            remarks.push((At::Whole, text));
        }
    }
    for list in replaced.iter().filter(|list| given.get(list.index).is_some_and(|one| one.origin == Origin::File)) {
        let subject = authorities.subject(list.signer);
        remarks.push((
            At::List(list.index),
            format!("the list of revoked certificates of \"{subject}\" is ignored: another list is newer, or the same"),
        ));
    }
    remarks
}

/// For each list that ends: the CA's subject, and when, in seconds since 1970.
pub fn ends(held: &Held<'_>, rules: &Rules) -> Vec<(At, String, i64)> {
    let counted = held.lists.iter().filter(|_| rules.expired == ExpiredCrl::Refuse);
    counted.map(|list| (At::List(list.index), held.authorities.subject(list.signer), list.next_update)).collect()
}

/// That a list is out of date.
pub fn outdated(issuer: &str, end: i64, whose: Whose) -> String {
    let (end, whose) = (x509::rfc3339(end), whose.word());
    format!("the list of revoked certificates of \"{issuer}\" is out of date since {end}, and its {whose} are refused")
}
