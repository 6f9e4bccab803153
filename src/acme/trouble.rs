//! Why something that an authority was asked for failed, in words. Must not know: what was asked for, what is done about it.

use serde_json::Value;

use crate::acme::answer::Answer;
use crate::causes;

/// Why something failed.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// For people.
    pub message: String,
    /// The authority's problem document (RFC 7807) as it was sent.
    pub problem: Option<Value>,
    /// Before this, in seconds since 1970, the authority does not want to be asked again.
    pub retry_after: Option<i64>,
    /// The status of the answer. `None` if there was none.
    pub status: Option<u16>,
}

impl Trouble {
    /// Something that is not an answer of the authority.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), problem: None, retry_after: None, status: None }
    }

    /// An answer that is not what was asked for.
    pub fn answered(answer: &Answer) -> Self {
        let problem = problem_in(answer);
        let said = match &problem {
            Some(problem) => words(problem),
            None => unexpected(answer),
        };
        let message = format!("{} {} was answered with status {}: {said}", answer.method, answer.url, answer.status);
        Self { message, problem, retry_after: answer.retry_after, status: Some(answer.status) }
    }

    /// An error of the ACME library. It knows less of the last answer than there was.
    pub fn library(error: &instant_acme::Error, last: Option<Answer>) -> Self {
        match (error, last) {
            // An error inside of an order, an authorization or a challenge, whose own status is fine.
            (instant_acme::Error::Api(_), Some(answer)) if answer.status < 400 => Self::inside(&answer),
            (_, Some(answer)) if answer.status >= 400 => Self::answered(&answer),
            (instant_acme::Error::Other(error), _) => Self::new(causes::of(error.as_ref())),
            (_, Some(answer)) => {
                let message = format!("{} {} was answered with something else: {error}", answer.method, answer.url);
                Self { status: Some(answer.status), ..Self::new(message) }
            }
            (_, None) => Self::new(causes::of(error)),
        }
    }

    /// The error in an order, an authorization or a challenge (RFC 8555 sections 7.1.3 and 8).
    fn inside(answer: &Answer) -> Self {
        let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        match error_in(&body) {
            Some(problem) => Self { retry_after: answer.retry_after, ..Self::of_problem(problem.clone()) },
            None => Self::answered(answer),
        }
    }

    /// A problem document by itself.
    pub fn of_problem(problem: Value) -> Self {
        Self { message: words(&problem), problem: Some(problem), retry_after: None, status: None }
    }

    /// As much of it as is remembered and shown, whatever was sent: texts of an authority are in most messages.
    pub fn bounded(mut self) -> Self {
        if self.message.len() > LONGEST_MESSAGE {
            let end = (0..=LONGEST_MESSAGE).rev().find(|end| self.message.is_char_boundary(*end));
            self.message.truncate(end.unwrap_or_default());
            self.message.push('…');
        }
        self.problem = self.problem.as_ref().and_then(kept);
        self
    }

    /// Puts in front what was being done.
    pub fn while_doing(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Whether the problem is of this type, such as `accountDoesNotExist` (RFC 8555 section 6.7).
    pub fn is(&self, kind: &str) -> bool {
        let named = self.problem.as_ref().and_then(|problem| problem.get("type")).and_then(Value::as_str);
        named.and_then(|named| named.strip_prefix(ERRORS)) == Some(kind)
    }
}

/// What may be kept of a problem document: nothing of one that is too long. Its words are kept in any case.
fn kept(problem: &Value) -> Option<Value> {
    (problem.to_string().len() <= LARGEST_PROBLEM).then(|| problem.clone())
}

/// The first error in an object or in its challenges.
pub fn error_in(object: &Value) -> Option<&Value> {
    let own = object.get("error").filter(|error| error.is_object());
    let challenges = object.get("challenges").and_then(Value::as_array);
    own.or_else(|| challenges?.iter().find_map(|one| one.get("error").filter(|error| error.is_object())))
}

