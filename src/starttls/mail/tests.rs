//! What is common to SMTP, IMAP and POP3: greeting, limits, and what follows a request for TLS.

use super::*;
use crate::starttls::{imap, pop3, smtp};

const DIALECTS: [(&Dialect, &str, &str); 3] = [
    (&smtp::DIALECT, "STARTTLS\r\n", "MAIL FROM:<a@a.test>\r\n"),
    (&imap::DIALECT, "a STARTTLS\r\n", "a LOGIN me secret\r\n"),
    (&pop3::DIALECT, "STLS\r\n", "PASS secret\r\n"),
];

/// An exchange in which the greeting was sent, and that was received.
fn greeted(dialect: &'static Dialect, received: &str) -> Opening {
    let mut opening = Opening::new(dialect);
    opening.raw.extend_from_slice(received.as_bytes());
    assert!(matches!(opening.step(), Step::Say(greeting) if greeting == ended(dialect.greeting)));
    opening
}

fn ending(step: Step) -> (String, Refusal) {
    match step {
        Step::End(End { say, why }) => (String::from_utf8(say).unwrap(), why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_for_tls_is_granted_and_every_piece_of_it_asks_for_more() {
    for (dialect, request, _) in DIALECTS {
        for end in 0..request.len() {
            assert!(matches!(greeted(dialect, &request[..end]).step(), Step::Read), "{request} {end}");
        }
        assert!(matches!(greeted(dialect, request).step(), Step::Begin { early, .. } if early.is_empty()), "{request}");
    }
}

#[test]
fn bytes_behind_a_request_for_tls_are_refused() {
    for (dialect, request, command) in DIALECTS {
        for more in [command, "\n", "\x16", "x"] {
            let (say, why) = ending(greeted(dialect, &format!("{request}{more}")).step());
            assert!(matches!(why, Refusal::Pipelined) && say.starts_with(dialect.goodbye), "{say} {why:?}");
        }
    }
}

#[test]
fn a_refused_command_is_answered_and_tls_may_be_asked_for_then() {
    for (dialect, request, command) in DIALECTS {
        let mut opening = greeted(dialect, command);
        assert!(matches!(opening.step(), Step::Say(_)), "{command}");
        assert!(matches!(opening.closed(), Refusal::InTheClear(_)));
        opening.raw.extend_from_slice(request.as_bytes());
        assert!(matches!(opening.step(), Step::Begin { .. }), "{command}");
    }
}

#[test]
fn commands_without_end_and_lines_without_end_are_refused() {
    for (dialect, _, command) in DIALECTS {
        let mut opening = greeted(dialect, &command.repeat(MAX_LINES + 1));
        for _ in 0..MAX_LINES {
            assert!(matches!(opening.step(), Step::Say(_)), "{command}");
        }
        assert!(matches!(ending(opening.step()).1, Refusal::InTheClear(why) if why.contains("more than 32")));
        let longest = "x".repeat(dialect.longest - 2);
        assert!(matches!(greeted(dialect, &format!("{longest}\r\n")).step(), Step::Say(_)));
        let (say, why) = ending(greeted(dialect, &format!("{longest}xx")).step());
        assert!(say.starts_with(dialect.goodbye) && say.ends_with("\r\n") && say.len() < 100, "{say}");
        assert!(matches!(why, Refusal::Invalid(why) if why.contains(&dialect.longest.to_string())));
    }
}

#[test]
fn what_is_no_line_is_refused_with_what_it_seems_to_be() {
    for (dialect, request, _) in DIALECTS {
        for (bytes, reason) in [
            ("\x16\x03\x01\x02", "a TLS ClientHello"),
            ("\0", "the control character 0x00"),
            (&request.replace("\r\n", "\n"), "does not end with CR LF"),
        ] {
            let why = ending(greeted(dialect, bytes).step()).1;
            assert!(matches!(&why, Refusal::Invalid(text) if text.contains(reason)), "{why:?}");
        }
    }
}

#[test]
fn who_leaves_without_a_refusal_has_only_closed() {
    for (dialect, request, command) in DIALECTS {
        let goodbye = if request.starts_with("a ") { "a LOGOUT\r\n" } else { "QUIT\r\n" };
        let (say, why) = ending(greeted(dialect, goodbye).step());
        assert!(matches!(why, Refusal::Closed) && !say.is_empty());
        let mut opening = greeted(dialect, &format!("{command}{goodbye}"));
        opening.step();
        assert!(matches!(ending(opening.step()).1, Refusal::InTheClear(_)));
    }
    let why = ending(greeted(&imap::DIALECT, "a LOGIN me {10+}\r\nb STARTTLS\r\n").step()).1;
    assert!(matches!(why, Refusal::InTheClear(why) if why.contains("literal")));
}
