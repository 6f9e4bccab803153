//! nginx, HAProxy and Varnish behind tlsgate agree with it on every address and every TLV.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::support::client::{Client, Tls, connect, trusting};
use crate::support::haproxy::Haproxy;
use crate::support::nginx::{self, Nginx};
use crate::support::proxy::Proxy;
use crate::support::stage::{NAME, certified};
use crate::support::varnish::Varnish;

/// The answer of `server` over a connection through tlsgate, and the connection's record.
fn answered(
    listen: &str,
    version: &str,
    server: SocketAddr,
    tls: Tls,
) -> (String, serde_json::Value, SocketAddr, SocketAddr) {
    let pki = certified();
    let config = format!(
        "[[listener]]\nname = \"main\"\nlisten = \"{listen}\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n\n\
         [backend.b]\nservers = [\"{server}\"]\nproxy_protocol = \"{version}\"\n"
    );
    let proxy = Proxy::start(pki.folder(), &config);
    let trust: Arc<ClientConfig> = trusting(&pki.ca(), tls).into();
    let mut client = Client::on(connect(proxy.address("main")), &trust, NAME);
    let local = client.tcp.local_addr().unwrap();
    client.handshake().unwrap();
    client.send(b"GET / HTTP/1.1\r\nHost: main.test\r\nConnection: close\r\n\r\n").unwrap();
    let (answer, _) = client.read_to_end();
    client.close_notify().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}")).1.to_owned();
    let address = proxy.address("main");
    (body, proxy.records(1).remove(0), local, address)
}

const LOOPBACKS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

#[test]
fn nginx_agrees_on_both_addresses() {
    let nginx = Nginx::with("127.0.0.1:0", |folder, address| {
        let head = nginx::head(folder);
        let folder = folder.display();
        format!(
            "{head}http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; \
             fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; server {{\n\
             listen {address} proxy_protocol;\nreturn 200 \"$proxy_protocol_addr $proxy_protocol_port \
             $proxy_protocol_server_addr $proxy_protocol_server_port\";\n}} }}\n"
        )
    });
    for listen in LOOPBACKS {
        for version in ["v1", "v2"] {
            let (answer, _, client, listener) = answered(listen, version, nginx.address, Tls::V13);
            let expected = format!("{} {} {} {}", client.ip(), client.port(), listener.ip(), listener.port());
            assert_eq!(answer, expected, "{listen} {version}");
        }
    }
}

#[test]
fn haproxy_agrees_on_addresses_name_and_id() {
    let haproxy = Haproxy::start(
        "127.0.0.1:0",
        "frontend told\n    mode http\n    bind fd@0 accept-proxy\n    http-request return status 200 content-type \
         text/plain lf-string \"%[src] %[src_port] %[dst] %[dst_port] %[fc_pp_authority] %[fc_pp_unique_id]\"\n",
    );
    for listen in LOOPBACKS {
        for version in ["v1", "v2"] {
            let (answer, record, client, listener) = answered(listen, version, haproxy.address, Tls::V12);
            let addresses = format!("{} {} {} {}", client.ip(), client.port(), listener.ip(), listener.port());
            let expected = match version {
                "v1" => addresses,
                _ => format!("{addresses} {NAME} {}", record["connection.id"].as_str().unwrap()),
            };
            assert_eq!(answer.trim_end(), expected, "{listen} {version}");
        }
    }
}

#[test]
fn varnish_agrees_on_the_session() {
    let varnish = Varnish::start();
    for (tls, version, cipher) in
        [(Tls::V12, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"), (Tls::V13, "TLSv1.3", "TLS_AES_128_GCM_SHA256")]
    {
        let (answer, _, client, listener) = answered("127.0.0.1:0", "v2", varnish.address, tls);
        let expected = format!(
            "client {} {}\nserver {} {}\nauthority {NAME}\nalpn (null)\nssl true\nversion {version}\ncipher {cipher}\n\
             sign ecdsa-with-SHA256\nkey EC256\ncn (null)\non this connection false\nin this session false\nverify 1\n",
            client.ip(),
            client.port(),
            listener.ip(),
            listener.port(),
        );
        assert_eq!(answer, expected);
    }
}
