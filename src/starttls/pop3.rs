//! POP3 up to STLS (RFC 2595 section 4), on both sides: a client is told of STLS and refused everything else; a server
//! is asked for it. Must not know: sockets, TLS.

use crate::starttls::mail::{Answer, Dialect, command};
use crate::starttls::reply;

/// The server's side.
pub(super) const DIALECT: Dialect = Dialect {
    // Without a timestamp: APOP (RFC 1939 section 7) would need that of the server.
    greeting: "+OK tlsgate is ready",
    // RFC 2449 section 4.
    longest: 255,
    answer,
    goodbye: "-ERR",
    request: "STLS",
};

fn answer(line: &str) -> Answer {
    let (command, rest) = command(line);
    match (&*command, rest) {
        ("CAPA", "") => Answer::Done("+OK\r\nSTLS\r\n.".into()),
        ("QUIT", "") => Answer::Goodbye("+OK goodbye".into()),
        ("STLS", "") => Answer::Granted("+OK begin with TLS".into()),
        _ => Answer::Refused("-ERR TLS is required: STLS comes first".into()),
    }
}

/// Whether the server's greeting is complete, and welcomes the client.
pub(super) fn is_greeted(received: &[u8]) -> Result<bool, String> {
    is_ok(received, "greets with")
}

/// Whether the server's greeting is complete, and refuses the client.
pub(super) fn is_refused(received: &[u8]) -> bool {
    let lines = reply::lines(received).unwrap_or_default();
    lines.first().is_some_and(|line| line.text.split(' ').next() == Some("-ERR"))
}

/// What a client sends to ask for TLS.
pub(super) const REQUEST: &[u8] = b"STLS\r\n";

/// Whether the server's answer to [`REQUEST`] is complete, and grants TLS.
pub(super) fn is_granted(received: &[u8]) -> Result<bool, String> {
    is_ok(received, "answers STLS with")
}

fn is_ok(received: &[u8], what: &str) -> Result<bool, String> {
    let Some(line) = reply::lines(received)?.into_iter().next() else { return Ok(false) };
    match line.text.split(' ').next() {
        Some("+OK") => line.ends(),
        _ => Err(format!("the server {what} {}, expected \"+OK\"", line.shown())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_to_ask_for_tls_and_nothing_else_is_done() {
        assert_eq!(answer("CAPA"), Answer::Done("+OK\r\nSTLS\r\n.".into()));
        assert_eq!(answer("stls "), Answer::Granted("+OK begin with TLS".into()));
        assert_eq!(answer("QUIT"), Answer::Goodbye("+OK goodbye".into()));
        for line in ["USER me", "PASS secret", "APOP me 0123", "AUTH PLAIN", "NOOP", "STLS now", "a STARTTLS", ""] {
            assert!(matches!(answer(line), Answer::Refused(text) if text.starts_with("-ERR ")), "{line}");
        }
    }

    #[test]
    fn a_server_is_asked_only_if_it_greets() {
        assert_eq!(is_greeted(b"+OK ready <1.2@a.test>\r\n"), Ok(true));
        assert_eq!(is_granted(b"+OK\r\n"), Ok(true));
        assert_eq!(is_greeted(b"+OK rea"), Ok(false));
        assert!(is_refused(b"-ERR busy\r\n") && is_refused(b"-ERR\r\n"));
        for received in [&b"-ERR busy"[..], b"+OK -ERR\r\n", b"-ERROR\r\n", b"554 no\r\n"] {
            assert!(!is_refused(received), "{received:?}");
        }
        for (received, reason) in [
            (&b"-ERR busy\r\n"[..], "greets with \"-ERR busy\", expected \"+OK\""),
            (b"220 a.test\r\n", "expected \"+OK\""),
            (b"+OK a\r\n+OK b\r\n", "continues in clear text"),
        ] {
            let error = is_greeted(received).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
