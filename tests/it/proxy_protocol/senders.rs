//! nginx and HAProxy in front of tlsgate: it reads their headers as they mean them.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use super::{REQUIRED, stage};
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, connect};
use crate::support::haproxy::Haproxy;
use crate::support::nginx::{self, Nginx};
use crate::support::proxy::Proxy;
use crate::support::stage::{NAME, Stage, certified};

/// Connects through the proxy in front and checks the record.
fn agrees(front: SocketAddr, proxy: &Proxy, trust: &Arc<ClientConfig>) {
    let mut client = Client::on(connect(front), trust, NAME);
    let local = client.tcp.local_addr().unwrap();
    client.handshake().unwrap();
    client.send(b"hello").unwrap();
    assert_eq!(client.read_exact(5), b"hello");
    client.close_notify().unwrap();
    client.read_to_end();
    let record = proxy.record(|record| record["client.port"] == local.port());
    assert_eq!(record["client.address"], local.ip().to_string());
    assert_eq!(record["network.peer.address"], "127.0.0.1");
    assert_eq!(record["outcome"], "completed", "{record}");
}

#[test]
fn nginx_sends_what_tlsgate_reads() {
    let stage: Stage = stage("");
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let server = stage.address();
        let nginx = Nginx::with(listen, |folder, address| {
            format!(
                "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n{}stream {{ server {{ listen {address}; \
                 proxy_pass {server}; proxy_protocol on; }} }}\n",
                nginx::head(folder)
            )
        });
        for tls in Tls::BOTH {
            agrees(nginx.address, &stage.proxy, stage.config(tls));
        }
    }
}

#[test]
fn haproxy_sends_what_tlsgate_reads() {
    let stage: Stage = stage("");
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        for send in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,authority,unique-id"] {
            let haproxy = Haproxy::start(
                listen,
                &format!(
                    "listen front\n    bind fd@0\n    unique-id-format %pid-%rt\n    server tlsgate {} {send}\n",
                    stage.address()
                ),
            );
            agrees(haproxy.address, &stage.proxy, stage.config(Tls::V13));
        }
    }
}

/// HAProxy terminates TLS itself, so that its header has TLS fields, and uses TLS to tlsgate again.
#[test]
fn every_tlv_that_haproxy_has_is_taken() {
    let (pki, echo) = (certified(), Backend::echo());
    let config = format!(
        "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n{REQUIRED}\n\n\
         [backend.b]\nservers = [\"{}\"]\n",
        echo.address
    );
    let proxy = Proxy::start(pki.folder(), &config);
    let both =
        ["crt", "key"].map(|end| std::fs::read_to_string(pki.folder().join(format!("certs/main.{end}"))).unwrap());
    std::fs::write(pki.folder().join("both.pem"), both.concat()).unwrap();
    let haproxy = Haproxy::start(
        "127.0.0.1:0",
        &format!(
            "listen front\n    bind fd@0 ssl crt {}\n    unique-id-format %pid-%rt\n    server tlsgate {} ssl verify none \
             send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id\n",
            pki.folder().join("both.pem").display(),
            proxy.address("main")
        ),
    );
    let trust = crate::support::client::trusting(&pki.ca(), Tls::V13).into();
    agrees(haproxy.address, &proxy, &trust);
}
