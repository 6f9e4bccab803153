//! `starttls = "smtp"`, `"imap"` and `"pop3"`: clients that attack, are attacked, or break off.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::{Recorded, asked, inside, last_words, stage};
use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, connect, drain, port};
use crate::support::stage::{NAME, Stage};
use crate::support::tool;

mod blocked;

/// One protocol: what is sent in it, and how it is answered.
struct Mail {
    word: &'static str,
    /// The greeting of the backend.
    behind: &'static [u8],
    /// How the greeting of tlsgate begins, and each goodbye of it.
    greeting: &'static str,
    goodbye: &'static str,
    /// Asks what the server can do, with a line of the answer, and its last line.
    capabilities: (&'static str, &'static str, &'static str),
    request: &'static str,
    granted: &'static str,
    /// Needs TLS, and how it is refused.
    refused: (&'static str, &'static str),
    leave: &'static str,
    longest: usize,
}

const ALL: [Mail; 3] = [
    Mail {
        word: "smtp",
        behind: b"220-behind.test\r\n220 ESMTP\r\n",
        greeting: "220 ",
        goodbye: "421 ",
        capabilities: ("EHLO client.test\r\n", "250 STARTTLS", "250 "),
        request: "STARTTLS\r\n",
        granted: "220 ",
        refused: ("AUTH PLAIN AGEAYg==\r\n", "530 5.7.0 "),
        leave: "QUIT\r\n",
        longest: 512,
    },
    Mail {
        word: "imap",
        behind: b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] behind\r\n",
        greeting: "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ",
        goodbye: "* BYE ",
        capabilities: ("a CAPABILITY\r\n", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED", "a OK "),
        request: "b STARTTLS\r\n",
        granted: "b OK ",
        refused: ("c LOGIN me secret\r\n", "c NO [PRIVACYREQUIRED] "),
        leave: "d LOGOUT\r\n",
        longest: 8192,
    },
    Mail {
        word: "pop3",
        behind: b"+OK behind <1.2@behind.test>\r\n",
        greeting: "+OK ",
        goodbye: "-ERR ",
        capabilities: ("CAPA\r\n", "STLS", "."),
        request: "STLS\r\n",
        granted: "+OK ",
        refused: ("PASS secret\r\n", "-ERR "),
        leave: "QUIT\r\n",
        longest: 255,
    },
];

impl Mail {
    fn stage(&self, more: &str) -> (Stage, Recorded) {
        let backend = Recorded::greeting(self.behind);
        (stage(self.word, &backend, more), backend)
    }

    /// A client that has been greeted.
    fn greeted(&self, stage: &Stage) -> TcpStream {
        self.greeted_on(connect(stage.address()))
    }

    fn greeted_on(&self, mut tcp: TcpStream) -> TcpStream {
        let greeting = line(&mut tcp);
        assert!(greeting.starts_with(self.greeting), "{greeting}");
        tcp
    }

    /// A client that has been granted TLS.
    fn granted(&self, stage: &Stage) -> TcpStream {
        self.granted_on(connect(stage.address()))
    }

    fn granted_on(&self, tcp: TcpStream) -> TcpStream {
        let mut tcp = self.greeted_on(tcp);
        tcp.write_all(self.request.as_bytes()).unwrap();
        let answer = line(&mut tcp);
        assert!(answer.starts_with(self.granted), "{answer}");
        tcp
    }
}

/// The next line, byte by byte, so that nothing after it is read.
fn line(tcp: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(asked(tcp, b"", 1));
    }
    String::from_utf8(line[..line.len() - 2].to_vec()).unwrap()
}

#[test]
fn clients_are_told_of_tls_and_what_they_send_in_the_clear_never_reaches_the_backend() {
    for mail in ALL {
        let (stage, backend) = mail.stage("");
        for tls in Tls::BOTH {
            let mut tcp = mail.greeted(&stage);
            let (request, offer, last) = mail.capabilities;
            tcp.write_all(request.as_bytes()).unwrap();
            let mut answer = vec![line(&mut tcp)];
            while !answer.last().unwrap().starts_with(last) {
                answer.push(line(&mut tcp));
            }
            assert!(answer.iter().any(|line| line == offer), "{answer:?}");
            tcp.write_all(mail.refused.0.as_bytes()).unwrap();
            let refusal = line(&mut tcp);
            assert!(refusal.starts_with(mail.refused.1), "{refusal}");
            // The same client may still ask for TLS.
            tcp.write_all(mail.request.as_bytes()).unwrap();
            let answer = line(&mut tcp);
            assert!(answer.starts_with(mail.granted), "{answer}");
            // The first byte that comes through TLS is the backend's answer: its greeting does not.
            let port = inside(&stage, tcp, tls, mail.refused.0.as_bytes());
            assert_eq!(stage.outcome(port), "completed", "{}", mail.word);
        }
        assert_eq!(backend.bytes(), mail.refused.0.repeat(2).as_bytes());
    }
}

