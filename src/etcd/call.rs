//! A request to whichever member answers: in turn, with the user's token, and never twice if that could do harm. Must not
//! know: what requests contain.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use serde::Serialize;

use super::answer::{self, Answered};
use super::client::Client;
use super::exchange::{self, Arriving, Lost, Question};
use super::refusal::{self, Verdict};
use super::token::{NoToken, Token};
use super::trouble::Trouble;
use super::value::Words;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) path: &'static str,
    /// For people: "cannot …".
    pub(super) what: &'a str,
    /// Whether it does no harm if it is received twice.
    pub(super) may_repeat: bool,
    /// Whether the answer is a stream of one message.
    pub(super) is_streamed: bool,
    /// Longer than this it is not waited for.
    pub(super) limit: Duration,
    /// In bytes, of the answer.
    pub(super) most: usize,
}

/// Why it was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing was done.
    Unreachable(String),
    Refused(String),
    NoSpace(String),
    LeaseEnded,
    Compacted(String),
    /// It may have been done, or may still be.
    Unknown(String),
    /// It was done, and the store is not the one that it was.
    Restart(String),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable(why) | Fault::Unknown(why) => Self::Unreachable(why),
            Fault::Refused(why) | Fault::NoSpace(why) => Self::Refused(why),
            Fault::LeaseEnded => Self::LeaseEnded,
            Fault::Compacted(why) | Fault::Restart(why) => Self::Restart(why),
        }
    }
}

impl Call<'_> {
    fn question<'q>(&'q self, body: &Bytes, token: &'q Token) -> Question<'q> {
        let Self { path, may_repeat, limit, most, .. } = *self;
        Question { path, body: body.clone(), token: token.text(), may_repeat, needs_leader: true, limit, most }
    }
}

/// Why one member has not done it.
enum Failed {
    /// The next may.
    Next(String),
    /// The same, and this one is no etcd.
    Foreign(String),
    Ended(Fault),
}

impl Client {
    /// Asks members until one answers.
    pub(super) async fn call<A: Answered>(&self, call: Call<'_>, request: &impl Serialize) -> Result<A, Fault> {
        let before = self.history.revision();
        let read = |body: Bytes| answer::read::<A>(&body);
        let (member, answer) = self.ask(call, self.written(request)?, read).await?;
        let seen = match A::IS_CURRENT {
            true => self.history.current(answer.header(), before),
            false => self.history.cluster(answer.header()),
        };
        seen.map_err(|why| Fault::Restart(self.words(member, call.what, &why)))?;
        Ok(answer)
    }

    /// Asks members until one answers; returns which, and what. `read` finds out whether that is an answer of etcd's: something
    /// else may have taken the place of one member.
    pub(super) async fn ask<A>(
        &self,
        call: Call<'_>,
        body: Bytes,
        read: impl Fn(Bytes) -> Result<A, String>,
    ) -> Result<(usize, A), Fault> {
        let (mut failures, mut is_foreign) = (Vec::new(), false);
        for member in self.turns.order() {
            let asked = self.ask_one(member, call, &body).await;
            let answer = asked.and_then(|body| read(body).map_err(|why| self.foreign(member, call, why)));
            match answer {
                Ok(answer) => {
                    self.turns.succeeded(member);
                    return Ok((member, answer));
                }
                Err(Failed::Ended(fault)) => return Err(fault),
                Err(Failed::Next(why)) => failures.push(self.words(member, call.what, &why)),
                Err(Failed::Foreign(why)) => {
                    is_foreign = true;
                    failures.push(self.words(member, call.what, &why));
                }
            }
        }
        // What is no etcd does not become one by waiting.
        let why = failures.join("; ");
        Err(if is_foreign { Fault::Refused(why) } else { Fault::Unreachable(why) })
    }

    pub(super) fn written(&self, request: &impl Serialize) -> Result<Bytes, Fault> {
        serde_json::to_vec(request).map(Bytes::from).map_err(|error| Fault::Refused(error.to_string()))
    }

    async fn ask_one(&self, member: usize, call: Call<'_>, body: &Bytes) -> Result<Bytes, Failed> {
        let Some(endpoint) = self.endpoints.get(member) else { return Err(Failed::Next(String::new())) };
        let mut is_new = false;
        loop {
            let token = self.token(member, call).await?;
            let question = call.question(body, &token);
            let asked = self.pool.ask(&self.settings, (member, endpoint), &question).await;
            let answer = asked.map_err(|lost| self.lost(member, call, lost))?;
            let verdict = match answer.status.is_success() {
                true if call.is_streamed => refusal::of_stream(&answer.body),
                true => None,
                false => Some(refusal::of_answer(answer.status.as_u16(), &answer.body)),
            };
            match verdict {
                None => return Ok(answer.body),
                Some(Verdict::Token(_)) if !is_new && self.settings.user.is_some() => {
                    is_new = true;
                    self.tokens.forget(&token);
                }
                Some(verdict) => return Err(self.refused(member, call, verdict)),
            }
        }
    }

