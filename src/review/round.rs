//! One look at all open connections: each chain is judged once by each rule, and connections whose clients would not be accepted
//! any more are asked to end. Must not know: when that is done, where the rules come from.

use std::collections::HashMap;
use std::sync::Arc;

use crate::live::presented::Presented;
use crate::live::row::Row;
use crate::review::rules::{Rule, Rules};
use crate::tls::trust::clients::ClientAuth;
use crate::tls::trust::clients::again::Distrust;

/// A chain, and what it was judged by: what decides a verdict besides the time.
type Case = ([u8; 32], [u8; 32]);

/// The verdicts of earlier rounds that are still needed: long lists take long to search, and signatures to verify.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<Case, Verdict>);

/// The last second at which it holds, since 1970, or why the client would not be accepted.
type Verdict = Result<i64, Arc<Distrust>>;

/// What one look has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The first second at which something has to be judged again.
    pub(super) due: i64,
    /// How many connections were asked to end.
    pub(super) closed: usize,
}

impl Known {
    /// Nothing is open that could be judged.
    pub(super) fn forget(&mut self) {
        self.0 = HashMap::new();
    }

    /// `now` is in seconds since 1970.
    pub(super) fn judge(&mut self, all: impl Iterator<Item = Arc<Presented>>, rules: &Rules<'_>, now: i64) -> Found {
        let before = std::mem::take(&mut self.0);
        let mut found = Found { due: i64::MAX, closed: 0 };
        for presented in all.filter(|presented| presented.row.call.is_trusted()) {
            let auth = match rule(&presented.row, rules) {
                Rule::Judge(auth) => auth,
                Rule::Gone => &presented.judged.auth,
                Rule::Keep => continue,
            };
            let case = (presented.chain().id, *auth.fingerprint());
            let verdict = self.0.entry(case).or_insert_with(|| verdict(&presented, auth, before.get(&case), now));
            match verdict {
                Ok(good_until) => found.due = found.due.min(good_until.saturating_add(1)),
                Err(why) => {
                    presented.row.call.distrust(Arc::clone(why));
                    found.closed += 1;
                }
            }
        }
        found
    }
}

fn rule<'s>(row: &Row, rules: &Rules<'s>) -> Rule<'s> {
    // Locked for two look-ups: the connection's own task needs it.
    let record = &row.facts().record;
    rules.find(&record.listener, record.route.as_deref().unwrap_or_default())
}

/// The verdict by `auth`: that of the handshake or of an earlier round, while it holds.
fn verdict(presented: &Presented, auth: &Arc<ClientAuth>, known: Option<&Verdict>, now: i64) -> Verdict {
    let judged = &presented.judged;
    let first = (judged.auth.fingerprint() == auth.fingerprint()).then_some(judged.good_until);
    let known = known.and_then(|known| known.as_ref().ok().copied());
    match known.into_iter().chain(first).find(|good_until| *good_until >= now) {
        Some(good_until) => Ok(good_until),
        None => auth.judge_again(&presented.chain().certificates, now).map_err(Arc::new),
    }
}

#[cfg(test)]
mod tests;
