//! A record → one line. Must not know: where lines are written.

use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};

use crate::net::address::Address;
use crate::observe::access::record::Record;
use crate::observe::line::escaped;
use crate::words::words;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object, with OpenTelemetry's names where they exist.
    Json,
    /// For people.
    Text,
    /// The fields of an AWS Network Load Balancer's access log.
    Nlb,
}

words! { Format { Json => "json", Text => "text", Nlb => "nlb" } }

pub(super) fn line(record: &Record, format: Format) -> String {
    match format {
        // This cannot fail: a record consists of strings and numbers, and JSON can represent all of them.
        Format::Json => serde_json::to_string(record).unwrap_or_default() + "\n",
        Format::Text => text(record),
        Format::Nlb => nlb(record),
    }
}

fn text(record: &Record) -> String {
    let or_dash = |value: Option<&str>| value.unwrap_or("-").to_owned();
    let tls = record.tls.as_ref();
    let served = record.certificate.as_ref();
    let mut line = format!(
        "{time:.3} {listener} {client} name={name} {version} {cipher} {group} {scheme} cert={cert} -> {backend} \
         in={received} out={sent} {seconds:.3}s {outcome}",
        time = record.time,
        listener = record.listener,
        client = shown(&record.client),
        name = record.server_name,
        version = or_dash(tls.map(|tls| tls.version)),
        cipher = or_dash(tls.map(|tls| tls.cipher)),
        group = or_dash(tls.and_then(|tls| tls.group.as_deref())),
        scheme = or_dash(served.map(|served| &*served.signature_scheme)),
        cert = or_dash(served.map(|served| served.chosen_cert.as_str())),
        backend = record.backend_address.as_ref().map_or_else(|| "-".to_owned(), |address| address.to_string()),
        received = record.end().received_bytes,
        sent = record.end().sent_bytes,
        seconds = record.end().connection_time,
        outcome = record.end().outcome,
    );
    if let Some(protocol) = tls.and_then(|tls| tls.next_protocol.as_deref()) {
        line += &format!(" alpn={protocol}");
    }
    if let Some(ja4) = &record.ja4 {
        line += &format!(" ja4={ja4}");
    }
    if let Some(client) = &record.client_certificate {
        line += &format!(" client={:?} verified={}", client.subject, client.verified);
    }
    if let (Some(route), Some(mode)) = (&record.route, record.mode) {
        line += &format!(" route={route:?} mode={mode}");
    }
    if !record.labels.is_empty() {
        line += &format!(" labels={}", record.labels);
    }
    if let Some(alert) = &record.end().incoming_tls_alert {
        line += &format!(" alert={alert}");
    }
    if let Some(reason) = &record.end().reason {
        line += &format!(" ({reason})");
    }
    // File names and reasons can contain any character.
    escaped(&line) + "\n"
}

/// The access log of an AWS Network Load Balancer: 22 fields in its order, `-` for what is absent.
fn nlb(record: &Record) -> String {
    let dash = || "-".to_owned();
    let milliseconds = |seconds: Option<f64>| seconds.map_or_else(dash, |seconds| format!("{:.0}", seconds * 1000.0));
    let tls = record.tls.as_ref();
    let served = record.certificate.as_ref();
    let ended =
        record.time.checked_add(SignedDuration::from_secs_f64(record.end().connection_time)).unwrap_or(record.time);
    let fields = [
        "tls".to_owned(),
        "2.0".to_owned(),
        moment(ended),
        rustix::system::uname().nodename().to_string_lossy().into_owned(),
        record.listener.to_string(),
        shown(&record.client),
        record.backend_address.as_ref().map_or_else(dash, |address| address.to_string()),
        milliseconds(Some(record.end().connection_time)),
        milliseconds(record.tls_handshake_time),
        record.end().received_bytes.to_string(),
        record.end().sent_bytes.to_string(),
        record.end().incoming_tls_alert_code.map_or_else(dash, |code| code.to_string()),
        served.map_or_else(dash, |served| served.chosen_cert.clone()),
        served.map_or_else(dash, |served| served.chosen_cert_serial.clone()),
        tls.map_or_else(dash, |tls| tls.openssl_cipher.to_string()),
        tls.map_or_else(dash, |tls| tls.version.to_ascii_lowercase().replace('.', "")),
        tls.and_then(|tls| tls.group.as_deref()).map_or_else(dash, str::to_owned),
        record.server_name.to_string(),
        // ALPN with the client, ALPN with the backend (plaintext has none), and the list that the client offers.
        tls.and_then(|tls| tls.next_protocol.as_deref()).map_or_else(dash, str::to_owned),
        dash(),
        record.client_protocols.as_deref().map_or_else(dash, str::to_owned),
        moment(record.time),
    ];
    // A path can contain a blank, which would shift all fields after it.
    escaped(&fields.map(|field| field.replace(char::is_whitespace, "%20")).join(" ")) + "\n"
}

