//! One connection of a client: handshake by rustls, records by [`super::record`], or neither if TLS is passed through.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::kernel::KernelConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::buffers::Buffer;
use super::record::{ALERT, DATA, HANDSHAKE, Half, PAYLOAD};
use super::target::{Target, Terms};
use super::{Fault, pattern};

/// The longest time without progress of a proxy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Session {
    stream: TcpStream,
    layer: Option<Layer>,
    /// Bytes that were read and not yet opened.
    rest: Vec<u8>,
}

struct Layer {
    seal: Half,
    open: Half,
    rustls: KernelConnection<ClientConnectionData>,
}

impl Session {
    /// Connects. `first`: whether the client has no session yet to resume.
    pub(crate) async fn open(
        target: &Target,
        client: &Arc<ClientConfig>,
        name: ServerName<'static>,
        first: bool,
    ) -> Result<Self, Fault> {
        let stream = connect(target).await?;
        if target.passthrough {
            let mut hello = Vec::new();
            rustls::ClientConnection::new(Arc::clone(client), name)?.write_tls(&mut hello)?;
            return Ok(Self { stream, layer: None, rest: hello });
        }
        let begun = UnbufferedClientConnection::new(Arc::clone(client), name)?;
        let shaking = handshake(stream, begun, target.terms, first);
        timeout(PATIENCE, shaking).await.map_err(|_| Fault::Late("the handshake", PATIENCE))?
    }

    /// The same with a handshake that was begun earlier.
    pub(crate) async fn open_begun(target: &Target, begun: UnbufferedClientConnection) -> Result<Self, Fault> {
        let stream = connect(target).await?;
        let shaking = handshake(stream, begun, target.terms, false);
        timeout(PATIENCE, shaking).await.map_err(|_| Fault::Late("the handshake", PATIENCE))?
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        let Some(layer) = &mut self.layer else {
            // A ClientHello is kept for the first message, and is sent together with it.
            let mut hello = std::mem::take(&mut self.rest);
            if hello.is_empty() {
                return write(&mut self.stream, message).await;
            }
            hello.extend_from_slice(message);
            return write(&mut self.stream, &hello).await;
        };
        let mut out = Buffer::take();
        for batch in message.chunks(8 * PAYLOAD) {
            let mut filled = 0;
            for payload in batch.chunks(PAYLOAD) {
                filled += layer.seal.seal(DATA, payload, &mut out[filled..])?;
            }
            write(&mut self.stream, &out[..filled]).await?;
        }
        Ok(())
    }

    /// Sends `amount` bytes of the pattern in records of `record` bytes, many of them with each call.
    pub(crate) async fn stream(&mut self, amount: u64, record: usize) -> Result<(), Fault> {
        let mut offset = 0;
        while offset < amount {
            let Some(layer) = &mut self.layer else {
                let length = pattern::SPAN.min(usize::try_from(amount - offset).unwrap_or(usize::MAX));
                write(&mut self.stream, pattern::at(offset, length)).await?;
                offset += length as u64;
                continue;
            };
            let (mut out, mut filled) = (Buffer::take(), 0);
            while offset < amount {
                let length = record.min(PAYLOAD).min(usize::try_from(amount - offset).unwrap_or(usize::MAX));
                if filled + layer.seal.sealed(length) > out.len() {
                    break;
                }
                filled += layer.seal.seal(DATA, pattern::at(offset, length), &mut out[filled..])?;
                offset += length as u64;
            }
            write(&mut self.stream, &out[..filled]).await?;
        }
        Ok(())
    }

    /// Receives that many bytes, and hands them over as they come with the offset of each piece.
    pub(crate) async fn receive(
        &mut self,
        amount: u64,
        mut check: impl FnMut(u64, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut offset = 0;
        let mut buffer = Buffer::take();
        let mut filled = self.rest.len();
        if self.layer.is_some() {
            buffer[..filled].copy_from_slice(&self.rest);
            self.rest.clear();
        } else {
            filled = 0;
        }
        loop {
            let mut used = 0;
            match &mut self.layer {
                None => {
                    check(offset, &buffer[..filled])?;
                    (offset, filled) = (offset + filled as u64, 0);
                }
                Some(layer) => {
                    while offset < amount
                        && let Some(opened) = layer.open.open(&mut buffer[..filled], used)?
                    {
                        let payload = &buffer[opened.from..opened.to];
                        match opened.kind {
                            DATA => {
                                check(offset, payload)?;
                                offset += payload.len() as u64;
                            }
                            HANDSHAKE => tickets(&mut layer.rustls, payload)?,
                            ALERT => return Err(Fault::Short { expected: amount, found: offset }),
                            _ => return Err(Fault::Record("of an unknown type")),
                        }
                        used = opened.next;
                    }
                    buffer.copy_within(used..filled, 0);
                    filled -= used;
                }
            }
            if offset >= amount {
                break;
            }
            match read(&self.stream, &mut buffer[filled..]).await? {
                0 => return Err(Fault::Short { expected: amount, found: offset }),
                length => filled += length,
            }
        }
        if offset > amount {
            return Err(Fault::Short { expected: amount, found: offset });
        }
        self.rest = buffer[..filled].to_vec();
        Ok(())
    }

    /// Receives bytes of the pattern.
    pub(crate) async fn receive_pattern(&mut self, amount: u64) -> Result<(), Fault> {
        self.receive(amount, pattern::check).await
    }

    /// Receives exactly that.
    pub(crate) async fn receive_exactly(&mut self, expected: &[u8]) -> Result<(), Fault> {
        let check = |offset: u64, found: &[u8]| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            match expected.get(from..from + found.len()) {
                Some(piece) if piece == found => Ok(()),
                _ => Err(Fault::Corrupt(offset)),
            }
        };
        self.receive(expected.len() as u64, check).await
    }

