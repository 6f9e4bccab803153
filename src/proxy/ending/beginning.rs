//! What ends a connection before a route has taken it, and where the route refuses it.

use rustls::AlertDescription;

use crate::limit::counts::Refused;
use crate::limit::portion::KeptOut;
use crate::limit::waiting::Asked;
use crate::live::call::Mode;
use crate::observe::outcome::Outcome;
use crate::proxy::ending::{Ending, Farewell};
use crate::proxy::hello::NoHello;
use crate::proxy::proxied::NoHeader;
use crate::route::ways::{Route, Ways};
use crate::starttls::step::{End, Refusal};
use crate::tls::wire::hello::HelloError;

/// What had not arrived when `handshake_timeout` was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    ProxyHeader,
    Starttls,
    Hello,
    Handshake,
}

// No alert: a client that sends nothing most likely reads nothing either.
impl From<Late> for Ending {
    fn from(late: Late) -> Self {
        Self::at_once(match late {
            Late::ProxyHeader => Outcome::ProxyHeaderTimeout,
            Late::Starttls => Outcome::StarttlsTimeout,
            Late::Hello => Outcome::HelloTimeout,
            Late::Handshake => Outcome::HandshakeTimeout,
        })
    }
}

impl From<Asked> for Ending {
    fn from(asked: Asked) -> Self {
        Self::at_once(match asked {
            Asked::ForAnother => Outcome::HelloPreempted,
            Asked::ForMemory => Outcome::MemoryStalled,
        })
    }
}

// Nothing is in flight before the relay. `Shut`: the client may be sending, and a reset would not be polite.
impl From<Mode> for Ending {
    fn from(asked: Mode) -> Self {
        Self::with(
            Outcome::ClosedByOperator,
            match asked {
                Mode::Polite => Farewell::Shut,
                Mode::Now => Farewell::Reset,
            },
        )
    }
}

// No alert: in a flood of connections it would cost more than the refusal.
impl From<Refused> for Ending {
    fn from(refused: Refused) -> Self {
        Self::at_once(match refused {
            Refused::Denied => Outcome::ClientDenied,
            Refused::Blocked => Outcome::ClientBlocked,
            Refused::TooManyOfClient => Outcome::ClientConnectionLimit,
            Refused::TooOftenByClient => Outcome::ClientConnectionRate,
            Refused::TooMany => Outcome::ConnectionLimit,
            Refused::TooOften => Outcome::ConnectionRate,
            Refused::NoRoom => Outcome::DescriptorLimit,
        })
    }
}

// The client has sent its hello and waits, so the alert reaches it; in a flood, it costs little.
impl From<KeptOut> for Ending {
    fn from(kept_out: KeptOut) -> Self {
        let (outcome, alert) = match kept_out {
            KeptOut::Fingerprint => {
                return Self::with(Outcome::RouteJa4Denied, Farewell::Alert(AlertDescription::AccessDenied));
            }
            KeptOut::Limit(Refused::Denied) => (Outcome::RouteClientDenied, AlertDescription::AccessDenied),
            KeptOut::Limit(Refused::Blocked) => (Outcome::RouteClientBlocked, AlertDescription::AccessDenied),
            KeptOut::Limit(Refused::TooManyOfClient) => {
                (Outcome::RouteClientConnectionLimit, AlertDescription::InternalError)
            }
            KeptOut::Limit(Refused::TooOftenByClient) => {
                (Outcome::RouteClientConnectionRate, AlertDescription::InternalError)
            }
            KeptOut::Limit(Refused::TooMany) => (Outcome::RouteConnectionLimit, AlertDescription::InternalError),
            KeptOut::Limit(Refused::TooOften) => (Outcome::RouteConnectionRate, AlertDescription::InternalError),
            KeptOut::Limit(Refused::NoRoom) => (Outcome::DescriptorLimit, AlertDescription::InternalError),
        };
        Self::with(outcome, Farewell::Notice(alert))
    }
}

