//! The kinds of value that only `fleet.toml` has. Must not know: which key holds which.

use toml::de::DeValue;

use crate::config::decode::Value;
use crate::lists::url::Url;
use crate::net::endpoint::Endpoint;

/// Where a member of etcd is asked: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Without a slash at its end.
    pub text: String,
    pub secure: bool,
}

impl Value for Member {
    const EXPECTED: &'static str = "the URL of a member of etcd without a path, such as \"https://10.0.0.1:2379\"";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let url = Url::parse(value.as_str()?).ok().filter(|url| url.path == "/")?;
        let written = value.as_str()?.trim_end_matches('/');
        // What a URL of the web leaves out is not etcd's port.
        let has_port = written.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let scheme = if url.secure { "https" } else { "http" };
        let text = if has_port {
            format!("{scheme}://{}", url.host_and_port())
        } else {
            format!("{scheme}://{}", url.host_and_port().rsplit_once(':')?.0) + DEFAULT_PORT
        };
        Some(Self { text, secure: url.secure })
    }
}

/// Where a listener listens on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub Vec<Endpoint>);

impl Value for Addresses {
    const EXPECTED: &'static str =
        "an address such as \"10.0.1.5:636\", \"unix:/run/x.sock\" or \"systemd:ldaps\", or a list of at least one";

    const TYPES: &'static [&'static str] = &["string", "array"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let endpoints = match value {
            DeValue::Array(items) => {
                items.iter().map(|item| Endpoint::read(item.get_ref())).collect::<Option<Vec<_>>>()?
            }
            single => vec![Endpoint::read(single)?],
        };
        (!endpoints.is_empty()).then_some(Self(endpoints))
    }
}

/// The port on which etcd serves clients (IANA).
const DEFAULT_PORT: &str = ":2379";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_by_a_url_without_a_path() {
        let read = |text: &str| Member::read(&DeValue::String(text.into())).map(|member| (member.text, member.secure));
        let is = |text: &str, secure| Some((text.to_owned(), secure));
        assert_eq!(read("http://10.0.0.1:2379"), is("http://10.0.0.1:2379", false));
        assert_eq!(read("https://Etcd.Test:2379/"), is("https://etcd.test:2379", true));
        assert_eq!(read("https://etcd.test"), is("https://etcd.test:2379", true));
        assert_eq!(read("https://[::1]:443"), is("https://[::1]:443", true));
        assert_eq!(read("http://[::1]"), is("http://[::1]:2379", false));
        for wrong in ["", "10.0.0.1:2379", "http://a/v3", "http://a:0", "http://u:p@a", "ftp://a", "http://a?b"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