#[test]
fn who_never_asks_for_tls_is_refused() {
    for mail in ALL {
        let (stage, backend) = mail.stage("");
        // As if STARTTLS had been stripped from the answer: the client continues in the clear.
        let (answer, outcome) = last_words(&stage, [mail.refused.0, mail.leave].concat().as_bytes());
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains(&format!("\r\n{}", mail.refused.1)), "{answer}");
        assert_eq!(outcome, "starttls_refused", "{}", mail.word);
        let (answer, outcome) = last_words(&stage, mail.refused.0.repeat(40).as_bytes());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.lines().last().unwrap().starts_with(mail.goodbye), "{answer}");
        assert_eq!((answer.lines().count(), &*outcome), (34, "starttls_refused"), "{}", mail.word);
        assert_eq!(last_words(&stage, mail.leave.as_bytes()).1, "starttls_closed");
        assert!(backend.bytes().is_empty());
    }
}

#[test]
fn what_follows_a_request_for_tls_is_never_taken_for_what_came_through_it() {
    for mail in ALL {
        let (stage, backend) = mail.stage("");
        // In one piece.
        for more in [mail.refused.0, mail.request, "\x16\x03\x01", "x"] {
            let (answer, outcome) = last_words(&stage, [mail.request, more].concat().as_bytes());
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.lines().nth(1).unwrap().starts_with(mail.goodbye), "{answer}");
            assert_eq!((answer.lines().count(), &*outcome), (2, "starttls_pipelined"), "{}", mail.word);
        }
        // After the answer: it is not TLS.
        let mut tcp = mail.granted(&stage);
        tcp.write_all(mail.refused.0.as_bytes()).unwrap();
        let (alert, _) = drain(&mut tcp);
        assert_eq!(alert.first(), Some(&21), "{alert:02x?}");
        assert_eq!(stage.outcome(port(&tcp)), "not_tls");
        // Behind the ClientHello.
        let mut client = Client::on(mail.granted(&stage), stage.config(Tls::V13), NAME);
        let hello = client.flight();
        client.tcp.write_all(&[&hello[..], mail.refused.0.as_bytes()].concat()).unwrap();
        assert!(client.handshake().is_err());
        drop(client);
        inside(&stage, mail.granted(&stage), Tls::V13, b"encrypted");
        assert_eq!(backend.bytes(), b"encrypted");
    }
}

#[test]
fn every_prefix_ends_in_order_and_one_byte_at_a_time_is_enough() {
    for mail in ALL {
        let (stage, backend) = mail.stage("");
        for end in 0..mail.request.len() {
            let mut tcp = mail.greeted(&stage);
            tcp.write_all(&mail.request.as_bytes()[..end]).unwrap();
            tcp.shutdown(Shutdown::Write).unwrap();
            assert_eq!(drain(&mut tcp), (Vec::new(), Ending::Fin), "{} {end}", mail.word);
            assert_eq!(stage.outcome(port(&tcp)), "starttls_closed", "{} {end}", mail.word);
        }
        let mut tcp = mail.greeted(&stage);
        for byte in mail.request.as_bytes() {
            tcp.write_all(&[*byte]).unwrap();
        }
        assert!(line(&mut tcp).starts_with(mail.granted));
        inside(&stage, tcp, Tls::V13, b"small");
        assert_eq!(backend.bytes(), b"small");
    }
}

