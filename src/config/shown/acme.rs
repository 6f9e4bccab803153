//! `[acme.NAME]` → what is shown of it. The paths of secrets are shown, never the secrets.

use crate::acme::settings::{Authority, Eab, Publisher, Settings, Tsig, Update};
use crate::config::shown::table::{Form, Table, Tables};
use crate::config::shown::values::{path, texts, time};

/// What is ordered from them is shown with the sources of certificates.
pub(super) fn tables(settings: &Settings) -> Tables {
    let Settings { state: _, authorities, wanted: _ } = settings;
    let all = authorities.iter().map(|authority| (authority.name.to_string(), table(authority)));
    Tables { one: "acme", form: Form::Named, all: all.collect() }
}

fn table(authority: &Authority) -> Table {
    let Authority {
        name: _,
        directory,
        contact,
        accept_terms,
        ca,
        eab,
        profile,
        challenges,
        dns,
        http,
        tls_port,
        http_port,
        check,
        timeout,
        fallback,
    } = authority;
    Table::default()
        .key("directory", directory.as_str())
        .key("contact", texts(contact))
        .key("accept_terms", *accept_terms)
        .key("ca", ca.as_deref().map(path))
        .table("eab", eab.as_ref().map(binding))
        .key("profile", profile.as_deref())
        .key("challenges", texts(challenges.iter().map(|kind| kind.word())))
        .table("dns", dns.as_ref().map(publisher))
        .key("http", texts(http))
        .key("tls_port", *tls_port)
        .key("http_port", *http_port)
        .key("check", *check)
        .key("timeout", time(*timeout))
        .key("fallback", texts(fallback))
}

fn binding(eab: &Eab) -> Table {
    let Eab { kid, key_file } = eab;
    Table::default().key("kid", kid.as_str()).key("key_file", path(key_file))
}

fn publisher(publisher: &Publisher) -> Table {
    match publisher {
        Publisher::Update(Update { server, zone, tsig }) => {
            let table = Table::default().key("server", server.to_string()).key("zone", zone.as_str());
            table.and(tsig.as_ref().map(signature).unwrap_or_default())
        }
        Publisher::Program(program) => Table::default().key("program", path(program)),
    }
}

fn signature(tsig: &Tsig) -> Table {
    let Tsig { name, key_file, algorithm } = tsig;
    Table::default()
        .key("tsig_name", name.as_str())
        .key("tsig_key_file", path(key_file))
        .key("tsig_algorithm", algorithm.word())
}
