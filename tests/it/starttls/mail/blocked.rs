//! Servers of SMTP, IMAP and POP3 that know clients by a PROXY header, and have rules against some of them: whom that
//! concerns, and whom not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::inside;
use super::{ALL, Mail, line};
use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, connect, connect_from};
use crate::support::stage::{Lines, NAME, Stage, certified};

/// Sends that, and answers each piece with one byte.
fn serve(stream: &mut TcpStream, first: &[u8]) -> std::io::Result<()> {
    stream.write_all(first)?;
    let mut buffer = [0; 100];
    while let 1.. = stream.read(&mut buffer)? {
        stream.write_all(b"!")?;
    }
    Ok(())
}

/// A primary that knows clients by a PROXY header: it has blocked 127.0.0.2, hangs up on 127.0.0.3, and says nothing to
/// 127.0.0.4. A backup that knows nobody, and how many connections it has got.
fn with_blocked_clients(mail: &Mail) -> (Backend, Backend, Arc<AtomicUsize>) {
    let greeting = mail.behind;
    let refusal: &[u8] = match mail.word {
        "smtp" => b"554-blocked\r\n554 blocked for ever\r\n",
        "imap" => b"* BYE blocked\r\n",
        _ => b"-ERR blocked\r\n",
    };
    let primary = Backend::start(move |mut stream| {
        let header = line(&mut stream);
        if header.starts_with("PROXY TCP4 127.0.0.3 ") {
            return Ok(());
        }
        if header.starts_with("PROXY TCP4 127.0.0.4 ") {
            return stream.read(&mut [0]).map(drop);
        }
        serve(&mut stream, if header.starts_with("PROXY TCP4 127.0.0.2 ") { refusal } else { greeting })
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let backup = Backend::start(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        line(&mut stream);
        serve(&mut stream, greeting)
    });
    (primary, backup, asked)
}

#[test]
fn a_client_that_a_server_refuses_gets_to_no_other_one_and_takes_it_from_nobody() {
    for mail in ALL {
        let (primary, backup, asked) = with_blocked_clients(&mail);
        let stage = in_order(&mail, &[primary.address, backup.address], "");
        for _ in 0..2 {
            let tcp = connect_from(Ipv4Addr::new(127, 0, 0, 2), stage.address());
            let mut blocked = Client::on(mail.granted_on(tcp), stage.config(Tls::V13), NAME);
            blocked.handshake().unwrap();
            assert_eq!(blocked.read_to_end(), (Vec::new(), Ending::Fin), "{}", mail.word);
            let port = blocked.close();
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["outcome"], "backend_unreachable", "{record}");
            let reason = record["reason"].as_str().unwrap();
            assert!(reason.contains("blocked") && reason.contains(&primary.address.to_string()), "{reason}");
            assert!(!reason.contains(&backup.address.to_string()), "{reason}");
            // The next one gets to the primary: it is not passed over.
            let port = inside(&stage, mail.granted(&stage), Tls::V13, b"to the primary");
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["backend.address"], primary.address.to_string(), "{record}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0, "{}", mail.word);
        // Without a word, the server may as well be broken: another one is tried, and it is not passed over.
        let silent = connect_from(Ipv4Addr::new(127, 0, 0, 3), stage.address());
        for (tcp, server) in [(silent, backup.address), (connect(stage.address()), primary.address)] {
            let port = inside(&stage, mail.granted_on(tcp), Tls::V12, b"to one that greets");
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["backend.address"], server.to_string(), "{record}");
        }
    }
}

/// A stage with these servers, the first of which gets every client that it can have.
fn in_order(mail: &Mail, servers: &[SocketAddr], more: &str) -> Stage {
    let listener = format!("starttls = \"{}\"", mail.word);
    let backend = format!("balance = \"first\"\nproxy_protocol = \"v1\"\n{more}");
    Stage::new(servers, Lines { listener: &listener, backend: &backend, top: "" })
}

#[test]
fn a_server_that_says_nothing_to_one_client_stays_for_all_others() {
    for mail in ALL {
        let (primary, backup, _) = with_blocked_clients(&mail);
        let stage =
            in_order(&mail, &[primary.address, backup.address], "connect_timeout = \"2s\"\nfail_timeout = \"1m\"");
        let silent = connect_from(Ipv4Addr::new(127, 0, 0, 4), stage.address());
        for (tcp, server) in [(silent, backup.address), (connect(stage.address()), primary.address)] {
            let port = inside(&stage, mail.granted_on(tcp), Tls::V13, b"to one that greets");
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["backend.address"], server.to_string(), "{record}");
        }
    }
}

#[test]
fn a_client_that_a_server_refuses_gets_to_no_other_backend_of_the_route() {
    for mail in ALL {
        let (red, blue, asked) = with_blocked_clients(&mail);
        // By the client's address, so that the first draw is the same each time: red's.
        let backend = |name, address| {
            format!("[backend.{name}]\nservers = [\"{address}\"]\nproxy_protocol = \"v1\"\nbalance = \"source_ip\"\n")
        };
        let text = format!(
            "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nstarttls = \"{}\"\n\
             backends = [{{ backend = \"red\", weight = 1000 }}, {{ backend = \"blue\", weight = 1 }}]\n{}{}",
            mail.word,
            backend("red", red.address),
            backend("blue", blue.address),
        );
        let stage = Stage::written(certified(), &text);
        let tcp = connect_from(Ipv4Addr::new(127, 0, 0, 2), stage.address());
        let mut blocked = Client::on(mail.granted_on(tcp), stage.config(Tls::V13), NAME);
        blocked.handshake().unwrap();
        assert_eq!(blocked.read_to_end(), (Vec::new(), Ending::Fin), "{}", mail.word);
        let port = blocked.close();
        let record = stage.proxy.record(|record| record["client.port"] == port);
        let reason = record["reason"].as_str().unwrap();
        assert!(record["outcome"] == "backend_unreachable" && record["backend"] == "red", "{record}");
        assert!(reason.contains("blocked") && reason.contains(&red.address.to_string()), "{record}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "{record}");
        // Without a word, the other backend is tried as ever.
        let port = inside(
            &stage,
            mail.granted_on(connect_from(Ipv4Addr::new(127, 0, 0, 3), stage.address())),
            Tls::V13,
            b"to blue",
        );
        let record = stage.proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["backend"], "blue", "{record}");
    }
}
