//! Lists of revoked certificates at their URLs → whether each is what it has to be. Must not know: how that is shown, which
//! lists are kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::located::ConfigError;
use crate::lists::attempt::Attempt;
use crate::lists::fetch::Mark;
use crate::lists::settings::Settings;
use crate::lists::targets;
use crate::lists::targets::Target;

/// Fetches every list that the configuration or a certificate in it names, and proves it against its CAs. Nothing is kept.
pub(super) fn faults(settings: &Arc<Settings>) -> Vec<ConfigError> {
    let (targets, troubles) = targets::of(settings, &BTreeSet::new());
    let fault = |message: String| ConfigError { path: "crl".into(), position: None, message };
    let mut faults: Vec<ConfigError> = troubles.into_iter().map(fault).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            faults
                .extend(targets.into_iter().filter_map(|target| runtime.block_on(wrong(settings, target))).map(fault));
            // A look-up of a name may still run, and nobody needs its result.
            runtime.shutdown_background();
        }
        Err(error) => faults.push(fault(format!("lists cannot be fetched: {error}"))),
    }
    faults
}

async fn wrong(settings: &Arc<Settings>, target: Target) -> Option<String> {
    let url = target.url()?.to_string();
    let now = Timestamp::now().as_second();
    let attempt = Attempt { settings: Arc::clone(settings), target, mark: Mark::default(), kept: None, now };
    attempt.make().await.err().map(|trouble| format!("{url}: {}", trouble.message))
}
