//! dns-01 from here (RFC 8555 section 8.4): waits until the record is visible. Must not know: how it was published.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::acme::check::result::Checked;
use crate::acme::lookup::Lookup;
use crate::acme::settings::Publisher;

/// Waits, at most `limit`, until the TXT record is visible at all of the zone's name servers that can be reached; where none
/// can, by the configured resolver.
pub async fn dns(lookup: &Lookup, publisher: &Publisher, fqdn: &str, value: &str, limit: Duration) -> Checked {
    let until = Instant::now() + limit;
    let record = Record { lookup, fqdn, value };
    let mut places = match timeout_at(until, record.places(publisher)).await {
        Ok(places) => places,
        Err(_) => return Checked::Unreachable(format!("the name servers of {fqdn} could not be found in time")),
    };
    let mut pause = FIRST_PAUSE;
    let mut last = Checked::Unreachable(format!("no name server answered in time when asked for {fqdn}"));
    loop {
        match timeout_at(until, record.look(&mut places)).await {
            Ok(Checked::Passed) => return Checked::Passed,
            Ok(result) => last = result,
            Err(_) => return last,
        }
        if Instant::now() + pause >= until {
            return last;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Record<'a> {
    lookup: &'a Lookup,
    fqdn: &'a str,
    value: &'a str,
}

/// Where a record must become visible.
struct Places {
    /// The server that takes updates. It has the record first, and may be hidden from the authority.
    primary: Option<SocketAddr>,
    /// The zone's name servers. After the first look: those that answered.
    servers: BTreeSet<SocketAddr>,
    looked: bool,
}

impl Record<'_> {
    async fn places(&self, publisher: &Publisher) -> Places {
        let primary = match publisher {
            Publisher::Update(update) => Some(update.server),
            Publisher::Program(_) => None,
        };
        let mut servers: BTreeSet<_> = self.lookup.name_servers(self.fqdn).await.into_iter().collect();
        if let Some(primary) = &primary {
            servers.remove(primary);
        }
        Places { primary, servers, looked: false }
    }

    async fn look(&self, places: &mut Places) -> Checked {
        if let Some(primary) = places.primary {
            // An error: updates are taken there, but questions are not answered. The others decide.
            if let Ok(found) = self.lookup.txt_at(primary, self.fqdn).await
                && !self.is_in(&found)
            {
                return self.wrong(&format!("the server of updates, {primary},"), &found);
            }
        }
        let answers = self.ask(&places.servers).await;
        if !places.looked {
            // One that is not reached now is not waited for in each round.
            places.servers.retain(|server| answers.iter().any(|(answered, _)| answered == server));
            places.looked = true;
        }
        match answers.iter().find(|(_, found)| !self.is_in(found)) {
            Some((server, found)) => self.wrong(&format!("the name server {server}"), found),
            None if answers.is_empty() => self.by_resolver().await,
            None => Checked::Passed,
        }
    }

    /// Asks all of them at the same time. Those that do not answer are left out.
    async fn ask(&self, servers: &BTreeSet<SocketAddr>) -> Vec<(SocketAddr, Vec<String>)> {
        let mut asked = JoinSet::new();
        for server in servers.iter().copied() {
            let answer = self.lookup.txt_at(server, self.fqdn);
            asked.spawn(async move { (server, answer.await) });
        }
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            if let Ok((server, Ok(found))) = answer {
                answers.push((server, found));
            }
        }
        answers
    }

    /// A resolver may remember for long that there was no record, which the authority's does not. So its denial is no proof.
    async fn by_resolver(&self) -> Checked {
        match self.lookup.txt(self.fqdn).await {
            Ok(found) if self.is_in(&found) => Checked::Passed,
            Ok(found) => Checked::Unreachable(format!(
                "no name server of the zone can be reached from here, and the configured resolver has {} for {}, expected {:?}",
                listed(&found),
                self.fqdn,
                self.value
            )),
            Err(error) => Checked::Unreachable(format!(
                "no name server of the zone can be reached from here, and {} cannot be looked up: {error}",
                self.fqdn
            )),
        }
    }

    fn is_in(&self, found: &[String]) -> bool {
        found.iter().any(|text| text == self.value)
    }

    fn wrong(&self, who: &str, found: &[String]) -> Checked {
        let (fqdn, value) = (self.fqdn, self.value);
        Checked::Wrong(format!("{who} has {} for {fqdn}, expected {value:?}", listed(found)))
    }
}

/// A few of the records.
fn listed(found: &[String]) -> String {
    if found.is_empty() {
        return "no TXT record".into();
    }
    let shown = |text: &String| format!("{:?}", text.chars().take(SHOWN).collect::<String>());
    let texts: Vec<_> = found.iter().take(MOST_SHOWN).map(shown).collect();
    let more = if found.len() > MOST_SHOWN { " and more" } else { "" };
    format!("the TXT records {}{more}", texts.join(", "))
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

const MOST_SHOWN: usize = 4;
const SHOWN: usize = 100;
