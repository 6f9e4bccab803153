//! A client of the members together: what is known of them, of the user's token, and of the store. Must not know: requests.

use std::fmt;
use std::sync::Arc;

use super::dial;
use super::exchange::Pool;
use super::history::History;
use super::pages::{Bound, COLLECTIONS, RECORDS};
use super::settings::{Endpoint, Settings};
use super::token::Tokens;
use super::trouble::Trouble;
use super::turns::Turns;

/// A client. Cheap to clone.
#[derive(Clone)]
pub struct Etcd(pub(super) Arc<Client>, pub(super) Bound);

pub(super) struct Client {
    pub(super) settings: Settings,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) pool: Pool,
    pub(super) turns: Turns,
    pub(super) tokens: Tokens,
    pub(super) history: History,
}

/// Where it connects to, and nothing of what it holds.
impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Etcd").field(&self.0.settings.endpoints).finish()
    }
}

impl Etcd {
    /// Reads the files that the settings name, to report what is wrong with them. They are read again when they are needed.
    pub fn new(settings: &Settings) -> Result<Self, Trouble> {
        let endpoints = settings.parsed()?;
        dial::check(settings, &endpoints).map_err(|why| Trouble::Refused(format!("etcd: {why}")))?;
        let turns = Turns::new(endpoints.len());
        let (pool, tokens, history) = (Pool::default(), Tokens::default(), History::default());
        let client = Client { settings: settings.clone(), endpoints, pool, turns, tokens, history };
        Ok(Self(Arc::new(client), RECORDS))
    }

    /// The same client for what grows over years, such as releases and certificates of authorities: more of it can be read and
    /// watched than of records, in smaller pages.
    pub fn for_collections(&self) -> Self {
        Self(Arc::clone(&self.0), COLLECTIONS)
    }

    /// The key as it is in the store.
    pub(super) fn full(&self, key: &str) -> Vec<u8> {
        format!("{}/{key}", self.0.settings.prefix).into_bytes()
    }

    /// The reverse.
    pub(super) fn short(&self, full: &[u8]) -> Option<String> {
        let key = full.strip_prefix(self.0.settings.prefix.as_bytes())?.strip_prefix(b"/")?;
        String::from_utf8(key.to_vec()).ok()
    }
}
