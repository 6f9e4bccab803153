//! IMAP up to STARTTLS (RFC 9051 section 6.2.1), on both sides: a client is told of STARTTLS and refused everything
//! else that needs TLS; a server is asked for it. Must not know: sockets, TLS.

use crate::starttls::mail::{Answer, Dialect, command};
use crate::starttls::reply;

/// The server's side.
pub(super) const DIALECT: Dialect = Dialect {
    // The client asks for the server's own capabilities after TLS: it must discard these (RFC 9051 section 6.2.1).
    greeting: "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] tlsgate is ready",
    // RFC 7162 section 4: a server should accept lines of 8192 bytes.
    longest: 8192,
    answer,
    goodbye: "* BYE",
    request: "STARTTLS",
};

fn answer(line: &str) -> Answer {
    // A non-synchronizing literal (RFC 7888): its bytes follow without an answer, and could look like commands.
    if line.ends_with("+}") {
        return Answer::Lost { why: "a command with a literal that does not wait for its answer" };
    }
    let Some((tag, rest)) = line.split_once(' ').filter(|(tag, _)| is_tag(tag)) else {
        return Answer::Refused("* BAD a tag and a command are expected".into());
    };
    let (command, arguments) = command(rest);
    match (&*command, arguments) {
        ("CAPABILITY", "") => Answer::Done(format!("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n{tag} OK done")),
        ("NOOP", "") => Answer::Done(format!("{tag} OK done")),
        ("LOGOUT", "") => Answer::Goodbye(format!("* BYE goodbye\r\n{tag} OK done")),
        ("STARTTLS", "") => Answer::Granted(format!("{tag} OK begin with TLS")),
        // RFC 9051 section 7.1: the code for what is refused without TLS.
        ("LOGIN" | "AUTHENTICATE", _) => {
            Answer::Refused(format!("{tag} NO [PRIVACYREQUIRED] TLS is required: STARTTLS comes first"))
        }
        _ => Answer::Refused(format!("{tag} BAD TLS is required: STARTTLS comes first")),
    }
}

/// Whether it can be the tag of a command, and is short enough to be repeated (RFC 9051 section 9).
fn is_tag(tag: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\+".contains(&byte);
    (1..=LONGEST_TAG).contains(&tag.len()) && tag.bytes().all(allowed)
}

/// Whether the server's greeting is complete, and welcomes the client.
pub(super) fn is_greeted(received: &[u8]) -> Result<bool, String> {
    let Some(line) = reply::lines(received)?.into_iter().next() else { return Ok(false) };
    // PREAUTH would be a session of somebody who has not logged in, and STARTTLS is not possible in it
    // (RFC 9051 section 7.1.4).
    match word_after("*", &line.text) {
        Some("OK") => line.ends(),
        _ => Err(format!("the server greets with {}, expected \"* OK\"", line.shown())),
    }
}

/// Whether the server's greeting is complete, and refuses the client.
pub(super) fn is_refused(received: &[u8]) -> bool {
    let lines = reply::lines(received).unwrap_or_default();
    lines.first().is_some_and(|line| word_after("*", &line.text) == Some("BYE"))
}

/// What a client sends to ask for TLS.
pub(super) const REQUEST: &[u8] = b"tls STARTTLS\r\n";

/// Whether the server's answer to [`REQUEST`] is complete, and grants TLS.
pub(super) fn is_granted(received: &[u8]) -> Result<bool, String> {
    for line in reply::lines(received)? {
        match (word_after("*", &line.text), word_after("tls", &line.text)) {
            (_, Some("OK")) => return line.ends(),
            // What a server reports without being asked may come at any time (RFC 9051 section 7).
            (Some(word), None) if word != "BYE" => {}
            _ => return Err(format!("the server answers STARTTLS with {}, expected \"tls OK\"", line.shown())),
        }
    }
    Ok(false)
}

/// The word after the first one, if that is `first`.
fn word_after<'a>(first: &str, line: &'a str) -> Option<&'a str> {
    line.strip_prefix(first)?.strip_prefix(' ')?.split(' ').next()
}

/// The longest tag that is repeated in an answer. Clients use a few letters and digits.
const LONGEST_TAG: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_to_ask_for_tls_and_nothing_else_is_done() {
        let capabilities = "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done";
        assert_eq!(answer("a1 CAPABILITY"), Answer::Done(capabilities.into()));
        assert_eq!(answer("a1 noop"), Answer::Done("a1 OK done".into()));
        assert_eq!(answer(". STARTTLS"), Answer::Granted(". OK begin with TLS".into()));
        assert_eq!(answer("] logout "), Answer::Goodbye("* BYE goodbye\r\n] OK done".into()));
        for (line, start) in [
            ("a1 LOGIN me secret", "a1 NO [PRIVACYREQUIRED]"),
            ("a1 login {2}", "a1 NO [PRIVACYREQUIRED]"),
            ("a1 AUTHENTICATE PLAIN AGEAYg==", "a1 NO [PRIVACYREQUIRED]"),
            ("a1 STARTTLS now", "a1 BAD"),
            ("a1 SELECT INBOX", "a1 BAD"),
            ("a1", "* BAD"),
            ("", "* BAD"),
            ("* STARTTLS", "* BAD"),
            ("{1} STARTTLS", "* BAD"),
            (" STARTTLS", "* BAD"),
            ("EHLO a.test", "EHLO BAD"),
        ] {
            assert!(matches!(answer(line), Answer::Refused(text) if text.starts_with(start)), "{line}");
        }
        let long = "a".repeat(LONGEST_TAG + 1);
        assert!(matches!(answer(&format!("{long} STARTTLS")), Answer::Refused(text) if text.starts_with("* BAD")));
    }

    #[test]
    fn bytes_of_a_literal_are_never_taken_for_commands() {
        assert!(matches!(answer("a1 LOGIN me {6+}"), Answer::Lost { .. }));
        assert!(matches!(answer("a1 STARTTLS {6+}"), Answer::Lost { .. }));
    }

    #[test]
    fn a_server_is_asked_only_if_it_greets_without_a_session() {
        assert_eq!(is_greeted(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"), Ok(true));
        for (received, reason) in [
            (&b"* PREAUTH welcome\r\n"[..], "greets with \"* PREAUTH welcome\", expected \"* OK\""),
            (b"* BYE full\r\n", "expected \"* OK\""),
            (b"+OK ready\r\n", "expected \"* OK\""),
            (b"* OKAY\r\n", "expected \"* OK\""),
            (b"* OK a\r\n* OK b\r\n", "continues in clear text"),
        ] {
            let error = is_greeted(received).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(is_refused(b"* BYE full\r\n") && is_refused(b"* BYE\r\n"));
        for received in [&b"* BYE full"[..], b"* OK BYE\r\n", b"* PREAUTH welcome\r\n", b"BYE\r\n"] {
            assert!(!is_refused(received), "{received:?}");
        }
        assert_eq!(is_granted(b"tls OK go\r\n"), Ok(true));
        assert_eq!(is_granted(b"* OK still here\r\n"), Ok(false));
        assert_eq!(is_granted(b"* OK still here\r\ntls OK go\r\n"), Ok(true));
        for received in [&b"tls BAD no\r\n"[..], b"tls NO later\r\n", b"* BYE\r\n", b"a OK\r\n", b"tls OK\r\n* X\r\n"] {
            assert!(is_granted(received).is_err(), "{received:?}");
        }
    }
}
