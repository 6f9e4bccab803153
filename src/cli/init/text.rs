//! Answers → the text of a configuration, with comments. Must not know: how the answers were given.

use super::wanted::{Kind, What};

pub(super) fn configuration(what: &What) -> String {
    let kind = what.kind.unwrap_or(Kind::Tcp);
    let name = match kind {
        Kind::Ldaps => "ldaps",
        Kind::Tcp => "main",
        Kind::Passthrough => "passthrough",
        Kind::Postgres => "postgres",
    };
    let mut lines = vec![
        "# Written by \"tlsgate init\". config/reference.toml of the project lists every key with its default."
            .to_owned(),
    ];
    let mut line = |text: String| lines.push(text);
    if let Some(email) = &what.acme {
        line("\n# Where accounts, certificates and keys are kept that are ordered from an authority.\n[state]\ndirectory = \"/var/lib/tlsgate\"".into());
        line(format!(
            "\n# The authority. It connects to port 80 of the names (http-01), or to port 443 if that leads to a listener\n# (tls-alpn-01).\n[acme.letsencrypt]\ndirectory = \"https://acme-v02.api.letsencrypt.org/directory\"\ncontact = [{}]\naccept_terms = {}\nhttp = [\"0.0.0.0:80\", \"[::]:80\"]",
            quoted(&format!("mailto:{email}")),
            what.accept_terms
        ));
    }
    line(format!(
        "\n[[listener]]\n# Its name in logs and metrics.\nname = \"{name}\"\nlisten = {}",
        list(&what.listen)
    ));
    if let Some(protocol) = &what.starttls {
        line(format!("# Clients begin in the clear, and ask for TLS.\nstarttls = {}", quoted(protocol)));
    }
    if kind == Kind::Passthrough {
        line("# What asks for another name, or for none, gets the alert unrecognized_name.\nmode = \"reject\"".into());
        line(format!(
            "\n# These names go to the backend byte for byte: its servers have the certificates.\n[[listener.route]]\nserver_names = {}\nmode = \"passthrough\"\nbackend = \"servers\"",
            list(&what.name)
        ));
    } else {
        line(format!(
            "# Each client gets the one that it can use, by server name and signature schemes. Files are read again when they change.\ncertificates = [{}]",
            sources(what)
        ));
        line("backend = \"servers\"".into());
    }
    line(format!(
        "\n[backend.servers]\n# What clients send goes on in the clear: keep the servers in a network that you trust, or add [backend.servers.tls].\nservers = {}",
        list(&what.backend)
    ));
    if kind == Kind::Ldaps {
        line("# Each server is asked for its root entry. One that does not answer gets no clients.\nhealth = { type = \"ldap\" }".into());
    }
    lines.join("\n") + "\n"
}

fn sources(what: &What) -> String {
    if what.acme.is_some() {
        return format!("{{ acme = \"letsencrypt\", names = {} }}", list(&what.name));
    }
    let one = |(index, certificate): (usize, &String)| match what.key.get(index) {
        Some(key) => format!("{{ cert = {}, key = {} }}", quoted(certificate), quoted(key)),
        None => quoted(certificate),
    };
    what.certificate.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

fn list(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

/// A basic string of TOML, in which JSON's escapes are the same.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
