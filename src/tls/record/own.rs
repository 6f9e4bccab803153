//! tlsgate's own record layer, for the time after the handshake: RFC 8446 section 5 (TLS 1.3), or RFC 5246 section 6 with
//! RFC 5288 (AES-GCM) or RFC 7905 (ChaCha20-Poly1305) (TLS 1.2). Seals and opens in place. Must not know: sockets, key
//! exchange.
//!
//! Anything that violates the RFCs ends the connection with the alert that they specify; the bytes after it are not read.

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
    /// In TLS 1.3: derives the next keys, and stores the tickets that a server sends. All that is left of rustls.
    kernel: Option<Kernel>,
    /// A handshake message that is not complete yet.
    fragment: Fragment,
    /// The peer has requested that this side updates its keys before it sends more data (RFC 8446 section 4.6.3).
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
    /// The peer has sent close_notify; this side may still send.
    PeerClosed,
    /// A fatal alert was received or sent: nothing more is sealed or opened (RFC 8446 section 6.2).
    Dead,
}

/// How many more messages without content the peer may send: they cost this side work, and the peer almost nothing. The
/// limits are those of rustls and BoringSSL.
#[derive(Debug, Clone, Copy)]
struct Allowed {
    /// Empty records in a row.
    empty: u8,
    warnings: u8,
    renegotiations: u8,
    /// Key updates without data between them.
    key_updates: u8,
}

impl Records {
    /// Takes the keys from a connection after its handshake; the rest of the connection is dropped. Fails if rustls does
    /// not hand out the keys.
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
        let format = Format::of(version, &tx.1)
            .ok_or_else(|| Error::General("no record protection for this TLS version and cipher suite".into()))?;
        Ok(Self {
            format,
            side,
            sealing: TrafficKey::new(&tx.1, tx.0)?,
            opening: TrafficKey::new(&rx.1, rx.0)?,
            // TLS 1.2 has neither key updates nor tickets after the handshake, so the memory is freed.
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
        // The connection ends even if the alert cannot be sealed.
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
        // Tests lower the limit, and it must hold for the next keys too.
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

/// The alert that ends the connection, and the reason.
type FatalAlert = (AlertDescription, Error);

fn unexpected(error: PeerMisbehaved) -> FatalAlert {
    (AlertDescription::UnexpectedMessage, error.into())
}

/// BoringSSL's `kMaxKeyUpdates`.
const KEY_UPDATES: u8 = 32;

/// The version in the header of every protected record: TLS 1.2, also in TLS 1.3 (RFC 8446 section 5.2).
const VERSION: [u8; 2] = [3, 3];

#[cfg(test)]
mod tests;
