//! Sends signed messages: gets a nonce, and takes another if the authority refuses it. Must not know: what the messages say.

use hyper::Method;
use serde_json::Value;

use crate::acme::answer::Answer;
use crate::acme::directory::Directory;
use crate::acme::http::Http;
use crate::acme::trouble::Trouble;

/// Sends a message; `sign` makes it for a nonce. The answer may have any status.
pub(super) async fn post(
    http: &Http,
    directory: &Directory,
    url: &str,
    sign: impl Fn(&str) -> Result<Value, &'static str>,
) -> Result<Answer, Trouble> {
    let mut nonce = None;
    let mut left = ATTEMPTS;
    loop {
        let current = match nonce.take() {
            Some(nonce) => nonce,
            None => fresh(http, directory).await?,
        };
        let message = sign(&current).map_err(Trouble::new)?;
        let answer = http.ask(Method::POST, url, Some(message.to_string())).await?;
        left -= 1;
        let refused = answer.status == 400 && Trouble::answered(&answer).is("badNonce");
        if !refused || left == 0 {
            return Ok(answer);
        }
        // RFC 8555 section 6.5: the refusal has a new one.
        nonce = answer.nonce;
    }
}

/// RFC 8555 section 7.2
async fn fresh(http: &Http, directory: &Directory) -> Result<String, Trouble> {
    let answer = http.ask(Method::HEAD, &directory.new_nonce, None).await?;
    match (&answer.nonce, answer.status) {
        (Some(nonce), 200..=299) => Ok(nonce.clone()),
        _ => Err(Trouble::answered(&answer)),
    }
}

/// An authority that refuses every nonce must not be asked for ever.
const ATTEMPTS: u32 = 3;