    /// Sends close_notify, and waits until the proxy has ended the connection too, so that its whole cost is counted.
    pub(crate) async fn close(mut self) -> Result<(), Fault> {
        if let Some(layer) = &mut self.layer {
            let mut out = [0; 64];
            // close_notify (RFC 8446 section 6.1)
            let length = layer.seal.seal(ALERT, &[1, 0], &mut out)?;
            let _ = self.stream.write_all(&out[..length]).await;
        }
        // The proxy may have closed in the meantime.
        if self.stream.shutdown().await.is_err() {
            return Ok(());
        }
        let mut buffer = [0; 512];
        while let Ok(1..) = read(&self.stream, &mut buffer).await {}
        Ok(())
    }
}

async fn connect(target: &Target) -> Result<TcpStream, Fault> {
    let connecting = TcpStream::connect(target.address);
    let stream = timeout(PATIENCE, connecting).await.map_err(|_| Fault::Late("connecting", PATIENCE))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn handshake(
    mut stream: TcpStream,
    mut rustls: UnbufferedClientConnection,
    terms: Terms,
    first: bool,
) -> Result<Session, Fault> {
    // Thousands may wait for an answer at the same time, so each begins with little room.
    let (mut incoming, mut filled) = (vec![0; 4096], 0);
    let mut outgoing = Vec::new();
    loop {
        let UnbufferedStatus { discard, state } = rustls.process_tls_records(&mut incoming[..filled]);
        let mut done = false;
        match state? {
            ConnectionState::EncodeTlsData(mut data) => encode(&mut outgoing, |out| data.encode(out))?,
            ConnectionState::TransmitTlsData(data) => {
                write(&mut stream, &outgoing).await?;
                outgoing.clear();
                data.done();
            }
            ConnectionState::BlockedHandshake => {
                if filled == incoming.len() {
                    incoming.resize(2 * filled, 0);
                }
                match read(&stream, &mut incoming[filled..]).await? {
                    0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                    length => filled += length,
                }
            }
            ConnectionState::WriteTraffic(_) => done = true,
            _ => return Err(Fault::Record("data in the handshake")),
        }
        incoming.copy_within(discard..filled, 0);
        filled -= discard;
        if done {
            break;
        }
    }
    terms.check(&rustls, first)?;
    let (secrets, rustls) = rustls.dangerous_into_kernel_connection()?;
    let version = rustls.protocol_version();
    let layer = Layer { seal: Half::new(&secrets.tx, version)?, open: Half::new(&secrets.rx, version)?, rustls };
    Ok(Session { stream, layer: Some(layer), rest: incoming[..filled].to_vec() })
}

/// Appends the bytes that `encode` writes.
fn encode(out: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) -> Result<(), Fault> {
    let before = out.len();
    out.resize(before + 4096, 0);
    let length = match encode(&mut out[before..]) {
        Err(EncodeError::InsufficientSize(needed)) => {
            out.resize(before + needed.required_size, 0);
            encode(&mut out[before..])
        }
        other => other,
    };
    let length = length.map_err(|_| Fault::Record("it cannot be encoded"))?;
    out.truncate(before + length);
    Ok(())
}

/// Hands session tickets to rustls, which keeps them for the next connection of this client.
fn tickets(rustls: &mut KernelConnection<ClientConnectionData>, mut message: &[u8]) -> Result<(), Fault> {
    while let [kind, a, b, c, rest @ ..] = message {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        // new_session_ticket (RFC 8446 section 4)
        let (4, Some((payload, rest))) = (*kind, rest.split_at_checked(length)) else {
            return Err(Fault::Record("a handshake message that is no ticket"));
        };
        rustls.handle_new_session_ticket(payload)?;
        message = rest;
    }
    Ok(())
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Fault> {
    timeout(PATIENCE, stream.write_all(bytes)).await.map_err(|_| Fault::Late("a write", PATIENCE))??;
    Ok(())
}

async fn read(stream: &TcpStream, into: &mut [u8]) -> Result<usize, Fault> {
    loop {
        timeout(PATIENCE, stream.readable()).await.map_err(|_| Fault::Late("a read", PATIENCE))??;
        match stream.try_read(into) {
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}
