//! `[policy.NAME]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::tls::policy::CipherOrder;

/// `[policy.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub here: Located<()>,
    pub name: String,
    pub versions: Option<Vec<Located<String>>>,
    pub ciphers: Option<Vec<Located<String>>>,
    pub groups: Option<Vec<Located<String>>>,
    pub cipher_order: Option<Located<CipherOrder>>,
    pub elb: Option<Located<String>>,
}

impl Policy {
    pub(super) fn read(name: &str, table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            name: name.to_owned(),
            versions: table.list("versions"),
            ciphers: table.list("ciphers"),
            groups: table.list("groups"),
            cipher_order: table.optional("cipher_order"),
            elb: table.optional("elb"),
        }
    }
}
