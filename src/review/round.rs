//! One look at all open connections: each chain is judged once by each rule, and connections whose clients would not be accepted
//! any more are asked to end. Must not know: when that is done, where the rules come from.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::live::presented::Presented;
use crate::live::row::Row;
use crate::live::shelf::Id;
use crate::review::rules::{Rule, Rules};
use crate::tls::trust::clients::ClientAuth;
use crate::tls::trust::clients::again::Distrust;

/// The verdicts of earlier rounds that are still needed, by the fingerprints of rules and the ids of chains: these decide a
/// verdict, besides the time. Long lists take long to search, and signatures to verify. Those of handshakes are not among them:
/// the connections have them.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<[u8; 32], BTreeMap<Id, Verdict>>);

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
        self.judge_by(all, rules, now, ClientAuth::judge_again)
    }

    fn judge_by(
        &mut self,
        all: impl Iterator<Item = Arc<Presented>>,
        rules: &Rules<'_>,
        now: i64,
        judge: impl Fn(&Arc<ClientAuth>, &[CertificateDer<'_>], i64) -> Result<i64, Distrust>,
    ) -> Found {
        let before = std::mem::take(&mut self.0);
        let mut found = Found { due: i64::MAX, closed: 0 };
        for presented in all.filter(|presented| presented.row.call.is_trusted()) {
            // The rules have changed since this round began. The connection has rung, so that the next one comes at once.
            if rules.are_older_than(presented.judged.generation) {
                continue;
            }
            let auth = match rule(&presented.row, rules) {
                Rule::Judge(auth) => auth,
                Rule::Gone => &presented.judged.auth,
                Rule::Keep => continue,
            };
            if let Some(good_until) = of_handshake(&presented, auth, now) {
                found.due = found.due.min(good_until.saturating_add(1));
                continue;
            }
            let (rule, id) = (auth.fingerprint(), presented.id());
            let known = before.get(rule).and_then(|known| known.get(id)?.as_ref().ok().copied());
            let verdict = self.0.entry(*rule).or_default().entry(*id).or_insert_with(|| {
                let known = known.filter(|good_until| *good_until >= now);
                known.map_or_else(|| anew(&presented, |chain| judge(auth, chain, now)), Ok)
            });
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

/// The verdict of the handshake, if it was one by `auth` and still holds.
fn of_handshake(presented: &Presented, auth: &ClientAuth, now: i64) -> Option<i64> {
    let judged = &presented.judged;
    (judged.auth.fingerprint() == auth.fingerprint() && judged.good_until >= now).then_some(judged.good_until)
}

/// Judges a chain. A panic is the fault of this chain alone: it would come again with each look, and all that follow would
/// never be judged. The client cannot stay, since nobody can judge it, and its next handshake would panic as well.
fn anew(presented: &Presented, judge: impl FnOnce(&[CertificateDer<'_>]) -> Result<i64, Distrust>) -> Verdict {
    let judged = catch_unwind(AssertUnwindSafe(|| judge(&presented.certificates())));
    let judged = judged.unwrap_or_else(|_| {
        let connection_id = presented.row.facts().record.connection_id;
        tracing::error!(%connection_id, "judging a client's certificates again has panicked, it is not accepted any more");
        Err(Distrust::panicked())
    });
    judged.map_err(Arc::new)
}

#[cfg(test)]
mod tests;
