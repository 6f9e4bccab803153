//! What an authority may offer beyond RFC 8555, added to pebble's answers; what a later pebble offers of its own is taken
//! out, so that each test has what it has chosen.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::kinds::RENEWAL_INFO;

/// What is offered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offers {
    /// When certificates are to be renewed (RFC 9773 section 4.2): the first that is asked about, the second … The last
    /// of these is for all that follow.
    pub(crate) renewal: Vec<Window>,
    /// Names of profiles (draft-ietf-acme-profiles).
    pub(crate) profiles: Vec<&'static str>,
    /// Offers dns-persist-01 in place of dns-01, for this issuer.
    pub(crate) persist: Option<&'static str>,
    /// The paths that renewal information was asked for under.
    asked: Vec<String>,
}

/// A suggested window.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) explanation: Option<&'static str>,
    /// In seconds.
    pub(crate) retry_after: u64,
}

impl Offers {
    /// The directory with these.
    pub(crate) fn directory(&self, host: &str, directory: &mut Value) {
        let Some(directory) = directory.as_object_mut() else { return };
        directory.remove("renewalInfo");
        if !self.renewal.is_empty() {
            directory.insert("renewalInfo".to_owned(), format!("https://{host}{RENEWAL_INFO}").into());
        }
        let meta = directory.entry("meta").or_insert_with(|| json!({}));
        if let Some(meta) = meta.as_object_mut() {
            meta.remove("profiles");
            if !self.profiles.is_empty() {
                let profiles = self.profiles.iter().map(|name| ((*name).to_owned(), json!("of the test")));
                meta.insert("profiles".to_owned(), Value::Object(profiles.collect()));
            }
        }
    }

    /// An authorization with these. The offered challenge is pebble's dns-01 under another name.
    pub(crate) fn authorization(&self, authorization: &mut Value) {
        let Some(issuer) = self.persist else { return };
        let challenges = authorization.get_mut("challenges").and_then(Value::as_array_mut);
        for challenge in challenges.into_iter().flatten() {
            if challenge["type"] == "dns-01" {
                challenge["type"] = json!("dns-persist-01");
                challenge["issuer-domain-names"] = json!([issuer]);
                challenge.as_object_mut().unwrap().remove("token");
            }
        }
    }

    /// The answer to a question for renewal information: its body, and how long it may be kept.
    pub(crate) fn renewal(&mut self, path: &str) -> Option<(String, u64)> {
        if !self.asked.iter().any(|asked| asked == path) {
            self.asked.push(path.to_owned());
        }
        let at = self.asked.iter().position(|asked| asked == path)?;
        let window = self.renewal.get(at).or(self.renewal.last())?;
        let mut body = json!({ "suggestedWindow": { "start": rfc3339(window.start), "end": rfc3339(window.end) } });
        if let Some(explanation) = window.explanation {
            body["explanationURL"] = json!(explanation);
        }
        Some((body.to_string(), window.retry_after))
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
