//! How a server refuses, and whether it has refused at all. Pure. Must not know: what was offered.

use super::ask::Answer;
use crate::tls::wire::alert;
use crate::tls::wire::codes;

/// The description of a refusal.
pub(super) fn refusal(answer: &Answer) -> String {
    match answer {
        Answer::Agreed(hello, _) => format!("it answers with {}", codes::version_name(hello.version)),
        Answer::Alert(code) => format!("alert {}", alert::name((*code).into())),
        Answer::Closed => "it closes the connection".into(),
        Answer::Reset => "it resets the connection".into(),
        Answer::Silent => "it does not answer".into(),
        Answer::Garbage(error) => error.to_string(),
    }
}

/// Whether the server says with this answer that it accepts nothing more of what was offered under that version.
pub(super) fn is_end(answer: &Answer, version: u16) -> bool {
    match answer {
        Answer::Agreed(hello, _) => hello.version != version,
        other => !is_cut(other),
    }
}

/// Whether it may be somebody else's answer, or an accident.
pub(super) fn is_cut(answer: &Answer) -> bool {
    !matches!(answer, Answer::Agreed(..) | Answer::Alert(_))
}

/// Why a list may be incomplete.
pub(super) fn cut(what: &str, answer: &Answer) -> String {
    let how = match answer {
        Answer::Agreed(..) => "it chooses what was not offered".into(),
        other => refusal(other),
    };
    format!("the list of {what} may be incomplete: asked for the rest, {how}, twice")
}

/// What is to be known of a server that refuses in this way.
pub(super) fn without_alert(how: &str) -> String {
    format!("asked for what no server accepts, {how}: this counts as its way to refuse, instead of an alert")
}
