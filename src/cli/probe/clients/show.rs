//! What each client was given → text for people, or Markdown for a report. Must not know: how it was found.

use std::fmt::Write;

use super::report::{Given, Report, Treatment};
use crate::cli::answer::print::visible;
use crate::cli::probe::show;
use crate::cli::probe::table::{Table, escaped, wrapped};

pub(in crate::cli::probe) fn text(report: &Report) -> String {
    let mut text = format!("{}\n{}\n\n{}", head(report), report.stamp.shown(), table(report).text());
    for (number, note) in notes(report).into_iter().enumerate() {
        let _ = writeln!(text, "{}{note}", if number == 0 { "\n" } else { "" });
    }
    for (number, one) in report.certificates.iter().enumerate() {
        show::certificate(&mut text, &format!("certificate {}", number + 1), one);
    }
    text
}

pub(in crate::cli::probe) fn markdown(report: &Report) -> String {
    let (head, stamp) = (escaped(&head(report)), report.stamp.shown());
    let mut text = format!("## {head}\n\n{stamp}\n\n{}\n", table(report).markdown());
    for note in notes(report) {
        let _ = writeln!(text, "- {}", escaped(&note));
    }
    text + "\n" + &show::certificates_as_markdown(&report.certificates)
}

fn head(report: &Report) -> String {
    show::head(&report.target, report.server_name.as_deref())
}

fn table(report: &Report) -> Table {
    let mut table = Table::new(&["client", "TLS", "suite", "group", "signature scheme", "cert"]);
    for one in &report.clients {
        table.row(row(one));
    }
    table
}

fn row(one: &Given) -> Vec<String> {
    let name = visible(&one.client);
    let reason = visible(one.reason.as_deref().unwrap_or_default());
    match one.result {
        Treatment::Refused => vec![name, format!("refused: {reason}")],
        Treatment::Failed => vec![name, format!("fails: {reason}")],
        Treatment::Served => {
            let or_dash = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".to_owned());
            let version = or_dash(one.version.as_ref());
            let bits = one.dh_bits.map(|bits| format!("DH {bits} bits"));
            vec![
                name,
                version.strip_prefix("TLSv").map_or(version.clone(), str::to_owned),
                or_dash(one.openssl_suite.as_ref()),
                or_dash(one.group.as_ref().or(bits.as_ref())),
                or_dash(one.signature_scheme.as_ref()),
                one.certificate.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            ]
        }
    }
}

/// What does not fit into the table.
fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let of = |what: &str, is_one: &dyn Fn(&Given) -> bool| {
        let names: Vec<String> =
            report.clients.iter().filter(|one| is_one(one)).map(|one| visible(&one.client)).collect();
        (!names.is_empty()).then(|| format!("{what}: {}", wrapped(&names, ", ", what.len() + 2, 4)))
    };
    notes.extend(of("asked again for a key share (HelloRetryRequest)", &|one| one.asked_again_for.is_some()));
    notes.extend(of("asked for a client certificate", &|one| one.asks_for_client_certificate));
    let mut protocols: Vec<&String> = report.clients.iter().filter_map(|one| one.alpn.as_ref()).collect();
    protocols.sort();
    protocols.dedup();
    for protocol in protocols {
        let what = format!("application protocol {}", visible(protocol));
        notes.extend(of(&what, &|one| one.alpn.as_ref() == Some(protocol)));
    }
    for one in report.clients.iter().filter(|one| one.result == Treatment::Served) {
        notes.extend(one.reason.as_ref().map(|reason| format!("{}: {}", visible(&one.client), visible(reason))));
    }
    notes
}
