//! A check at every address of an identifier, at the same time. Must not know: what is checked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::acme::check::result::Checked;
use crate::acme::lookup::Lookup;
use crate::acme::settings::Identifier;
use crate::tls::certificate::name::Name;

/// Asks at every address, each within `limit`. One wrong answer is enough for `Wrong`, since the authority may take that
/// address; otherwise one right answer is enough for `Passed`, since not every address can be reached from here.
pub(super) async fn address<F>(
    lookup: &Lookup,
    identifier: &Identifier,
    port: u16,
    limit: Duration,
    ask: impl Fn(SocketAddr) -> F,
) -> Checked
where
    F: Future<Output = Checked> + Send + 'static,
{
    let addresses = match identifier {
        Identifier::Ip(address) => vec![*address],
        Identifier::Dns(Name::Exact(name)) => match addresses(lookup, name, limit).await {
            Ok(addresses) => addresses,
            Err(error) => return Checked::Unreachable(error),
        },
        Identifier::Dns(Name::Wildcard(_)) => {
            return Checked::Wrong(format!(
                "{identifier} has no address: only a challenge in the DNS is for wildcards"
            ));
        }
    };
    let mut asked = JoinSet::new();
    for ip in addresses {
        let address = SocketAddr::new(ip, port);
        let answer = ask(address);
        asked.spawn(async move {
            let late = |_| Checked::Unreachable(format!("{address}: no answer in time"));
            timeout(limit, answer).await.unwrap_or_else(late)
        });
    }
    let failed = |error: tokio::task::JoinError| Checked::Unreachable(error.to_string());
    let mut results = Vec::new();
    while let Some(result) = asked.join_next().await {
        results.push(result.unwrap_or_else(failed));
    }
    together(results)
}

async fn addresses(lookup: &Lookup, name: &str, limit: Duration) -> Result<Vec<IpAddr>, String> {
    let found = timeout(limit, lookup.addresses(name)).await;
    found.unwrap_or_else(|_| Err(format!("{name} cannot be looked up: no answer in time")))
}

fn together(results: Vec<Checked>) -> Checked {
    let (mut passed, mut unreachable, mut wrong) = (false, Vec::new(), Vec::new());
    for result in results {
        match result {
            Checked::Passed => passed = true,
            Checked::Unreachable(why) => unreachable.push(why),
            Checked::Wrong(why) => wrong.push(why),
        }
    }
    // The order in which answers arrive is no difference.
    unreachable.sort_unstable();
    wrong.sort_unstable();
    match (wrong.is_empty(), passed) {
        (false, _) => Checked::Wrong(wrong.join("; ")),
        (true, true) => Checked::Passed,
        (true, false) => Checked::Unreachable(unreachable.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_answer_counts_more_than_right_ones_and_these_more_than_none() {
        let (passed, wrong) = (|| Checked::Passed, |text: &str| Checked::Wrong(text.into()));
        let unreachable = |text: &str| Checked::Unreachable(text.into());
        for (results, expected) in [
            (vec![passed()], passed()),
            (vec![unreachable("a"), passed()], passed()),
            (vec![passed(), wrong("b"), unreachable("c"), wrong("a")], wrong("a; b")),
            (vec![unreachable("b"), unreachable("a")], unreachable("a; b")),
        ] {
            assert_eq!(together(results), expected);
        }
    }
}
