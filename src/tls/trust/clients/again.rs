//! A client's certificates are judged again while its connection is open, as they would be for a new one. Must not know: which
//! connection it is, why it is judged now.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, Error};

use crate::tls::trust::clients::ClientAuth;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::trust::clients::rejection::Rejection;
use crate::tls::trust::clients::settings::Demand;
use crate::tls::wire::fault;

/// Why a client that was accepted would not be accepted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distrust {
    pub fault: Rejection,
    /// What a new handshake would be refused with.
    pub alert: AlertDescription,
    /// As the log reports it, with the certificate's subject.
    pub reason: Box<str>,
}

impl Distrust {
    /// For a client that cannot be judged, since that has panicked.
    pub fn panicked() -> Self {
        let (fault, alert) = (Rejection::Invalid, AlertDescription::BadCertificate);
        Self { fault, alert, reason: "judging the client's certificates has panicked".into() }
    }
}

impl ClientAuth {
    /// Judges what a client has presented, its own certificate first; nothing if it has presented none. `now` is in seconds since
    /// 1970, as is the last second at which the verdict holds: then it has to be judged again.
    pub fn judge_again(self: &Arc<Self>, presented: &[CertificateDer<'_>], now: i64) -> Result<i64, Distrust> {
        let Some((leaf, others)) = presented.split_first() else {
            return match self.settings.demand {
                Demand::Optional => Ok(i64::MAX),
                Demand::Require => Err(distrust(&Error::NoCertificatesPresented, None, None)),
            };
        };
        let session = self.session();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now.try_into().unwrap_or(0)));
        match session.judge(leaf, others, time) {
            Ok(_) => {
                // One that has ended already does not matter, since the verdict is good without it.
                let ends = presented.iter().filter_map(Identity::of).map(|identity| identity.not_after);
                Ok(ends.filter(|end| *end >= now).min().unwrap_or(i64::MAX).min(self.trusted.next_end(now)))
            }
            Err(error) => Err(distrust(&error, session.reason(), session.shown())),
        }
    }
}

fn distrust(error: &Error, reason: Option<&str>, shown: Option<&Identity>) -> Distrust {
    // An error that is about something else cannot come from a verifier.
    let fault = Rejection::of(error).unwrap_or(Rejection::Invalid);
    let reason = reason.map_or_else(|| fault.to_string(), str::to_owned);
    let whose = shown.map(|shown| format!(": {:?}", shown.subject)).unwrap_or_default();
    let alert = fault::alert(error).unwrap_or(AlertDescription::BadCertificate);
    Distrust { fault, alert, reason: format!("{reason}{whose}").into() }
}

#[cfg(test)]
mod tests;
