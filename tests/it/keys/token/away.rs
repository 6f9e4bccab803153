//! Tokens that are slow, away, and back again. The module of these tests does what the files in a folder say.

use std::sync::Arc;
use std::thread;

use rustls::{AlertDescription, ClientConfig, Error, HandshakeKind};
use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

use super::scene::{OPEN, Token, config};

/// A proxy with one worker, a certificate whose key is in the token, and one whose key is in a file.
struct Scene {
    token: Token,
    proxy: Proxy,
}

impl Scene {
    /// `more` are keys of the listener.
    fn new(more: &str) -> Self {
        let token = Token::with(&[("token.test", Key::P256)]);
        token.pki.write("", "file", &["file.test"], Key::P256, &Extra::default());
        let in_file = "{ cert = \"file.crt\", key = \"file.key\" }".to_owned();
        let sources = [token.source_with("token.test", &token.shim()), in_file];
        let backend = Backend::echo().address.to_string();
        let proxy = token.start(&config(&format!("{OPEN}[runtime]\nworkers = 1\n"), &sources, more, &backend));
        Self { token, proxy }
    }

    fn settings(&self, tls: Tls) -> Arc<ClientConfig> {
        trusting(&self.token.pki.ca(), tls).into()
    }

    fn client(&self, settings: &Arc<ClientConfig>, name: &str) -> Client {
        Client::silent(self.proxy.address("main"), settings, name)
    }

    /// The record of a handshake that ends with the alert `internal_error` for a client of the token's key.
    fn refused(&self, tls: Tls) -> Value {
        let mut client = self.client(&self.settings(tls), "token.test");
        let port = client.port();
        let ended = client.handshake().expect_err("a token that is away signs nothing");
        let alert = ended.get_ref().and_then(|error| error.downcast_ref());
        assert_eq!(alert, Some(&Error::AlertReceived(AlertDescription::InternalError)), "{ended}");
        self.proxy.record(|record| record["client.port"] == port)
    }

    fn is_served(&self) -> bool {
        Tls::BOTH.iter().all(|tls| self.client(&self.settings(*tls), "token.test").handshake().is_ok())
    }
}

fn outcome(record: &Value) -> &str {
    record["outcome"].as_str().unwrap_or_default()
}

#[test]
fn a_slow_token_slows_nobody_else_and_no_signature_is_lost() {
    let scene = Scene::new("handshake_timeout = \"60s\"");
    scene.token.becomes("slow");
    thread::scope(|scope| {
        // More than the token has threads.
        let slow: Vec<_> = (0..8)
            .map(|number| {
                let settings = scene.settings(Tls::BOTH[number % 2]);
                let mut client = scene.client(&settings, "token.test");
                scope.spawn(move || client.handshake().map_err(|error| error.to_string()))
            })
            .collect();
        eventually("the token is asked for signatures", || (scene.token.noted("waiting") >= 4).then_some(()));
        let door = Door::unix(scene.token.pki.folder());
        eventually("the others wait for a thread of the token", || {
            door.get("/metrics").body.contains("tlsgate_limits_token_waiting 4\n").then_some(())
        });
        for _ in 0..20 {
            for tls in Tls::BOTH {
                scene.client(&scene.settings(tls), "file.test").handshake().unwrap();
            }
        }
        assert!(slow.iter().all(|client| !client.is_finished()), "a signature was made without the token");
        scene.token.no_longer("slow");
        for client in slow {
            assert_eq!(client.join().unwrap(), Ok(()));
        }
    });
}

#[test]
fn who_waits_for_a_token_in_vain_gets_an_alert_before_the_handshake_is_too_late() {
    let scene = Scene::new("handshake_timeout = \"4s\"");
    scene.token.becomes("slow");
    for tls in Tls::BOTH {
        let record = scene.refused(tls);
        assert_eq!(outcome(&record), "key_unavailable", "{record:#}");
    }
    scene.token.no_longer("slow");
    assert!(scene.is_served());
}

#[test]
fn after_a_token_was_away_it_is_logged_in_again_and_the_key_found_again() {
    let scene = Scene::new("");
    assert!(scene.is_served());
    scene.token.becomes("away");
    for tls in Tls::BOTH {
        let record = scene.refused(tls);
        assert_eq!(outcome(&record), "key_unavailable", "{record:#}");
    }
    scene.client(&scene.settings(Tls::V13), "file.test").handshake().unwrap();
    let line = scene.proxy.log_line("a token cannot be reached");
    assert!(line.contains("pkcs11:token=the%20token") && line.contains("CKR_TOKEN_NOT_PRESENT"), "{line}");
    scene.token.no_longer("away");
    eventually("the token is used again", || scene.is_served().then_some(()));
    scene.proxy.log_line("the token can be reached again");
    assert_eq!(scene.token.noted("logins"), 2);
    assert_eq!(scene.proxy.log().matches("a token cannot be reached").count(), 1);
}

/// SoftHSM looks for its tokens when it is initialized, and never again.
#[test]
fn a_token_that_only_a_new_start_of_its_module_finds_again_is_used_again() {
    let token = Token::with(&[("token.test", Key::P256)]);
    let proxy = token.start(&config(OPEN, &[token.source("token.test")], "", "127.0.0.1:1"));
    let scene = Scene { token, proxy };
    assert!(scene.is_served());
    let (here, gone) = (scene.token.path("hsm/tokens"), scene.token.path("hsm/gone"));
    std::fs::rename(&here, &gone).unwrap();
    for tls in Tls::BOTH {
        assert_eq!(outcome(&scene.refused(tls)), "key_unavailable");
    }
    std::fs::rename(&gone, &here).unwrap();
    eventually("the token is used again", || scene.is_served().then_some(()));
    scene.proxy.log_line("the token can be reached again");
}

#[test]
fn a_session_is_resumed_without_the_token() {
    let scene = Scene::new("");
    for tls in Tls::BOTH {
        let settings = scene.settings(tls);
        let mut first = scene.client(&settings, "token.test");
        first.handshake().unwrap();
        // The ticket comes with the first data.
        first.send(b"x").unwrap();
        assert_eq!(first.read_exact(1), b"x");
        scene.token.becomes("away");
        let mut resumed = scene.client(&settings, "token.test");
        resumed.handshake().unwrap();
        assert_eq!(resumed.tls.handshake_kind(), Some(HandshakeKind::Resumed));
        assert_eq!(outcome(&scene.refused(tls)), "key_unavailable");
        scene.token.no_longer("away");
        eventually("the token is used again", || scene.is_served().then_some(()));
    }
}
