//! What is remembered of one certificate. Must not know: files, when something is done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::acme::schedule::attempts::Attempts;
use crate::acme::schedule::{Facts, Lifetime, Proposal};
use crate::acme::status::{Failure, Why};

/// What is remembered of one certificate. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OfCertificate {
    /// By the authority that was asked.
    pub attempts: BTreeMap<String, Attempts>,
    /// Attempts that have failed since the last one that succeeded.
    pub failures: u32,
    pub failing_since: Option<i64>,
    pub last_failure: Option<Failure>,
    /// The authority that issued what there is.
    pub issued_by: Option<String>,
    /// Where in its window the certificate is renewed, 0.0 ..= 1.0. Drawn once for each certificate.
    pub chance: f64,
    /// The authority's proposal for the certificate that there is.
    pub proposal: Option<Proposal>,
    /// When the authority is asked for it again.
    pub next_question: i64,
    /// Whether the certificate that there is has been revoked by us.
    pub revoked: bool,
    /// The order that was under way.
    pub order: Option<Order>,
    /// Challenges that an authority found wrong, by name: others are tried first.
    pub refused: BTreeMap<String, Vec<String>>,
}

/// An order that has begun at an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub authority: String,
    /// The URL of the account that it belongs to.
    pub account: String,
    pub url: String,
    pub began: i64,
}

impl OfCertificate {
    /// Where the file was there but could not be read: as if one attempt had just failed, since the pauses are not known.
    pub fn doubtful(authority: &str, now: i64) -> Self {
        let mut attempts = Attempts::default();
        attempts.begin(now, 0.5, i64::MAX);
        Self { attempts: BTreeMap::from([(authority.to_owned(), attempts)]), ..Self::default() }
    }

    /// For [`crate::acme::schedule::due`].
    pub fn facts(&self, lifetime: Option<Lifetime>) -> Facts<'_> {
        Facts {
            lifetime,
            proposal: self.proposal.as_ref(),
            chance: self.chance,
            at_once: self.revoked.then_some(Why::Withdrawn),
            failing: self.failures > 0,
        }
    }

    /// The attempts at one authority.
    pub fn attempts(&mut self, authority: &str) -> &mut Attempts {
        self.attempts.entry(authority.to_owned()).or_default()
    }

    /// When another attempt at that authority is allowed.
    pub fn allowed_from(&self, authority: &str, now: i64) -> i64 {
        self.attempts.get(authority).map_or(i64::MIN, |attempts| attempts.allowed_from(now))
    }

    /// Takes note of a clock that has jumped back.
    pub fn rebase(&mut self, now: i64) {
        for attempts in self.attempts.values_mut() {
            attempts.rebase(now);
        }
        self.failing_since = self.failing_since.map(|since| since.min(now));
        // A question is due within a day, whatever the clock was.
        self.next_question = self.next_question.min(now.saturating_add(crate::acme::schedule::DAY));
    }

    /// A certificate was issued. `expected` is how long it should last, in seconds.
    pub fn succeed(&mut self, authority: &str, now: i64, expected: i64, chance: f64) {
        self.attempts(authority).succeed(now, expected);
        *self = Self {
            attempts: std::mem::take(&mut self.attempts),
            issued_by: Some(authority.to_owned()),
            chance,
            // A proposal is there some time after the certificate is.
            next_question: now,
            ..Self::default()
        };
    }

    /// An attempt failed.
    pub fn fail(&mut self, failure: Failure) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(failure.at);
        self.last_failure = Some(failure);
    }
}
