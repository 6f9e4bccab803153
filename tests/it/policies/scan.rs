//! sslscan and testssl.sh: how they are run, and what they found. Must not know: the expected findings.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::tool;

/// sslscan's report, as XML.
pub(crate) struct SslScan(String);

impl SslScan {
    pub(crate) fn run(address: SocketAddr, options: &[&str]) -> Self {
        let address = address.to_string();
        let output = tool::run("sslscan", &[options, &["--xml=-", "--no-colour", &address]].concat(), b"");
        assert!(output.status.success(), "{}", tool::shown(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("</ssltest>"), "not a whole report:\n{text}");
        Self(text)
    }

    /// An attribute of each element of that kind for which `wanted` attributes have those values.
    fn all(&self, element: &str, wanted: &[(&str, &str)], attribute: &str) -> Vec<&str> {
        let elements = self.0.lines().map(str::trim).filter(|line| line.starts_with(&format!("<{element} ")));
        let fit = elements.filter(|line| wanted.iter().all(|(name, value)| value_of(line, name) == Some(*value)));
        fit.map(|line| value_of(line, attribute).unwrap()).collect()
    }

    /// `SSLv2`, `TLSv1.2` …
    pub(crate) fn versions(&self) -> Vec<String> {
        let versions = |kind: &str, shown: &str| -> Vec<String> {
            let found = self.all("protocol", &[("type", kind), ("enabled", "1")], "version");
            found.iter().map(|version| format!("{shown}v{version}")).collect()
        };
        assert_eq!(self.all("protocol", &[], "version").len(), 6, "{}", self.0);
        [versions("ssl", "SSL"), versions("tls", "TLS")].concat()
    }

    /// In the order in which the server chose them.
    pub(crate) fn suites(&self, version: &str) -> Vec<&str> {
        self.all("cipher", &[("sslversion", version)], "cipher")
    }

    pub(crate) fn every_suite(&self) -> usize {
        self.all("cipher", &[], "cipher").len()
    }

    pub(crate) fn groups(&self, version: &str) -> Vec<&str> {
        self.all("group", &[("sslversion", version)], "name")
    }

    pub(crate) fn renegotiates(&self) -> bool {
        let found = self.all("renegotiation", &[], "supported");
        assert_eq!(found.len(), 1, "{}", self.0);
        found != ["0"]
    }

    pub(crate) fn bleeds(&self) -> bool {
        let found = self.all("heartbleed", &[], "vulnerable");
        assert!(!found.is_empty(), "{}", self.0);
        found.iter().any(|vulnerable| *vulnerable != "0")
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// A whole scan takes testssl.sh half a minute, and several times that on a busy machine.
const LIMIT: Duration = Duration::from_secs(900);

fn value_of<'l>(line: &'l str, attribute: &str) -> Option<&'l str> {
    line.split_once(&format!(" {attribute}=\""))?.1.split('"').next()
}

/// testssl.sh's findings.
pub(crate) struct TestSsl(Vec<Value>);

impl TestSsl {
    /// `report` is the path for its findings.
    pub(crate) fn run(address: SocketAddr, options: &[&str], report: &Path) -> Self {
        let (address, report) = (address.to_string(), report.to_str().unwrap());
        let quiet = ["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1"];
        let output =
            tool::run_for(LIMIT, "testssl", &[&quiet, options, &["--jsonfile", report, &address]].concat(), b"");
        let text = std::fs::read_to_string(report).unwrap_or_else(|error| panic!("{error}: {}", tool::shown(&output)));
        let findings: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(findings.iter().any(|finding| finding["id"] == "scanTime"), "not a whole report: {text}");
        Self(findings)
    }

    pub(crate) fn finding(&self, id: &str) -> &str {
        let found = self.0.iter().find(|finding| finding["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {:#?}", self.0))["finding"].as_str().unwrap()
    }

    /// The suites of one version in the server's order of preference.
    pub(crate) fn order(&self, version: &str) -> Vec<&str> {
        let id = format!("cipherorder_{}", version.replace('.', "_"));
        let found = self.0.iter().find(|finding| finding["id"] == id.as_str());
        found.map_or_else(Vec::new, |finding| finding["finding"].as_str().unwrap().split_whitespace().collect())
    }

    /// Every suite that it found when it asked for each suite that it knows.
    pub(crate) fn each(&self, version: &str) -> Vec<&str> {
        let prefix = format!("cipher-{}_", version.to_lowercase().replace("v1.", "1_"));
        let found = self.0.iter().filter(|finding| finding["id"].as_str().unwrap().starts_with(&prefix));
        // `TLS 1.2   xc030   ECDHE-RSA-AES256-GCM-SHA384   …`
        found.map(|finding| finding["finding"].as_str().unwrap().split_whitespace().nth(3).unwrap()).collect()
    }

    pub(crate) fn every_suite(&self) -> usize {
        self.0.iter().filter(|finding| finding["id"].as_str().unwrap().starts_with("cipher-")).count()
    }

    /// Findings that it rates as a weakness, of any severity.
    pub(crate) fn complaints(&self) -> Vec<&Value> {
        let grave = ["LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN"];
        let found = self.0.iter().filter(|finding| grave.contains(&finding["severity"].as_str().unwrap()));
        // A finding about the tool's own OpenSSL.
        found.filter(|finding| finding["id"] != "engine_problem").collect()
    }
}
