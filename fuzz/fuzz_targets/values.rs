//! Texts of the configuration and of the command line: what is read is shown as a text that is read as the same again.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use tlsgate::authority::permit::Permitted;
use tlsgate::authority::subject::{Identity, Purpose};
use tlsgate::config::values::HostName;
use tlsgate::lists::url::Url;
use tlsgate::net::address::Address;
use tlsgate::net::endpoint::Endpoint;
use tlsgate::passphrase::Source;
use tlsgate::tls::certificate::name::Name;
use tlsgate::tls::policy::elb;
use tlsgate::tls::tickets::Secret;
use tlsgate::tls::trust::clients::identity::Allowed;

fuzz_target!(|text: &str| {
    // The path of a Unix socket is shown on one line, whatever it contains.
    if !text.contains(char::is_control) {
        again(text, Endpoint::parse);
        again(text, Address::parse);
    }
    again(text, Source::parse);
    again(text, |text| Url::parse(text).ok());
    if let (Some((from, to)), Ok(base)) = (text.split_once(' '), Url::parse("http://a.test/b/c")) {
        // Nothing but the web is asked for, wherever a server redirects to.
        for base in [Some(base), Url::parse(from).ok()].into_iter().flatten() {
            if let Ok(url) = base.redirected(to) {
                assert!(!url.host.is_empty() && url.path.starts_with('/') && !url.stem().contains('/'));
            }
        }
    }
    again(text, |text| Name::parse(text).ok());
    again(text, |text| Allowed::parse(text).ok());
    again(text, |text| Identity::parse(text, Purpose::Server).ok());
    // Of a client, a name without a prefix is a common name; a DNS name is shown without one.
    if let Ok(identity) = Identity::parse(text, Purpose::Client) {
        assert!(!identity.to_string().is_empty());
    }
    if let Some(host) = HostName::parse(text) {
        assert_eq!(HostName::parse(&host.0), Some(host));
    }
    let texts: Vec<&str> = text.split(',').collect();
    if let Ok(permitted) = Permitted::parse(&texts) {
        assert_eq!(permitted.texts().len(), texts.len());
        assert_eq!(Permitted::parse(&permitted.texts()).ok(), Some(permitted));
    }
    if let Ok(secrets) = Secret::parse_all(text) {
        let lines: String = secrets.iter().map(|secret| secret.to_base64() + "\n").collect();
        assert!(Secret::parse_all(&lines) == Ok(secrets));
    }
    if let Err(errors) = elb::parse(text) {
        assert!(!errors.is_empty());
    }
});

/// What is read of a text, shown, is read as the same.
fn again<T: PartialEq + Debug + ToString>(text: &str, read: impl Fn(&str) -> Option<T>) {
    if let Some(value) = read(text) {
        assert_eq!(read(&value.to_string()), Some(value), "{text:?}");
    }
}