/// The client's application protocols as the AWS load balancers write them: in quotes, URL-encoded, and cut to 256
/// bytes. `None` if there are none.
pub fn preference_list(protocols: &[Box<[u8]>]) -> Option<String> {
    let mut list = String::new();
    for protocol in protocols {
        list += if list.is_empty() { "\"" } else { ",\"" };
        for byte in protocol.iter() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                    list.push(char::from(*byte))
                }
                other => list += &format!("%{other:02X}"),
            }
        }
        list.push('"');
        if list.len() >= LONGEST_LIST {
            break;
        }
    }
    // The list is ASCII, so it can be cut anywhere.
    list.truncate(LONGEST_LIST);
    (!list.is_empty()).then_some(list)
}

/// Host and port. An IPv4 address in IPv6 form is written as IPv4.
fn shown(address: &Address) -> String {
    match (address.ip(), address.port()) {
        (Some(ip), Some(port)) => SocketAddr::new(ip, port).to_string(),
        _ => address.to_string(),
    }
}

/// UTC in whole seconds, without a zone, as AWS writes it: `2018-12-20T02:59:40`.
fn moment(time: Timestamp) -> String {
    time.to_string().chars().take(19).collect()
}

const LONGEST_LIST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ja4::Ja4;
    use crate::labels::Labels;
    use crate::observe::access::record::{ConnectionId, End, Served, Tls};
    use crate::observe::outcome::Outcome;

    fn end() -> End {
        End {
            connection_time: 1.5,
            received_bytes: 3,
            sent_bytes: 4,
            incoming_tls_alert: Some("unknown_ca".into()),
            incoming_tls_alert_code: Some(48),
            outcome: Outcome::ClientAlert,
            reason: None,
        }
    }

    fn record() -> Record {
        let client = Address::Tcp(([192, 0, 2, 7], 50_000).into());
        Record {
            time: "2026-11-24T04:05:06.789Z".parse().unwrap(),
            connection_id: ConnectionId { run: 1, number: 1 },
            listener: "ldaps".into(),
            client: client.clone(),
            ja4: None,
            peer: client,
            server_name: "ldap.test".into(),
            route: Some("default".into()),
            mode: Some("terminate"),
            labels: Labels::default(),
            client_protocols: Some("\"h2\",\"http/1.1\"".into()),
            tls: Some(Tls {
                version: "TLSv1.2",
                cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                openssl_cipher: "ECDHE-RSA-AES128-GCM-SHA256",
                group: Some("x25519".into()),
                resumed: false,
                next_protocol: Some("h2".into()),
            }),
            client_certificate: None,
            certificate: Some(Box::new(Served {
                signature_scheme: "rsa_pss_rsae_sha256".into(),
                sha256: "AB".into(),
                chosen_cert: "/etc/my certs/a.crt".into(),
                chosen_cert_serial: "0F".into(),
            })),
            backend: Some("b".into()),
            backend_address: Some(Address::Tcp(([10, 0, 0, 1], 389).into())),
            connect_time: Some(0.001),
            tls_handshake_time: Some(0.002),
            end: Some(Box::new(end())),
        }
    }

    #[test]
    fn nlb_has_its_fields_in_its_order() {
        let line = nlb(&record());
        let fields: Vec<&str> = line.trim_end().split(' ').collect();
        assert_eq!(fields.len(), 22, "{line}");
        assert_eq!(fields[..3], ["tls", "2.0", "2026-11-24T04:05:08"]);
        assert_eq!(
            fields[4..],
            [
                "ldaps",
                "192.0.2.7:50000",
                "10.0.0.1:389",
                "1500",
                "2",
                "3",
                "4",
                "48",
                "/etc/my%20certs/a.crt",
                "0F",
                "ECDHE-RSA-AES128-GCM-SHA256",
                "tlsv12",
                "x25519",
                "ldap.test",
                "h2",
                "-",
                "\"h2\",\"http/1.1\"",
                "2026-11-24T04:05:06"
            ]
        );
        let bare = Record {
            tls: None,
            client_protocols: None,
            certificate: None,
            backend_address: None,
            tls_handshake_time: None,
            end: Some(Box::new(End { incoming_tls_alert_code: None, ..end() })),
            ..record()
        };
        assert_eq!(nlb(&bare).split(' ').count(), 22);
    }

    #[test]
    fn json_leaves_out_what_is_absent() {
        let bare = Record {
            tls: None,
            certificate: None,
            backend: None,
            end: Some(Box::new(End { incoming_tls_alert: None, ..end() })),
            ..record()
        };
        let value: serde_json::Value = serde_json::from_str(&line(&bare, Format::Json)).unwrap();
        assert_eq!(value["client.address"], "192.0.2.7");
        assert_eq!(value["outcome"], "client_alert");
        for key in ["tls.cipher", "chosen_cert", "backend", "incoming_tls_alert", "reason", "incoming_tls_alert_code"] {
            assert!(value.get(key).is_none(), "{key}");
        }
    }

    #[test]
    fn labels_are_in_the_json_and_the_text_and_not_in_the_columns_of_aws() {
        let pairs = [("team", "directory & co"), ("env", "prod")];
        let labels: Labels = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let (bare, labelled) = (record(), Record { labels, ..record() });
        let value: serde_json::Value = serde_json::from_str(&line(&labelled, Format::Json)).unwrap();
        assert_eq!(value["labels"], serde_json::json!({ "team": "directory & co", "env": "prod" }));
        assert!(!line(&bare, Format::Json).contains("labels"));
        let text = line(&labelled, Format::Text);
        assert!(text.contains(" mode=terminate labels={env=\"prod\",team=\"directory & co\"} alert="), "{text}");
        assert!(!line(&bare, Format::Text).contains("labels"));
        assert_eq!(line(&labelled, Format::Nlb), line(&bare, Format::Nlb));
    }

    #[test]
    fn the_ja4_is_in_the_json_and_the_text_and_not_in_the_columns_of_aws() {
        let ja4 = "t13d1516h2_8daaf6152771_e5627efa2ab1";
        let (bare, known) = (record(), Record { ja4: Ja4::parse(ja4).map(Box::new), ..record() });
        let value: serde_json::Value = serde_json::from_str(&line(&known, Format::Json)).unwrap();
        assert_eq!(value["client.ja4"], ja4);
        let text = line(&known, Format::Text);
        assert!(text.contains(&format!(" alpn=h2 ja4={ja4} route=")), "{text}");
        for format in [Format::Json, Format::Text] {
            assert!(!line(&bare, format).contains("ja4"));
        }
        assert_eq!(line(&known, Format::Nlb), line(&bare, Format::Nlb));
    }

    #[test]
    fn what_a_client_offers_is_bounded_and_harmless() {
        let list = |protocols: &[&[u8]]| preference_list(&protocols.iter().map(|p| Box::from(*p)).collect::<Vec<_>>());
        assert_eq!(list(&[]), None);
        assert_eq!(list(&[b"h2", b"http/1.1"]).unwrap(), "\"h2\",\"http/1.1\"");
        assert_eq!(list(&[b"\n\"\xff", b"\x0a\x0a"]).unwrap(), "\"%0A%22%FF\",\"%0A%0A\"");
        assert_eq!(list(&[&[b'x'; 255], &[b'y'; 255]]).unwrap().len(), 256);
        assert_eq!(list(&[&[b'x'; 1][..]; 1000]).unwrap().len(), 256);
    }

    #[test]
    fn a_record_is_one_line_whatever_a_file_is_called() {
        let mut record = record();
        let name = "/certs/a\nb\r\u{1b}[2J\u{2028}.crt";
        record.certificate.as_mut().unwrap().chosen_cert = name.into();
        record.end_mut().reason = Some("x\ny".into());
        for format in [Format::Json, Format::Text, Format::Nlb] {
            let line = line(&record, format);
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(line.ends_with('\n') && !line.contains(['\r', '\u{1b}']), "{line:?}");
        }
        let text = line(&record, Format::Text);
        assert!(text.contains("cert=/certs/a\\nb\\r\\u{1b}[2J\\u{2028}.crt") && text.ends_with("(x\\ny)\n"), "{text}");
    }
}
