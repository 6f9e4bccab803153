//! tlsgate's own record layer, after the handshake: RFC 8446 section 5 (TLS 1.3), RFC 5246 section 6 with RFC 5288 (AES-GCM)
//! or RFC 7905 (ChaCha20-Poly1305) (TLS 1.2). Seals and opens in place. Must not know: sockets, how keys are agreed on.
//!
//! Whatever is not exactly as the RFCs have it ends the connection with the alert that they name, and nothing that came
//! after it is looked at.

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{AlertDescription, Error, ExtractedSecrets, PeerMisbehaved, ProtocolVersion};

use crate::tls::record::interface::{RecordError, Room};
use crate::tls::record::library::Connection;
use crate::tls::wire::codes::framing::{ALERT, FATAL};

mod fragment;
mod key;
mod messages;
mod open;
mod seal;

use fragment::Fragment;
use key::{Format, TrafficKey};

/// One side of a connection.
pub struct Records {
    format: Format,
    side: Side,
    sealing: TrafficKey,
    opening: TrafficKey,
    /// Makes the next keys in TLS 1.3, and keeps the tickets that a server sends; the last that is left of the handshake.
    kernel: Option<Kernel>,
    /// A handshake message of which the end has not come yet.
    fragment: Fragment,
    /// The peer wants this side to have new keys before it sends more data (RFC 8446 section 4.6.3).
    update_owed: bool,
    state: State,
    allowed: Allowed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

enum Kernel {
    Server(Box<KernelConnection<ServerConnectionData>>),
    Client(Box<KernelConnection<ClientConnectionData>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The peer has said close_notify; this side may go on.
    PeerClosed,
    /// A fatal alert came or went: nothing is sealed or opened any more (RFC 8446 section 6.2).
    Dead,
}

/// How much more the peer may send that says nothing. The numbers are rustls's and BoringSSL's.
#[derive(Debug, Clone, Copy)]
struct Allowed {
    /// Records without content, one after the other.
    empty: u8,
    warnings: u8,
    renegotiations: u8,
    /// Key updates without data between them.
    key_updates: u8,
}

impl Records {
    /// Takes the keys out of a connection whose handshake is done; the rest of it is dropped.
    pub(super) fn take_over(connection: Connection) -> Result<Self, Error> {
        let (secrets, kernel, side, version) = match connection {
            Connection::Server(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
                let version = kernel.protocol_version();
                (secrets, Kernel::Server(Box::new(kernel)), Side::Server, version)
            }
            Connection::Client(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
                let version = kernel.protocol_version();
                (secrets, Kernel::Client(Box::new(kernel)), Side::Client, version)
            }
        };
        let ExtractedSecrets { tx, rx } = secrets;
        let format = Format::of(version, &tx.1).ok_or_else(|| Error::General("no such record protection".into()))?;
        Ok(Self {
            format,
            side,
            sealing: TrafficKey::new(&tx.1, tx.0)?,
            opening: TrafficKey::new(&rx.1, rx.0)?,
            kernel: (version == ProtocolVersion::TLSv1_3).then_some(kernel),
            fragment: Fragment::None,
            update_owed: false,
            state: State::Open,
            allowed: Allowed::default(),
        })
    }

    pub(super) fn room(&self) -> Room {
        self.format.room()
    }

    /// Ends the connection with an alert.
    fn fail(&mut self, alert: AlertDescription, error: impl Into<Error>, reply: &mut Vec<u8>) -> RecordError {
        // Without the alert it ends all the same.
        let _ = self.seal_record(ALERT, &[FATAL, alert.into()], reply);
        self.state = State::Dead;
        RecordError { error: error.into(), received_alert: None }
    }

    /// New keys for what this side sends (RFC 8446 section 7.2).
    fn update_sealing(&mut self) -> Result<(), Error> {
        let (sequence, secrets) = match &mut self.kernel {
            Some(Kernel::Server(kernel)) => kernel.update_tx_secret()?,
            Some(Kernel::Client(kernel)) => kernel.update_tx_secret()?,
            None => return Err(Error::General("TLS 1.2 has no key updates".into())),
        };
        self.sealing = TrafficKey::new(&secrets, sequence)?.with_limit_of(&self.sealing);
        Ok(())
    }

    /// New keys for what the peer sends.
    fn update_opening(&mut self) -> Result<(), Error> {
        let (sequence, secrets) = match &mut self.kernel {
            Some(Kernel::Server(kernel)) => kernel.update_rx_secret()?,
            Some(Kernel::Client(kernel)) => kernel.update_rx_secret()?,
            None => return Err(Error::General("TLS 1.2 has no key updates".into())),
        };
        self.opening = TrafficKey::new(&secrets, sequence)?;
        Ok(())
    }
}

impl Default for Allowed {
    fn default() -> Self {
        Self { empty: 32, warnings: 4, renegotiations: 1, key_updates: KEY_UPDATES }
    }
}

/// Why the connection is over, and the alert that says so.
type FatalAlert = (AlertDescription, Error);

fn unexpected(error: PeerMisbehaved) -> FatalAlert {
    (AlertDescription::UnexpectedMessage, error.into())
}

/// BoringSSL's `kMaxKeyUpdates`.
const KEY_UPDATES: u8 = 32;

/// What stands in the header of every protected record, of either version (RFC 8446 section 5.2).
const VERSION: [u8; 2] = [3, 3];

#[cfg(test)]
mod tests;
