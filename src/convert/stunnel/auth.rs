//! What a service of stunnel asks of its clients. Must not know: services, the text.

use crate::convert::job::ClientAuth;
use crate::convert::list::{Line, List};

/// What is asked of clients.
#[derive(Default)]
pub(super) struct Auth {
    pub(super) line: Line,
    pub(super) ca: Vec<String>,
    pub(super) crl: Vec<String>,
    pub(super) names: Vec<String>,
    /// Whether the chain has to lead to a CA of the file.
    chain: bool,
    /// Whether the certificate itself has to be in the file.
    peer: bool,
    required: bool,
}

impl Auth {
    /// An option of verification.
    pub(super) fn verify(&mut self, key: &str, value: &str, line: &Line) {
        self.line = line.clone();
        match (key, value.eq_ignore_ascii_case("yes")) {
            ("verify", _) => {
                let level = value.parse().unwrap_or(0);
                (self.chain, self.peer, self.required) = (level > 0, level > 2, level > 1);
            }
            ("verifychain", true) => (self.chain, self.required) = (true, true),
            ("verifypeer", true) => (self.peer, self.required) = (true, true),
            ("verifychain", false) => self.chain = false,
            ("verifypeer", false) => self.peer = false,
            // What is above implies it; written behind, it counts.
            (_, is_required) => self.required = is_required,
        }
    }

    /// What clients are asked for, if they are asked at all.
    pub(super) fn asked(&self, list: &mut List) -> Option<ClientAuth> {
        if !self.chain && !self.peer {
            if self.required {
                list.security(
                    &self.line,
                    "requireCert",
                    "without verifyChain or verifyPeer stunnel accepts any certificate; tlsgate asks for none",
                );
            }
            if !self.names.is_empty() {
                list.security(
                    &self.line,
                    self.names.join(" "),
                    "no client is asked for a certificate, in stunnel neither",
                );
            }
            return None;
        }
        if self.ca.is_empty() {
            list.security(&self.line, "verify", "there is no CAfile (tlsgate reads files, not a folder of hashes), so no client is asked for a certificate");
            return None;
        }
        if self.peer {
            let why = "tlsgate accepts these very certificates too, but also those that a CA among them has issued: the file must have no CA, or use pins";
            list.security(&self.line, "verifyPeer, or verify 3 and 4", why);
        }
        let Auth { line, ca, crl, names, required, .. } = self;
        Some(ClientAuth {
            line: line.clone(),
            required: *required,
            ca: ca.clone(),
            crl: crl.clone(),
            names: names.clone(),
        })
    }
}
