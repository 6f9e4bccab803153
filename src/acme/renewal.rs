//! When an authority proposes to renew a certificate (RFC 9773). Must not know: what is done about it, accounts.

use hyper::Method;
use serde_json::Value;

use crate::acme::http::Http;
use crate::acme::issued::Id;
use crate::acme::trouble::Trouble;

/// The authority's answer. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// From, to.
    pub window: (i64, i64),
    pub explanation: Option<String>,
    /// When to ask again.
    pub retry_after: Option<i64>,
}

/// Asks for the proposal; `url` is that of the directory. It needs no account.
pub async fn ask(http: &Http, url: &str, id: &Id) -> Result<Answer, Trouble> {
    let answer = http.ask(Method::GET, &format!("{}/{id}", url.trim_end_matches('/')), None).await?;
    if answer.status != 200 {
        return Err(Trouble::answered(&answer));
    }
    match parse(&answer.body) {
        Some((window, explanation)) => Ok(Answer { window, explanation, retry_after: answer.retry_after }),
        None => Err(Trouble::answered(&answer).while_doing("there is no suggestedWindow in it")),
    }
}

/// The window and the page of an answer. `None` where there is no window in it.
pub fn parse(body: &[u8]) -> Option<((i64, i64), Option<String>)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let window = body.get("suggestedWindow")?;
    let time = |key: &str| window.get(key)?.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
    let explanation = body.get("explanationURL").and_then(Value::as_str).filter(|url| url.len() <= LONGEST_URL);
    let explanation = explanation.map(str::to_owned);
    Some(((time("start")?, time("end")?), explanation))
}

/// In bytes: it is remembered, logged and shown. RFC 9110 section 4.1 asks everybody to support so many.
const LONGEST_URL: usize = 8000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_window_and_perhaps_a_page() {
        let answer =
            br#"{ "suggestedWindow": { "start": "2025-01-02T04:00:00Z", "end": "2025-01-03T04:00:00.5+01:00" },
            "explanationURL": "https://a.example/why" }"#;
        let expected = ((1_735_790_400, 1_735_873_200), Some("https://a.example/why".to_owned()));
        assert_eq!(parse(answer), Some(expected.clone()));
        for end in 0..answer.len() - 1 {
            assert_eq!(parse(&answer[..end]), None);
        }
        assert_eq!(parse(br#"{ "suggestedWindow": { "start": "2025-01-02T04:00:00Z", "end": "soon" } }"#), None);
        let long = String::from_utf8(answer.to_vec()).unwrap().replace("why", &"y".repeat(1 << 19));
        assert_eq!(parse(long.as_bytes()), Some((expected.0, None)), "a page that nobody could open");
    }
}
