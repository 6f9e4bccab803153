//! SMTP up to STARTTLS (RFC 3207), on both sides: a client is told of STARTTLS and refused everything else that needs
//! TLS; a server is asked for it. Must not know: sockets, TLS.

use crate::starttls::mail::{Answer, Dialect, command};
use crate::starttls::reply::{self, Line};

/// The server's side.
pub(super) const DIALECT: Dialect = Dialect {
    // A domain comes first (RFC 5321 section 4.2). The client sees the server's own after TLS, in the answer to EHLO.
    greeting: "220 tlsgate ESMTP",
    // RFC 5321 section 4.5.3.1.4. Only AUTH may be longer (RFC 4954 section 4), and is refused anyway.
    longest: 512,
    answer,
    // RFC 5321 section 3.8: a server that closes without QUIT sends 421 before.
    goodbye: "421 4.7.0",
    request: "STARTTLS",
};

fn answer(line: &str) -> Answer {
    let (command, rest) = command(line);
    match (&*command, rest) {
        ("EHLO", "") => Answer::Refused("501 5.5.4 the name of the client is missing".into()),
        ("EHLO", _) => Answer::Done("250-tlsgate\r\n250-ENHANCEDSTATUSCODES\r\n250 STARTTLS".into()),
        ("NOOP", _) => Answer::Done("250 2.0.0 done".into()),
        ("QUIT", _) => Answer::Goodbye("221 2.0.0 goodbye".into()),
        ("STARTTLS", "") => Answer::Granted("220 2.0.0 begin with TLS".into()),
        // RFC 3207 section 4: STARTTLS has no parameters.
        ("STARTTLS", _) => Answer::Refused("501 5.5.4 STARTTLS has no parameters".into()),
        // RFC 3207 section 4: the answer to everything but NOOP, EHLO, STARTTLS and QUIT.
        _ => Answer::Refused("530 5.7.0 TLS is required: STARTTLS comes first".into()),
    }
}

/// Whether the server's greeting is complete, and welcomes the client.
pub(super) fn is_greeted(received: &[u8]) -> Result<bool, String> {
    code(received, 220, "greets with")
}

/// Whether the server's greeting is complete, and refuses the client.
pub(super) fn is_refused(received: &[u8]) -> bool {
    matches!(reply(received, "greets with"), Ok(Some((400.., _))))
}

/// What a client sends once it is greeted.
// The name cannot be one that the server's own is: then it would see a loop. After TLS the client sends its own.
pub(super) const HELLO: &[u8] = b"EHLO tlsgate.invalid\r\n";

/// Whether the server's answer to [`HELLO`] is complete. It is an error if it does not offer STARTTLS.
pub(super) fn is_offered(received: &[u8]) -> Result<bool, String> {
    if !code(received, 250, "answers EHLO with")? {
        return Ok(false);
    }
    // Whoever removes the offer on the way must not get the client's data in the clear (RFC 3207 section 6).
    let lines = received.split(|byte| *byte == b'\n').skip(1);
    let offers = lines.filter_map(|line| line.get(4..)).any(|line| line.trim_ascii().eq_ignore_ascii_case(b"STARTTLS"));
    if offers { Ok(true) } else { Err("the server does not offer STARTTLS".into()) }
}

/// What a client sends to ask for TLS.
pub(super) const REQUEST: &[u8] = b"STARTTLS\r\n";

/// Whether the server's answer to [`REQUEST`] is complete, and grants TLS.
pub(super) fn is_granted(received: &[u8]) -> Result<bool, String> {
    code(received, 220, "answers STARTTLS with")
}

/// Whether a reply is complete, and has the code that is expected.
fn code(received: &[u8], expected: u16, what: &str) -> Result<bool, String> {
    match reply(received, what)? {
        None => Ok(false),
        Some((code, line)) if code == expected => line.ends(),
        Some((_, line)) => Err(format!("the server {what} {}, expected {expected}", line.shown())),
    }
}

