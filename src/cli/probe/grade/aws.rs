//! AWS's policies as guidelines. Must not know: other guidelines.

use super::guideline::{Groups, Guideline};
use crate::tls::policy::aws;

/// All that tlsgate knows, whole, as AWS defines them. AWS says nothing of certificates, and of groups only whether some are
/// post-quantum.
pub(super) fn all() -> impl Iterator<Item = Guideline> {
    aws::policies().iter().filter_map(|policy| aws::definition(&policy.name)).map(|definition| Guideline {
        name: format!("AWS {}", definition.name).into(),
        source: "AWS, \"Security policies for your Application Load Balancer\"",
        versions: definition.versions,
        suites: definition.suites.into(),
        groups: if definition.name.contains("-PQ-") { Groups::PostQuantum } else { Groups::Any },
        dh_bits: None,
        certificates: None,
        is_good: false,
    })
}
