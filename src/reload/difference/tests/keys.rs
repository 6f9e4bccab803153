//! Every key of the configuration, with two values each, and how a reload reports the change from one to the other.

/// In which every key can be set.
pub(super) const BASE: &str = r#"
[[listener]]
name = "main"
listen = ["127.0.0.1:1"]
certificates = ["certs"]
backend = "plain"

[listener.client_auth]
mode = "require"
ca = ["ca.pem"]

[[listener.route]]
server_names = ["first.test"]
[listener.route.client_auth]
mode = "require"
ca = ["ca.pem"]

[[listener.route]]
server_names = ["second.test"]

[admin]
listen = "127.0.0.1:9"
[admin.tls]
certificates = ["admin"]
client_auth = { mode = "require", ca = ["ca.pem"] }

[state]
directory = "state"

[acme.one]
directory = "https://a.test/directory"
http = ["127.0.0.1:80"]
[acme.one.eab]
kid = "a"
key_file = "key"
[acme.one.dns]
server = "127.0.0.1"
zone = "a.test"
tsig_name = "a"
tsig_key_file = "key"

[acme.two]
directory = "https://a.test/directory"
[acme.two.dns]
program = "publish"

[policy.lists]
versions = ["TLSv1.3", "TLSv1.2"]
ciphers = ["TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"]

[policy.text]
elb = "Protocol-TLSv1.2,ECDHE-ECDSA-AES128-GCM-SHA256"

[backend.plain]
servers = ["127.0.0.1:2", "127.0.0.1:3"]

[backend.other]
servers = ["127.0.0.1:2"]

[backend.sealed]
servers = ["127.0.0.1:2"]
[backend.sealed.tls]
ca = "ca.pem"
server_name = "a.test"

[backend.http]
servers = ["127.0.0.1:2"]
[backend.http.health]
type = "http"

[backend.ldap]
servers = ["127.0.0.1:2"]
[backend.ldap.health]
type = "ldap"
tls = true
ca = "ca.pem"
bind_dn = "cn=a"
password_file = "password"
"#;

