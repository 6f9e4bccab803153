//! The states of the members, for people. Must not know: what is stored.

use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::client::Etcd;
use super::exchange::{Question, SMALL};
use super::message::{AlarmRequest, AlarmResponse, Empty, StatusResponse};
use super::refusal::{self, Verdict};
use super::token::NoToken;

/// The state of one member, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub endpoint: String,
    /// Or why it does not answer.
    pub state: Result<MemberState, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    pub version: String,
    pub database_bytes: u64,
    pub is_leader: bool,
    /// Such as `NOSPACE`.
    pub alarms: Vec<String>,
}

impl Etcd {
    /// Asks every endpoint for its state.
    pub async fn members(&self) -> Vec<Member> {
        let mut asked = JoinSet::new();
        for at in 0..self.0.endpoints.len() {
            let etcd = self.clone();
            asked.spawn(async move { (at, etcd.state(at).await) });
        }
        let mut states = asked.join_all().await;
        states.sort_by_key(|(at, _)| *at);
        let endpoint = |at: usize| self.0.endpoints.get(at).map_or_else(String::new, |endpoint| endpoint.text.clone());
        states.into_iter().map(|(at, state)| Member { endpoint: endpoint(at), state }).collect()
    }

    async fn state(&self, member: usize) -> Result<MemberState, String> {
        let status: StatusResponse = self.ask(member, ("/v3/maintenance/status", false), &Empty {}).await?;
        let (own, leader) = (status.header.member_id, status.leader);
        // Without a leader nothing is known of alarms, and with few rights neither.
        let alarms =
            self.ask::<AlarmResponse>(member, ("/v3/maintenance/alarm", true), &AlarmRequest { action: "GET" }).await;
        let alarms = alarms.unwrap_or_default().alarms.0.into_iter().filter(|alarm| alarm.member == own);
        Ok(MemberState {
            version: status.version.0,
            database_bytes: u64::try_from(status.size.0).unwrap_or_default(),
            is_leader: own == leader,
            alarms: alarms.map(|alarm| alarm.alarm.0).collect(),
        })
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        member: usize,
        (path, needs_leader): (&str, bool),
        request: &impl Serialize,
    ) -> Result<A, String> {
        let client = &self.0;
        let endpoint = client.endpoints.get(member).ok_or("found no such member")?;
        let token = client.tokens.get(&client.pool, &client.settings, (member, endpoint)).await;
        let token = token.map_err(|error| match error {
            NoToken::Lost(lost) => lost.why,
            NoToken::Verdict(verdict) => words(verdict),
        })?;
        let body = Bytes::from(serde_json::to_vec(request).map_err(|error| error.to_string())?);
        let limit = client.settings.timeout;
        let question = Question { path, body, token: token.text(), may_repeat: true, needs_leader, limit, most: SMALL };
        let answer = client.pool.ask(&client.settings, (member, endpoint), &question).await.map_err(|lost| lost.why)?;
        if !answer.status.is_success() {
            return Err(words(refusal::of_answer(answer.status.as_u16(), &answer.body)));
        }
        serde_json::from_slice(&answer.body).map_err(|_| "found an answer that is not etcd's".to_owned())
    }
}

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refused(why)
        | Verdict::NoSpace(why)
        | Verdict::Compacted(why)
        | Verdict::Token(why)
        | Verdict::Elsewhere(why)
        | Verdict::Foreign(why)
        | Verdict::Unclear(why) => why,
        Verdict::LeaseEnded => "the lease has ended".into(),
    }
}
