//! An explanation → text for people. Must not know: how it was found.

use std::fmt::{self, Display, Formatter};

use crate::explain::answer::{Candidate, Decision, Explanation, Offered, Refused, Served, Verdict, Weighted};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.policy {
            Some(policy) => writeln!(f, "listener     {} ({policy})", self.listener)?,
            None => writeln!(f, "listener     {}", self.listener)?,
        }
        if let Some(client) = &self.client {
            writeln!(f, "server name  {}", client.server_name.as_deref().unwrap_or("- (the client sends none)"))?;
            offered(client, f)?;
        }
        if let Some(ja4) = self.ja4 {
            writeln!(f, "JA4          {ja4}")?;
        }
        if let Some(route) = &self.route {
            writeln!(f, "route        {}: {}{}", route.name, route.mode, backends(&route.backends))?;
        }
        if !self.labels.is_empty() {
            writeln!(f, "labels       {}", self.labels)?;
        }
        match &self.result {
            Decision::Served(served) => write!(f, "{served}")?,
            Decision::PassedThrough => writeln!(f, "PASSED ON    as it is; the backend chooses the certificate")?,
            Decision::Challenge => {
                writeln!(f, "CHALLENGE    of a certificate authority, answered with the pending certificate")?
            }
            Decision::Refused(refused) => write!(f, "{refused}")?,
        }
        if !self.candidates.is_empty() {
            writeln!(f, "candidates")?;
        }
        self.candidates.iter().try_for_each(|candidate| write!(f, "{candidate}"))
    }
}

/// One backend, or several with the share of connections that each of them gets.
fn backends(all: &[Weighted]) -> String {
    let total: u32 = all.iter().map(|one| one.weight).sum();
    match all {
        [] => String::new(),
        [only] => format!(", backend {}", only.backend),
        several => {
            let part = |one: &Weighted| {
                let percent = f64::from(one.weight) * 100.0 / f64::from(total.max(1));
                format!("{} {}%", one.backend, (percent * 10.0).round() / 10.0)
            };
            format!(", backends {}", several.iter().map(part).collect::<Vec<_>>().join(", "))
        }
    }
}

/// What matters for the choice. The JSON contains everything.
fn offered(client: &Offered, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "offers       {}", client.versions.join(" "))?;
    writeln!(f, "             {} cipher suites, groups {}", client.ciphers.len(), client.groups.join(" "))?;
    writeln!(f, "             {}", client.signature_schemes.join(" "))?;
    if !client.application_protocols.is_empty() {
        writeln!(f, "             ALPN {}", client.application_protocols.join(" "))?;
    }
    match &client.certificate_signature_schemes {
        Some(schemes) if *schemes != client.signature_schemes => {
            writeln!(f, "             in certificates {}", schemes.join(" "))
        }
        _ => Ok(()),
    }
}

impl Display for Served {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "version      {}", self.version)?;
        writeln!(f, "cipher       {}", self.cipher)?;
        writeln!(f, "group        {}", self.group)?;
        writeln!(f, "signature    {}", self.signature_scheme)?;
        let key = key(&self.key_type, self.key_bits);
        writeln!(f, "certificate  {} ({key}, serial {})", self.certificate, self.serial_number)?;
        if let Some(token) = &self.token {
            writeln!(f, "key          {token}")?;
        }
        match self.valid {
            true => Ok(()),
            false => writeln!(f, "             NOT VALID NOW, and nothing valid is left"),
        }
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "REFUSED      {}", self.reason)?;
        match (&self.alert, self.alert_code) {
            (Some(alert), Some(code)) => writeln!(f, "alert        {alert} ({code})"),
            _ => Ok(()),
        }
    }
}

impl Display for Candidate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Served => "served",
            Verdict::Outranked => "outranked",
            Verdict::Dropped => "dropped",
        };
        let key = key(&self.key_type, self.key_bits);
        writeln!(f, "  {verdict:<9}  {} ({key}, {})", self.certificate, self.matched)?;
        writeln!(f, "             step {}: {}", self.step, self.reason)
    }
}

/// The name of a curve contains its size; "RSA" does not.
fn key(kind: &str, bits: u32) -> String {
    if kind == "RSA" { format!("RSA {bits}") } else { kind.to_owned() }
}