/// A key with two values, and the other keys that each of them requires; an empty text is for a key that is absent.
pub(super) type Case =
    (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

/// Every key that there is. In a path, `0` and `1` are entries of a list.
pub(super) const KEYS: &[Case] = &[
    ("admin.listen", "'127.0.0.1:8'", "'127.0.0.1:9'", &[]),
    ("admin.socket_mode", "'0600'", "'0660'", &[]),
    ("admin.token_file", "'a'", "'b'", &[]),
    ("admin.hosts", "", "['a.test']", &[]),
    ("admin.probes", "", "'unix:probes'", &[]),
    ("admin.tls.certificates", "['a']", "['a', 'b']", &[]),
    ("admin.tls.policy", "'TLS13-1-2-Res-PQ-2025-09'", "'TLS13-1-3-2021-06'", &[]),
    ("admin.tls.client_auth.mode", "'off'", "'optional'", &[]),
    ("admin.tls.client_auth.ca", "['a']", "['b']", &[]),
    ("admin.tls.client_auth.crl", "", "['b']", &[]),
    ("admin.tls.client_auth.crl_expired", "'refuse'", "'ignore'", &[]),
    ("admin.tls.client_auth.crl_missing", "'refuse'", "'ignore'", &[]),
    ("admin.tls.client_auth.names", "['cn:a']", "['cn:b']", &[]),
    ("admin.tls.client_auth.pins", "", "['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']", &[]),
    ("admin.tls.client_auth.pins_file", "", "['a']", &[]),
    ("log.level", "'info'", "'debug'", &[]),
    ("log.access", "'stdout'", "'access.log'", &[]),
    ("log.access_format", "'json'", "'nlb'", &[]),
    ("process.user", "'a'", "'b'", &[]),
    ("process.group", "'a'", "'b'", &[("process.user", "'c'", "'c'")]),
    ("process.sandbox", "'auto'", "'require'", &[]),
    ("process.sandbox_paths", "['a']", "['b']", &[]),
    ("runtime.workers", "'auto'", "2", &[]),
    ("runtime.record_layer", "'tlsgate'", "'rustls'", &[]),
    ("runtime.shutdown_timeout", "'30s'", "'1m'", &[]),
    ("resolver.nameservers", "", "['127.0.0.1']", &[]),
    ("resolver.timeout", "'1s'", "'2s'", &[]),
    ("resolver.min_ttl", "'1s'", "'2s'", &[]),
    ("resolver.max_ttl", "'10s'", "'20s'", &[]),
    ("limits.memory", "'64MiB'", "'128MiB'", &[]),
    ("keys.passphrases", "['file:a']", "['file:b']", &[]),
    ("state.directory", "'a'", "'b'", &[]),
    ("crl.proxy", "", "'http://a.test:3128/'", &[]),
    ("crl.ca", "'a'", "'b'", &[]),
    ("crl.refresh", "'1h'", "'2h'", &[]),
    ("crl.timeout", "'1s'", "'2s'", &[]),
    ("acme.one.directory", "'https://a.test/'", "'https://b.test/'", &[]),
    ("acme.one.contact", "", "['mailto:a@a.test']", &[]),
    ("acme.one.accept_terms", "false", "true", &[]),
    ("acme.one.ca", "'a'", "'b'", &[]),
    ("acme.one.eab.kid", "'a'", "'b'", &[]),
    ("acme.one.eab.key_file", "'a'", "'b'", &[]),
    ("acme.one.profile", "", "'short'", &[]),
    ("acme.one.challenges", "['tls-alpn-01', 'http-01', 'dns-01']", "['http-01', 'dns-01']", &[]),
    ("acme.one.dns.server", "'127.0.0.1:53'", "'[::1]:53'", &[]),
    ("acme.one.dns.zone", "'a.test'", "'b.test'", &[]),
    ("acme.one.dns.tsig_name", "'a'", "'b'", &[]),
    ("acme.one.dns.tsig_key_file", "'a'", "'b'", &[]),
    ("acme.one.dns.tsig_algorithm", "'hmac-sha256'", "'hmac-sha512'", &[]),
    ("acme.two.dns.program", "'a'", "'b'", &[]),
    ("acme.one.http", "['127.0.0.1:80']", "['127.0.0.1:81']", &[]),
    ("acme.one.tls_port", "443", "444", &[]),
    ("acme.one.http_port", "80", "81", &[]),
    ("acme.one.check", "true", "false", &[]),
    ("acme.one.timeout", "'30s'", "'1m'", &[]),
    ("acme.one.fallback", "", "['two']", &[]),
    ("listener.0.name", "'main'", "'other'", &[]),
    ("listener.0.labels", "", "{ team = 'a', env = 'b' }", &[]),
    ("listener.0.listen", "['127.0.0.1:1']", "['127.0.0.1:1', 'unix:socket']", &[]),
    ("listener.0.socket_mode", "'0600'", "'0660'", &[]),
    ("listener.0.policy", "'lists'", "'text'", &[]),
    ("listener.0.certificates", "['a']", "[{ cert = 'a', key = 'b', names = ['a.test'], default = true }]", &[]),
    ("listener.0.unknown_name", "'default'", "'reject'", &[]),
    ("listener.0.require_sni", "false", "true", &[]),
    ("listener.0.allow", "", "['10.0.0.0/8']", &[]),
    ("listener.0.deny", "['10.0.0.0/8']", "['192.0.2.1']", &[]),
    ("listener.0.deny_ja4", "", "['t13d1516h2_8daaf6152771_e5627efa2ab1']", &[]),
    ("listener.0.allow_file", "", "['a']", &[]),
    ("listener.0.deny_file", "['a']", "['b']", &[]),
    ("listener.0.deny_ja4_file", "", "['a']", &[]),
    ("listener.0.max_connections", "1", "2", &[]),
    ("listener.0.max_connections_per_client", "", "2", &[]),
    ("listener.0.connection_rate", "'1/s'", "{ rate = '1/s', burst = 2 }", &[]),
    ("listener.0.connection_rate_per_client", "'1/s'", "'1/m'", &[]),
    ("listener.0.handshake_failures", "", "{ limit = 1, window = '1m', block = '2m' }", &[]),
    ("listener.0.proxy_protocol", "'off'", "'require'", &[("listener.0.trusted_proxies", "", "['10.0.0.0/8']")]),
    (
        "listener.0.trusted_proxies",
        "['10.0.0.0/8']",
        "['192.0.2.1']",
        &[("listener.0.proxy_protocol", "'require'", "'require'")],
    ),
    ("listener.0.starttls", "", "'ldap'", &[]),
    ("listener.0.handshake_timeout", "'1s'", "'2s'", &[]),
    ("listener.0.idle_timeout", "'1h'", "'30m'", &[]),
    ("listener.0.half_close_timeout", "'1s'", "'2s'", &[]),
    ("listener.0.max_connection_age", "", "'24h'", &[]),
    ("listener.0.session_tickets", "true", "false", &[]),
    ("listener.0.ticket_lifetime", "'1h'", "'2h'", &[]),
    ("listener.0.ticket_rotation", "'1h'", "'2h'", &[]),
    ("listener.0.ticket_keys", "", "['keys']", &[]),
    ("listener.0.client_auth.mode", "'off'", "'optional'", &[]),
    ("listener.0.client_auth.ca", "['a']", "['b']", &[]),
    ("listener.0.client_auth.crl", "", "['b']", &[]),
    ("listener.0.client_auth.crl_expired", "'refuse'", "'ignore'", &[]),
    ("listener.0.client_auth.crl_missing", "'refuse'", "'ignore'", &[]),
    ("listener.0.client_auth.live", "'keep'", "'close'", &[]),
    ("listener.0.client_auth.names", "['cn:a']", "['cn:b']", &[]),
    ("listener.0.client_auth.pins", "", "['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']", &[]),
    ("listener.0.client_auth.pins_file", "", "['a']", &[]),
    ("listener.0.alpn", "", "['h2']", &[]),
    ("listener.0.mode", "'terminate'", "'reject'", &[]),
    ("listener.0.backend", "'plain'", "'other'", &[]),
    (
        "listener.0.backends",
        "[{ backend = 'plain', weight = 95 }, { backend = 'other', weight = 5 }]",
        "[{ backend = 'plain', weight = 5 }, { backend = 'other', weight = 95 }]",
        &[("listener.0.backend", "", "")],
    ),
    ("listener.0.not_tls", "", "'other'", &[]),
    ("listener.0.route.0.name", "'a'", "'b'", &[]),
    ("listener.0.route.0.labels", "{ team = 'a' }", "{ team = 'b' }", &[]),
    ("listener.0.route.0.server_names", "['a.test']", "['b.test']", &[("listener.0.route.0.name", "'a'", "'a'")]),
    ("listener.0.route.0.no_server_name", "false", "true", &[]),
    ("listener.0.route.0.client_alpn", "", "['h2']", &[]),
    ("listener.0.route.1.mode", "'terminate'", "'reject'", &[]),
    ("listener.0.route.0.backend", "'plain'", "'other'", &[]),
    ("listener.0.route.0.backends", "['plain', 'other']", "['other', { backend = 'plain', weight = 0 }]", &[]),
    ("listener.0.route.0.max_connection_age", "'1h'", "'24h'", &[]),
    ("listener.0.route.0.allow", "", "['10.0.0.0/8']", &[]),
    ("listener.0.route.0.allow_file", "", "['a']", &[]),
    ("listener.0.route.0.deny", "['10.0.0.0/8']", "['192.0.2.1']", &[]),
    ("listener.0.route.0.deny_file", "['a']", "['b']", &[]),
    ("listener.0.route.0.deny_ja4", "", "['t13d1516h2_8daaf6152771_e5627efa2ab1']", &[]),
    ("listener.0.route.0.deny_ja4_file", "", "['a']", &[]),
    ("listener.0.route.0.max_connections", "", "2", &[]),
    ("listener.0.route.0.max_connections_per_client", "1", "2", &[]),
    ("listener.0.route.0.connection_rate", "'1/s'", "{ rate = '1/s', burst = 2 }", &[]),
    ("listener.0.route.0.connection_rate_per_client", "", "'1/m'", &[]),
    ("listener.0.route.0.handshake_failures", "", "{ limit = 1, window = '1m', block = '2m' }", &[]),
    ("listener.0.route.0.policy", "'lists'", "'text'", &[]),
    ("listener.0.route.0.certificates", "", "['b']", &[]),
    ("listener.0.route.0.alpn", "['h2']", "['http/1.1']", &[]),
    ("listener.0.route.0.client_auth.mode", "'optional'", "'require'", &[]),
    ("listener.0.route.0.client_auth.ca", "['a']", "['b']", &[]),
    ("listener.0.route.0.client_auth.crl", "", "['b']", &[]),
    ("listener.0.route.0.client_auth.crl_expired", "'refuse'", "'ignore'", &[]),
    ("listener.0.route.0.client_auth.crl_missing", "'refuse'", "'ignore'", &[]),
    ("listener.0.route.0.client_auth.live", "'keep'", "'close'", &[]),
    ("listener.0.route.0.client_auth.names", "['cn:a']", "['cn:b']", &[]),
    ("listener.0.route.0.client_auth.pins", "", "['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']", &[]),
    ("listener.0.route.0.client_auth.pins_file", "", "['a']", &[]),
    ("backend.plain.labels", "{ team = 'a' }", "", &[]),
    ("backend.plain.servers", "['127.0.0.1:2']", "['127.0.0.1:3']", &[]),
    ("backend.plain.balance", "'round_robin'", "'least_connections'", &[]),
    ("backend.plain.connect_timeout", "'1s'", "'2s'", &[]),
    ("backend.plain.connect_attempts", "1", "2", &[]),
    ("backend.plain.proxy_protocol", "'off'", "'v2'", &[]),
    ("backend.plain.source", "'client'", "'127.0.0.1'", &[]),
    ("backend.plain.fail_timeout", "'1s'", "'2s'", &[]),
    ("backend.plain.max_fail_timeout", "'1m'", "'2m'", &[]),
    ("backend.plain.slow_start", "", "'30s'", &[]),
    ("backend.plain.when_all_down", "'fail'", "'any'", &[]),
    ("backend.plain.on_down", "'keep'", "'close'", &[]),
    ("backend.sealed.tls.starttls", "", "'smtp'", &[]),
    ("backend.sealed.tls.ca", "'a'", "'b'", &[]),
    ("backend.sealed.tls.crl", "", "['b', 'http://a.test/b']", &[]),
    ("backend.sealed.tls.crl_expired", "'refuse'", "'ignore'", &[]),
    ("backend.sealed.tls.crl_missing", "'refuse'", "'ignore'", &[]),
    ("backend.sealed.tls.pins", "", "['47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']", &[]),
    (
        "backend.sealed.tls.passphrase",
        "'file:a'",
        "'file:b'",
        &[("backend.sealed.tls.cert", "'c'", "'c'"), ("backend.sealed.tls.key", "'c'", "'c'")],
    ),
    ("backend.sealed.tls.server_name", "'a.test'", "'b.test'", &[]),
    ("backend.sealed.tls.cert", "'a'", "'b'", &[("backend.sealed.tls.key", "'c'", "'c'")]),
    ("backend.sealed.tls.key", "'a'", "'b'", &[("backend.sealed.tls.cert", "'c'", "'c'")]),
    ("backend.sealed.tls.policy", "'lists'", "'text'", &[]),
    ("backend.sealed.tls.alpn", "['h2']", "'client'", &[]),
    ("backend.http.health.type", "'tcp'", "'http'", &[]),
    ("backend.http.health.interval", "'1s'", "'2s'", &[]),
    ("backend.http.health.timeout", "'1s'", "'2s'", &[]),
    ("backend.http.health.rise", "1", "2", &[]),
    ("backend.http.health.fall", "1", "2", &[]),
    ("backend.http.health.jitter", "", "'1s'", &[]),
    ("backend.http.health.port", "", "80", &[]),
    ("backend.ldap.health.tls", "true", "", &[("backend.ldap.health.start_tls", "", "true")]),
    ("backend.ldap.health.start_tls", "", "true", &[("backend.ldap.health.tls", "true", "")]),
    ("backend.ldap.health.ca", "'a'", "'b'", &[]),
    ("backend.ldap.health.crl", "", "['b', 'http://a.test/b']", &[]),
    ("backend.ldap.health.crl_expired", "'refuse'", "'ignore'", &[]),
    ("backend.ldap.health.crl_missing", "'refuse'", "'ignore'", &[]),
    ("backend.ldap.health.pins", "", "['47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']", &[]),
    ("backend.ldap.health.server_name", "", "'b.test'", &[]),
    ("backend.ldap.health.verify", "true", "false", &[("backend.ldap.health.ca", "'a'", "")]),
    ("backend.http.health.method", "'GET'", "'HEAD'", &[]),
    ("backend.http.health.path", "'/'", "'/health'", &[]),
    ("backend.http.health.host", "", "'a.test'", &[]),
    ("backend.http.health.status", "[200]", "[200, '204-299']", &[]),
    ("backend.http.health.body", "", "'well'", &[]),
    ("backend.ldap.health.bind_dn", "'cn=a'", "'cn=b'", &[]),
    ("backend.ldap.health.password_file", "'a'", "'b'", &[]),
    (
        "policy.lists.versions",
        "['TLSv1.3', 'TLSv1.2']",
        "['TLSv1.2']",
        &[
            (
                "policy.lists.ciphers",
                "['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256']",
                "['ECDHE-ECDSA-AES128-GCM-SHA256']",
            ),
            ("policy.lists.groups", "['x25519']", "['x25519']"),
        ],
    ),
    (
        "policy.lists.ciphers",
        "['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256']",
        "['TLS_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256']",
        &[],
    ),
    ("policy.lists.groups", "['x25519']", "['x25519', 'secp256r1']", &[]),
    ("policy.lists.cipher_order", "'server'", "'client'", &[]),
    (
        "policy.text.elb",
        "'Protocol-TLSv1.2,ECDHE-ECDSA-AES128-GCM-SHA256'",
        "'Protocol-TLSv1.2,ECDHE-ECDSA-AES256-GCM-SHA384'",
        &[],
    ),
];

/// What is reported where it is not the key itself: with another name it is another listener, servers have keys of their
/// own, and a policy string is shown as the lists that it means.
pub(super) const OTHERWISE: &[(&str, &[&str])] = &[
    ("listener.0.name", &["listener \"other\": added", "listener \"main\": removed"]),
    ("listener.0.route.0.name", &["listener \"main\": route \"b\": added", "listener \"main\": route \"a\": removed"]),
    (
        "backend.plain.servers",
        &["backend \"plain\": server \"127.0.0.1:3\": added", "backend \"plain\": server \"127.0.0.1:2\": removed"],
    ),
    (
        "policy.text.elb",
        &[
            "policy \"text\": ciphers = [\"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\"] (was [\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"])",
        ],
    ),
];
