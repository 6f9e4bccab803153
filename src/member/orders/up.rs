//! The answers of other nodes to challenges, put up at this node, too. Must not know: where they come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::acme::challenge::{http, tls_alpn};
use crate::acme::responder::Tokens;
use crate::acme::share::Post;
use crate::tls::handshake::challenge::Challenges;

/// Where answers are put up. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places {
    pub challenges: Arc<Challenges>,
    pub tokens: Tokens,
}

/// What is up. Dropping it takes it down.
enum Answer {
    TlsAlpn {
        _answer: tls_alpn::Answer,
    },
    Http {
        _answer: http::Answer,
    },
    /// It cannot be put up, whatever happens.
    Never,
}

/// See the module.
pub(super) struct Up {
    places: Places,
    answers: BTreeMap<String, Answer>,
}

impl Up {
    pub(super) fn new(places: Places) -> Self {
        Self { places, answers: BTreeMap::new() }
    }

    /// From now on these are up, and no others. `false`: not all of them can be yet.
    pub(super) fn follow(&mut self, wanted: &BTreeMap<&str, &Value>) -> bool {
        self.answers.retain(|id, _| wanted.contains_key(id.as_str()));
        let mut all = true;
        for (id, post) in wanted {
            if self.answers.contains_key(*id) {
                continue;
            }
            match self.put_up(post) {
                Ok(Some(answer)) => drop(self.answers.insert((*id).to_owned(), answer)),
                Ok(None) => all = false,
                Err(reason) => {
                    tracing::warn!(%reason, "an answer to a challenge cannot be put up at this node");
                    self.answers.insert((*id).to_owned(), Answer::Never);
                }
            }
        }
        all
    }

    /// `None`: another one is in its place, or there are too many.
    fn put_up(&self, post: &Value) -> Result<Option<Answer>, String> {
        let post: Post = serde_json::from_value(post.clone()).map_err(|_| "found one of another version of tlsgate")?;
        match post {
            Post::TlsAlpn { server_name, certificate, key } => {
                let (Some(certificate), Some(key)) = (Post::der(&certificate), Post::der(&key)) else {
                    return Err("found a text that is not base64".to_owned());
                };
                let answer = tls_alpn::Answer::again(&self.places.challenges, &server_name, &certificate, &key)?;
                Ok(answer.map(|answer| Answer::TlsAlpn { _answer: answer }))
            }
            Post::Http { token, authorization } => {
                let answer = http::Answer::put_up(&self.places.tokens, &token, &authorization);
                Ok(answer.ok().map(|answer| Answer::Http { _answer: answer }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_up_and_nothing_else() {
        let places = Places { challenges: Arc::default(), tokens: Tokens::default() };
        let mut up = Up::new(places.clone());
        let post = |token: &str| {
            serde_json::to_value(Post::Http { token: token.into(), authorization: format!("{token}.k") }).unwrap()
        };
        let (a, b, wrong) = (post("a"), post("b"), Value::Null);
        assert!(up.follow(&BTreeMap::from([("1", &a), ("2", &b), ("3", &wrong)])));
        assert_eq!((places.tokens.get("a").as_deref(), places.tokens.get("b").as_deref()), (Some("a.k"), Some("b.k")));
        assert!(up.follow(&BTreeMap::from([("2", &b)])));
        assert_eq!((places.tokens.get("a"), places.tokens.get("b").as_deref()), (None, Some("b.k")));
        drop(up);
        assert_eq!(places.tokens.get("b"), None);
    }
}
