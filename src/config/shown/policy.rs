//! `[policy.NAME]` → what is shown of it. A classic load balancer's policy string is shown as the lists that it means.

use crate::config::shown::table::Table;
use crate::config::shown::values::texts;
use crate::tls::policy::Policy;
use crate::tls::wire::codes::{group_name, suite_name, version_name};

pub(super) fn table(policy: &Policy) -> Table {
    let Policy { name: _, versions, suites, groups, cipher_order } = policy;
    Table::default()
        .key("versions", texts(versions.iter().map(|version| version_name(*version))))
        .key("ciphers", texts(suites.iter().map(|suite| suite_name(*suite))))
        .key("groups", texts(groups.iter().map(|group| group_name(*group))))
        .key("cipher_order", cipher_order.word())
}