#[test]
fn what_is_no_line_or_too_long_or_too_slow_is_refused() {
    for mail in ALL {
        let (stage, backend) = mail.stage("handshake_timeout = \"1s\"");
        let hello = Client::silent(stage.address(), stage.config(Tls::V13), NAME).flight();
        let long = vec![b'x'; mail.longest];
        let bare = mail.request.replace("\r\n", "\n");
        for bytes in [&hello[..], &long, bare.as_bytes(), b"\0", b"NO\rOP\r\n"] {
            let (answer, outcome) = last_words(&stage, bytes);
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.lines().nth(1).unwrap().starts_with(mail.goodbye), "{answer}");
            assert_eq!(outcome, "starttls_invalid", "{}", mail.word);
        }
        for end in [0, 1, mail.request.len() - 1] {
            let (_, outcome) = last_words(&stage, &mail.request.as_bytes()[..end]);
            assert_eq!(outcome, "starttls_timeout", "{}", mail.word);
        }
        // A granted request has no more time than any other.
        let mut tcp = mail.granted(&stage);
        drain(&mut tcp);
        assert_eq!(stage.outcome(port(&tcp)), "hello_timeout");
        assert!(backend.bytes().is_empty());
    }
}

#[test]
fn a_literal_of_imap_that_does_not_wait_is_never_read_as_commands() {
    let [_, imap, _] = ALL;
    let (stage, backend) = imap.stage("");
    let (answer, outcome) = last_words(&stage, b"a LOGIN me {12+}\r\nb STARTTLS\r\n");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.lines().nth(1).unwrap().starts_with("* BYE ") && !answer.contains("b OK"), "{answer}");
    assert_eq!(outcome, "starttls_refused");
    assert!(backend.bytes().is_empty());
}

#[test]
fn the_probe_asks_in_each_protocol() {
    for mail in ALL {
        let (stage, _backend) = mail.stage("");
        let address = stage.address().to_string();
        let arguments = ["probe", &address, "--sni", NAME, "--starttls", mail.word, "--timeout", "30s"];
        let shown = tool::shown(&tool::run(crate::support::proxy::PROGRAM, &arguments, b""));
        assert!(shown.contains("TLSv1.3  yes") && shown.contains("TLSv1.2  yes"), "{shown}");
    }
}

#[test]
fn a_backend_that_does_not_welcome_the_client_is_not_used() {
    for mail in ALL {
        let unwelcome: &[&[u8]] = match mail.word {
            "smtp" => &[b"554 no\r\n", b"421 busy\r\n", b"220-more\r\n554 no\r\n"],
            "imap" => &[b"* PREAUTH welcome\r\n", b"* BYE full\r\n"],
            _ => &[b"-ERR busy\r\n"],
        };
        let more = [mail.behind, b"250 injected\r\n"].concat().leak();
        let long = vec![b'x'; 5000].leak();
        for greeting in unwelcome.iter().copied().chain([&*more, &*long, b"\x16\x03\x03\0\x01\0"]) {
            let backend = Recorded::greeting(greeting);
            let stage = stage(mail.word, &backend, "");
            let mut client = Client::on(mail.granted(&stage), stage.config(Tls::V13), NAME);
            client.handshake().unwrap();
            assert_eq!(client.read_to_end().0, b"", "{}", mail.word);
            let port = client.close();
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["outcome"], "backend_unreachable", "{record}");
            assert!(record["reason"].as_str().unwrap().contains("no greeting: "), "{record}");
            assert!(backend.bytes().is_empty());
        }
    }
}

#[test]
fn a_backend_that_closes_is_passed_over_for_one_that_welcomes() {
    for mail in ALL {
        let closing = Backend::start(|_| Ok(()));
        let backend = Recorded::greeting(mail.behind);
        let listener = format!("starttls = \"{}\"", mail.word);
        let servers = [closing.address, backend.backend.address];
        let lines = crate::support::stage::Lines { listener: &listener, backend: "balance = \"first\"", top: "" };
        let stage = Stage::new(&servers, lines);
        let port = inside(&stage, mail.granted(&stage), Tls::V13, b"to the second");
        let record = stage.proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["backend.address"], backend.backend.address.to_string(), "{record}");
        assert_eq!(backend.bytes(), b"to the second");
    }
}

#[test]
fn a_greeting_that_comes_late_or_in_pieces_is_waited_for() {
    for mail in ALL {
        let greeting = mail.behind;
        let backend = Backend::start(move |mut stream| {
            stream.set_nodelay(true)?;
            for byte in greeting {
                stream.write_all(&[*byte])?;
            }
            let mut first = [0; 5];
            stream.read_exact(&mut first)?;
            stream.write_all(b"!")
        });
        let listener = format!("starttls = \"{}\"", mail.word);
        let lines = crate::support::stage::Lines { listener: &listener, ..Default::default() };
        let stage = Stage::new(&[backend.address], lines);
        inside(&stage, mail.granted(&stage), Tls::V12, b"first");
    }
}