    /// Opens a stream at a member, whose status is one of success.
    pub(super) async fn open(&self, member: usize, call: Call<'_>, body: &Bytes) -> Result<Arriving, Fault> {
        let Some(endpoint) = self.endpoints.get(member) else { return Err(Fault::Unreachable(String::new())) };
        let ended = |failed: Failed| match failed {
            Failed::Ended(fault) => fault,
            Failed::Next(why) | Failed::Foreign(why) => Fault::Unreachable(self.words(member, call.what, &why)),
        };
        let token = self.token(member, call).await.map_err(ended)?;
        let question = call.question(body, &token);
        let opened = exchange::open(&self.settings, (member, endpoint), &question).await;
        let arriving = opened.map_err(|lost| ended(self.lost(member, call, lost)))?;
        if arriving.response.status().is_success() {
            return Ok(arriving);
        }
        let status = arriving.response.status().as_u16();
        let verdict = refusal::of_answer(status, &exchange::rest(arriving, call.limit).await);
        if matches!(verdict, Verdict::Token(_)) {
            self.tokens.forget(&token);
        }
        Err(ended(self.refused(member, call, verdict)))
    }

    /// The token in use is no good any more, perhaps.
    pub(super) async fn renew_token(&self, member: usize, call: Call<'_>) {
        if let Ok(token) = self.token(member, call).await {
            self.tokens.forget(&token);
        }
    }

    async fn token(&self, member: usize, call: Call<'_>) -> Result<Arc<Token>, Failed> {
        let Some(endpoint) = self.endpoints.get(member) else { return Err(Failed::Next(String::new())) };
        let got = self.tokens.get(&self.pool, &self.settings, (member, endpoint)).await;
        got.map_err(|error| match error {
            NoToken::Lost(lost) => self.lost(member, Call { may_repeat: true, ..call }, lost),
            NoToken::Verdict(Verdict::Unclear(why)) => self.refused(member, call, Verdict::Elsewhere(why)),
            NoToken::Verdict(verdict) => self.refused(member, call, verdict),
        })
    }

    fn lost(&self, member: usize, call: Call<'_>, lost: Lost) -> Failed {
        self.turns.failed(member);
        if call.may_repeat || !lost.is_sent {
            return Failed::Next(lost.why);
        }
        Failed::Ended(Fault::Unknown(self.words(member, call.what, &lost.why)))
    }

    fn foreign(&self, member: usize, call: Call<'_>, why: String) -> Failed {
        self.turns.failed(member);
        match call.may_repeat {
            true => Failed::Foreign(why),
            false => Failed::Ended(Fault::Unknown(self.words(member, call.what, &why))),
        }
    }

    fn refused(&self, member: usize, call: Call<'_>, verdict: Verdict) -> Failed {
        let words = |why: &str| self.words(member, call.what, why);
        match verdict {
            Verdict::Refused(why) => Failed::Ended(Fault::Refused(words(&why))),
            Verdict::Token(why) if self.settings.user.is_none() => {
                Failed::Ended(Fault::Refused(words(&format!("{why}: expected the name of a user and a password"))))
            }
            Verdict::Token(why) => Failed::Ended(Fault::Refused(words(&why))),
            Verdict::NoSpace(why) => Failed::Ended(Fault::NoSpace(words(&why))),
            Verdict::LeaseEnded => Failed::Ended(Fault::LeaseEnded),
            Verdict::Compacted(why) => Failed::Ended(Fault::Compacted(words(&why))),
            Verdict::Unclear(why) if !call.may_repeat => Failed::Ended(Fault::Unknown(words(&why))),
            Verdict::Elsewhere(why) | Verdict::Unclear(why) => {
                self.turns.failed(member);
                Failed::Next(why)
            }
            Verdict::Foreign(why) => {
                self.turns.failed(member);
                Failed::Foreign(why)
            }
        }
    }

    /// A message that names the member.
    pub(super) fn words(&self, member: usize, what: &str, why: &str) -> String {
        let member = self.endpoints.get(member).map_or("", |endpoint| &endpoint.text);
        format!("etcd at {member} cannot {what}: {}", Words::of(why).0)
    }
}
