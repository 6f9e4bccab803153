//! http-01 (RFC 8555 section 8.3): the text that answers, at the addresses for it. Must not know: orders, who checks it.

use crate::acme::responder::Tokens;

/// An answer. Dropping it removes it.
pub struct Answer {
    tokens: Tokens,
    token: String,
}

impl Answer {
    /// Answers requests for that token with the key authorization.
    pub fn put_up(tokens: &Tokens, token: &str, authorization: &str) -> Result<Self, String> {
        match tokens.put(token, authorization.to_owned()) {
            true => Ok(Self { tokens: tokens.clone(), token: token.to_owned() }),
            false => Err("too many challenges are pending".to_owned()),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.tokens.remove(&self.token);
    }
}