/// The code of a reply, and its last line; `None` until it is complete (RFC 5321 section 4.2).
fn reply<'a>(received: &'a [u8], what: &str) -> Result<Option<(u16, Line<'a>)>, String> {
    let mut first = None;
    for line in reply::lines(received)? {
        let foreign = || format!("the server {what} {}, expected a reply of SMTP", line.shown());
        let (digits, rest) = line.text.split_at_checked(3).ok_or_else(foreign)?;
        let code = digits.parse::<u16>().ok().filter(|code| (200..600).contains(code)).ok_or_else(foreign)?;
        // Each line of a reply has the same code.
        if *first.get_or_insert(code) != code {
            return Err(foreign());
        }
        match rest.as_bytes().first() {
            Some(b'-') => {}
            Some(b' ') | None => return Ok(Some((code, line))),
            Some(_) => return Err(foreign()),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rfc_3207_lists_is_served_before_tls() {
        for (line, expected) in [
            ("EHLO a.test", "250-tlsgate\r\n250-ENHANCEDSTATUSCODES\r\n250 STARTTLS"),
            ("ehlo\t[192.0.2.1]", "250-tlsgate\r\n250-ENHANCEDSTATUSCODES\r\n250 STARTTLS"),
            ("NOOP", "250 2.0.0 done"),
        ] {
            assert_eq!(answer(line), Answer::Done(expected.into()), "{line}");
        }
        for line in ["STARTTLS", "starttls", "StartTLS \t"] {
            assert_eq!(answer(line), Answer::Granted("220 2.0.0 begin with TLS".into()), "{line}");
        }
        assert_eq!(answer("quit"), Answer::Goodbye("221 2.0.0 goodbye".into()));
        for (line, code) in [
            ("EHLO", "501 5.5.4"),
            ("STARTTLS now", "501 5.5.4"),
            ("HELO a.test", "530 5.7.0"),
            ("AUTH PLAIN AGEAYg==", "530 5.7.0"),
            ("MAIL FROM:<a@a.test>", "530 5.7.0"),
            ("RSET", "530 5.7.0"),
            ("GET / HTTP/1.1", "530 5.7.0"),
            ("", "530 5.7.0"),
        ] {
            assert!(matches!(answer(line), Answer::Refused(text) if text.starts_with(code)), "{line}");
        }
    }

    #[test]
    fn a_refusal_is_a_reply_with_a_code_of_its_own() {
        for received in [&b"554 no\r\n"[..], b"421\r\n", b"550-more\r\n550 no\r\n", b"554 no\r\n221 bye\r\n"] {
            assert!(is_refused(received), "{received:?}");
        }
        for received in [
            &b"220 a.test\r\n"[..],
            b"354 go\r\n",
            b"554 no",
            b"554-no\r\n",
            b"220-a\r\n554 no\r\n",
            b"554 no\n",
            b"-ERR\r\n",
        ] {
            assert!(!is_refused(received), "{received:?}");
        }
    }

    #[test]
    fn a_server_is_asked_only_if_each_of_its_answers_is_right() {
        assert_eq!(is_greeted(b"220 a.test\r\n"), Ok(true));
        assert_eq!(is_greeted(b"220-a.test\r\n220 more\r\n"), Ok(true));
        assert_eq!(is_greeted(b"220\r\n"), Ok(true));
        assert_eq!(is_offered(b"250-a.test\r\n250-SIZE\r\n250 StartTLS\r\n"), Ok(true));
        assert_eq!(is_granted(b"220 go\r\n"), Ok(true));
        for (received, reason) in [
            (&b"554 no\r\n"[..], "the server greets with \"554 no\", expected 220"),
            (b"220-a\r\n554 no\r\n", "expected a reply of SMTP"),
            (b"* OK ready\r\n", "expected a reply of SMTP"),
            (b"22\r\n", "expected a reply of SMTP"),
            (b"220a.test\r\n", "expected a reply of SMTP"),
            (b"220 a.test\n", "a line that does not end with CR LF"),
            (b"220 a.test\r\n250 more\r\n", "continues in clear text"),
            (b"220 a.test\r\n2", "continues in clear text"),
            (b"\x16\x03\x03", "the control character 0x16"),
        ] {
            let error = is_greeted(received).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!(is_offered(b"250-STARTTLS.test\r\n250 SIZE\r\n"), Err("the server does not offer STARTTLS".into()));
        // The first line has the server's name, whatever that is.
        assert!(is_offered(b"250 STARTTLS\r\n").is_err());
        assert!(is_granted(b"454 4.7.0 later\r\n").unwrap_err().contains("454"));
        assert!(is_granted(b"220 go\r\n250 injected\r\n").unwrap_err().contains("clear text"));
    }
}