/// A problem document in words: its type, its detail, its subproblems with the names they are about.
pub fn words(problem: &Value) -> String {
    let text = |object: &Value, key: &str| {
        let text = short(object.get(key)?.as_str()?.trim());
        // One line, whatever was sent.
        let line = || text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect::<String>();
        (!text.is_empty()).then(line)
    };
    let one = |object: &Value| {
        let kind = text(object, "type");
        let detail = text(object, "detail").or_else(|| text(object, "title"));
        let parts: Vec<String> = kind.into_iter().chain(detail).collect();
        if parts.is_empty() { "a problem without type and detail".to_owned() } else { parts.join(": ") }
    };
    let mut all = one(problem);
    let subproblems = problem.get("subproblems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut left = subproblems.len();
    for sub in subproblems.iter().take(MOST_SUBPROBLEMS) {
        if all.len() >= LONGEST_WORDS {
            break;
        }
        left -= 1;
        let name = sub.get("identifier").and_then(|identifier| text(identifier, "value"));
        let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
        all += &format!("; {name}{}", one(sub));
    }
    if left > 0 {
        all += &format!("; and {left} more");
    }
    all
}

fn problem_in(answer: &Answer) -> Option<Value> {
    let body = serde_json::from_slice::<Value>(&answer.body).ok()?;
    let looks_like_one = answer.status >= 400 && body.is_object() && answer.body.len() <= LARGEST_PROBLEM;
    looks_like_one.then_some(body)
}

fn unexpected(answer: &Answer) -> String {
    let kind = answer.content_type.as_deref().unwrap_or("no content type");
    let target = answer.location.as_deref().filter(|_| (300..400).contains(&answer.status));
    match target {
        Some(target) => format!("found a redirect to {}, expected an answer of an ACME server", short(target)),
        None => {
            format!("found {} bytes of {}, expected an answer of an ACME server", answer.body.len(), short(kind))
        }
    }
}

/// The beginning of a text that a foreign server has sent.
pub fn short(text: &str) -> &str {
    text.char_indices().nth(LONGEST_TEXT).map_or(text, |(end, _)| &text[..end])
}

/// RFC 8555 section 6.7
const ERRORS: &str = "urn:ietf:params:acme:error:";

/// One for each name of a large order would fill the log.
const MOST_SUBPROBLEMS: usize = 10;

/// Longer ones are kept as words only.
const LARGEST_PROBLEM: usize = 16 * 1024;

const LONGEST_TEXT: usize = 1000;

/// In bytes: no subproblem is added to so many.
const LONGEST_WORDS: usize = 8 * 1024;

/// In bytes: longer than any that is made of words of bounded length.
const LONGEST_MESSAGE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_in_words_has_its_type_its_detail_and_the_names_of_its_subproblems() {
        let problem = json!({
            "type": "urn:ietf:params:acme:error:malformed", "detail": "Some of the identifiers were rejected",
            "subproblems": [
                { "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "not for us",
                  "identifier": { "type": "dns", "value": "example.net" } },
                { "detail": "odd" },
            ],
        });
        assert_eq!(
            words(&problem),
            "urn:ietf:params:acme:error:malformed: Some of the identifiers were rejected; \
             example.net: urn:ietf:params:acme:error:rejectedIdentifier: not for us; odd"
        );
        assert!(Trouble::of_problem(problem.clone()).is("malformed"));
        assert!(!Trouble::of_problem(problem).is("badNonce"));
    }

    #[test]
    fn whatever_a_server_sends_becomes_words_of_bounded_length() {
        let empty = json!({ "type": "", "detail": " \n" });
        for odd in [json!(null), json!([]), json!({ "type": 5, "detail": [], "subproblems": {} }), json!("x"), empty] {
            assert_eq!(words(&odd), "a problem without type and detail");
        }
        assert_eq!(words(&json!({ "type": "", "detail": "", "title": "so\nbusy" })), "so busy");
        let long = json!({ "detail": "ä".repeat(5000), "subproblems": vec![json!({ "detail": "x" }); 5000] });
        assert!(words(&long).chars().count() < 1200, "{}", words(&long).len());
        assert!(words(&long).ends_with("and 4990 more"));
        let everywhere = json!({ "detail": "x".repeat(5000), "identifier": { "value": "y".repeat(5000) } });
        let long = json!({ "detail": "x".repeat(5000), "subproblems": vec![everywhere; 12] });
        assert!((7_000..12_000).contains(&words(&long).len()), "{}", words(&long).len());
        assert!(words(&long).ends_with("; and 8 more"), "{}", words(&long));
    }

    #[test]
    fn what_is_remembered_is_bounded_whatever_was_sent() {
        let small = json!({ "type": "urn:ietf:params:acme:error:malformed", "detail": "x" });
        let trouble = Trouble { problem: Some(small.clone()), ..Trouble::new("ä".repeat(100)) }.bounded();
        assert_eq!((trouble.message, trouble.problem), ("ä".repeat(100), Some(small)));
        let large = json!({ "detail": vec!["x"; 20_000] });
        let trouble = Trouble { problem: Some(large), ..Trouble::new("ä".repeat(1 << 20)) }.bounded();
        assert!(trouble.message.len() < 17_000 && trouble.message.ends_with("ä…"), "{}", trouble.message.len());
        assert_eq!(trouble.problem, None);
    }

    #[test]
    fn the_error_of_a_challenge_is_found() {
        let authorization = json!({ "status": "invalid", "challenges": [
            { "type": "http-01", "status": "pending" },
            { "type": "tls-alpn-01", "status": "invalid", "error": { "detail": "no answer" } },
        ] });
        assert_eq!(error_in(&authorization).map(words).as_deref(), Some("no answer"));
    }
}