impl From<NoHeader> for Ending {
    fn from(failure: NoHeader) -> Self {
        match failure {
            NoHeader::Closed => Self::at_once(Outcome::ProxyHeaderClosed),
            NoHeader::Io(error) => Self::at_once(Outcome::ProxyHeaderClosed).because(error.to_string()),
            NoHeader::Bad(error) => Self::at_once(Outcome::ProxyHeaderInvalid).because(error.to_string()),
        }
    }
}

impl From<End> for Ending {
    fn from(End { say, why }: End) -> Self {
        let outcome = match why {
            Refusal::Closed | Refusal::Io(_) => Outcome::StarttlsClosed,
            Refusal::InTheClear(_) => Outcome::StarttlsRefused,
            Refusal::Pipelined => Outcome::StarttlsPipelined,
            Refusal::Invalid(_) => Outcome::StarttlsInvalid,
        };
        let farewell = if say.is_empty() { Farewell::Close } else { Farewell::Words(say) };
        Self::with(outcome, farewell).because(why.to_string())
    }
}

impl From<NoHello> for Ending {
    fn from(failure: NoHello) -> Self {
        match failure {
            NoHello::Closed => Self::at_once(Outcome::HelloClosed),
            NoHello::Io(error) => Self::at_once(Outcome::HelloClosed).because(error.to_string()),
            NoHello::Bad(error) => error.into(),
        }
    }
}

impl From<HelloError> for Ending {
    fn from(error: HelloError) -> Self {
        let outcome = match error {
            HelloError::NotTls => Outcome::NotTls,
            HelloError::TooOld => Outcome::NoCommonVersion,
            HelloError::TooLarge | HelloError::Alert(_) | HelloError::Invalid { .. } => Outcome::HelloInvalid,
        };
        // `Shut` even without an alert: the client may still be sending, and closing with unread bytes would send a reset.
        let farewell = error.alert().map_or(Farewell::Shut, Farewell::Alert);
        let ending = Self::with(outcome, farewell).because(error.to_string());
        match error {
            HelloError::Alert(received) => ending.received(received),
            _ => ending,
        }
    }
}

impl Ending {
    /// There is no memory for another connection.
    pub fn no_memory() -> Self {
        Self::at_once(Outcome::MemoryLimit)
    }

    /// The peer is not one of the proxies that the listener trusts.
    pub fn untrusted_proxy() -> Self {
        Self::at_once(Outcome::ProxyUntrusted)
    }

    /// More handshakes wait than can be done in time. The client has sent its hello and waits, so the alert reaches it.
    pub fn overloaded() -> Self {
        Self::with(Outcome::Overloaded, Farewell::Notice(AlertDescription::InternalError))
    }

    /// The listener denies the JA4 of the client's ClientHello.
    pub fn ja4_denied() -> Self {
        Self::with(Outcome::Ja4Denied, Farewell::Alert(AlertDescription::AccessDenied))
    }

    /// A challenge of a certificate authority was answered. `last` is what is left to send, close_notify included.
    pub fn challenge_answered(last: Vec<u8>) -> Self {
        Self::with(Outcome::AcmeChallenge, Farewell::Words(last))
    }

    /// A challenge of a certificate authority (RFC 8737) that is not pending, and for which there is no route. Whatever else it offers, there is
    /// no protocol in common.
    pub fn challenge() -> Self {
        Self::with(Outcome::NoCommonProtocol, Farewell::Alert(AlertDescription::NoApplicationProtocol))
            .because("a challenge of a certificate authority (acme-tls/1)")
    }

    /// The route refuses the connections that it takes.
    pub fn rejected(route: &Route, ways: &Ways) -> Self {
        // Two outcomes, since a name that no route takes is often a mistake, and a configured refusal is not.
        let by_default = std::ptr::eq(route, ways.default());
        let outcome = if by_default { Outcome::NoRoute } else { Outcome::RouteRejected };
        Self::with(outcome, Farewell::Alert(AlertDescription::UnrecognisedName))
    }
}
