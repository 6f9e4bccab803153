//! Addresses as the peers write them → addresses as tlsgate reads them. Must not know: what listens or answers there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::tls::certificate::name::Name;

/// The text as tlsgate writes an address to listen on: `host` is an IP address, `*`, nothing or `localhost`.
pub(super) fn listen(host: &str, port: u16) -> Option<String> {
    let ip = match unbracketed(host) {
        "" | "*" | "0.0.0.0" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        other => other.parse().ok()?,
    };
    Some(SocketAddr::new(ip, port).to_string())
}

/// The text as tlsgate writes a server: an IP address, or a name that is looked up.
pub(super) fn server(host: &str, port: u16) -> Option<String> {
    let bare = unbracketed(host);
    if port == 0 {
        return None;
    }
    match (bare.parse::<IpAddr>(), bare) {
        (Ok(ip), _) => Some(SocketAddr::new(ip, port).to_string()),
        (Err(_), "localhost") => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port).to_string()),
        (Err(_), name) => is_name(name).then(|| format!("dns:{name}:{port}")),
    }
}

/// A server in one text: a path, `HOST:PORT`, or a port of this machine.
pub(super) fn target(text: &str) -> Option<String> {
    if text.starts_with('/') {
        return Some(format!("unix:{text}"));
    }
    let (host, port) = split(text)?;
    server(if host.is_empty() { "localhost" } else { host }, port)
}

/// Both families at once: what tlsgate lists as two addresses.
pub(super) fn everywhere(port: u16) -> [String; 2] {
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
        .map(|ip| SocketAddr::new(ip, port).to_string())
}

/// `host:port`, `[::1]:port` or `port`; a service's name may be in place of its number.
pub(super) fn split(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    // `2001:db8::1` without a port is no address with one.
    let is_whole = !host.contains(':')
        || host.starts_with('[')
        || host.ends_with(':')
        || unbracketed(host).parse::<IpAddr>().is_ok();
    Some((host, number(port)?)).filter(|_| is_whole)
}

/// A port, by number or by the name that every system has for it.
pub(super) fn number(text: &str) -> Option<u16> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    SERVICES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port)
}

/// A name that tlsgate looks up.
pub(super) fn is_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    labels.len() <= 253 && labels.split('.').all(is_label)
}

/// An address or a prefix, without bits behind it. Addresses of clients are compared in their IPv4 form.
pub(super) fn prefix(text: &str) -> Option<IpNet> {
    let net = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let is_mapped = matches!(net, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some());
    (!is_mapped).then(|| net.trunc())
}

/// Whether a route, or a certificate, can have this name.
pub(super) fn is_server_name(text: &str) -> bool {
    Name::parse(text).is_ok()
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// IANA's names of ports that these peers are used for.
const SERVICES: &[(&str, u16)] = &[
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imap2", 143),
    ("imaps", 993),
    ("ldap", 389),
    ("ldaps", 636),
    ("mysql", 3306),
    ("nntp", 119),
    ("nntps", 563),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("smtp", 25),
    ("smtps", 465),
    ("ssmtp", 465),
    ("submission", 587),
    ("submissions", 465),
];
