//! The token of a user: etcd hands it out for the password, and it ends without notice. Must not know: what is asked with it.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use zeroize::Zeroizing;

use super::exchange::{Lost, Pool, Question, SMALL};
use super::message::{AuthenticateRequest, AuthenticateResponse};
use super::refusal::{self, Verdict};
use super::settings::{Endpoint, Settings};
use crate::files;

/// The token in use, which is never shown.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Option<Arc<Token>>>);

pub(super) struct Token(Option<Zeroizing<String>>);

impl Token {
    /// `None`: etcd asks for no user.
    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_ref().map(|text| text.as_str())
    }
}

/// Why there is no token.
pub(super) enum NoToken {
    Lost(Lost),
    Verdict(Verdict),
}

impl Tokens {
    /// The token, which is asked for if there is none.
    pub(super) async fn get(
        &self,
        pool: &Pool,
        settings: &Settings,
        member: (usize, &Endpoint),
    ) -> Result<Arc<Token>, NoToken> {
        if let Some(token) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(token);
        }
        let token = match &settings.user {
            Some(user) => authenticate(pool, settings, member, user).await?,
            None => Token(None),
        };
        let token = Arc::new(token);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
        Ok(token)
    }

    /// This one is no good any more.
    pub(super) fn forget(&self, token: &Arc<Token>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, token)) {
            *held = None;
        }
    }
}

async fn authenticate(
    pool: &Pool,
    settings: &Settings,
    member: (usize, &Endpoint),
    (name, file): &(String, std::path::PathBuf),
) -> Result<Token, NoToken> {
    let refused = |why| NoToken::Verdict(Verdict::Refused(why));
    let unread = |error: &std::io::Error| format!("{}: {}", file.display(), files::reason(error));
    let path = file.clone();
    // The file can be on a disk that does not answer.
    let read = tokio::task::spawn_blocking(move || files::read_secret(&path)).await;
    let secret = read.map_err(|error| refused(error.to_string()))?.map_err(|error| refused(unread(&error)))?;
    let password = secret.text.trim_end_matches(['\r', '\n']);
    let body = serde_json::to_vec(&AuthenticateRequest { name, password });
    let body = Bytes::from(body.map_err(|error| refused(error.to_string()))?);
    let question = Question {
        path: "/v3/auth/authenticate",
        body,
        token: None,
        may_repeat: true,
        needs_leader: true,
        limit: settings.timeout,
        most: SMALL,
    };
    let answer = pool.ask(settings, member, &question).await.map_err(NoToken::Lost)?;
    if !answer.status.is_success() {
        return match refusal::of_answer(answer.status.as_u16(), &answer.body) {
            Verdict::Refused(why) if why.contains("authentication is not enabled") => Ok(Token(None)),
            verdict => Err(NoToken::Verdict(verdict)),
        };
    }
    of_answer(&answer.body).map_err(|why| NoToken::Verdict(Verdict::Foreign(why.into())))
}

/// The token in an answer. One that cannot be sent back is none: it would be kept, and no member would be asked with it.
fn of_answer(body: &[u8]) -> Result<Token, &'static str> {
    let answer = serde_json::from_slice::<AuthenticateResponse>(body);
    let token = Zeroizing::new(answer.map_err(|_| "found an answer without a token, expected one")?.token);
    match token.len() {
        0 => Err("found an empty token, expected one"),
        1..=LONGEST if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Token(Some(token))),
        1..=LONGEST => Err("found a token that cannot be in a header, expected visible ASCII characters"),
        _ => Err("found a token of more than 16384 bytes, expected a shorter one"),
    }
}

/// In bytes. etcd's own tokens have some thirty, and a JWT has some hundred.
const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_can_be_in_a_header() {
        let read = |token: &str| of_answer(serde_json::json!({ "token": token }).to_string().as_bytes());
        let long = "x".repeat(LONGEST);
        for right in ["uKbBzHwsFqEPvRJV.123", "eyJhbGciOiJSUzI1NiJ9.e30.x-_", &long] {
            assert_eq!(read(right).ok().unwrap().text(), Some(right));
        }
        for wrong in ["", "a\nb", "a\r\nx: y", "a\0", "tök", "\u{7f}", &format!("{long}x")] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        for wrong in [&b"{}"[..], b"[]", b"", b"{\"token\":5}"] {
            assert!(of_answer(wrong).is_err(), "{wrong:?}");
        }
    }
}
