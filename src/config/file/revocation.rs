//! The keys by which peers' certificates are held against lists of revoked ones, as written; they stand among other keys.
//! Must not know: whose certificates are judged.

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::tls::trust::lists::rules::{ExpiredCrl, MissingCrl};

/// `crl`, `crl_expired` and `crl_missing`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub crl: Option<Vec<Located<String>>>,
    pub expired: Located<ExpiredCrl>,
    pub missing: Located<MissingCrl>,
}

impl Revocation {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            crl: table.list("crl"),
            expired: table.or("crl_expired", ExpiredCrl::Refuse),
            missing: table.or("crl_missing", MissingCrl::Refuse),
        }
    }
}
