//! Stands between a client and a server like a firewall that looks at ClientHellos and does it badly: some of them do not
//! reach the server. Must not know: who sends them.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use tlsgate::tls::wire::draft::Draft;

use super::PATIENCE;
use super::backend::Backend;
use super::client;

/// Which ClientHellos it lets pass.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Passes {
    All,
    /// Those that come in one segment.
    OneSegment,
    /// Those whose server name is in the first segment: this many bytes.
    FirstBytes(usize),
    /// Those in one record.
    OneRecord,
    /// Those of at most this many bytes.
    AtMost(usize),
    /// Those with no group but these.
    Groups(&'static [u16]),
    /// Those that do not have both of these groups.
    NotBoth([u16; 2]),
}

/// What it does with the others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    Silently,
    WithReset,
}

pub(crate) fn before(server: SocketAddr, passes: Passes, ends: Ends) -> Backend {
    Backend::start(move |mut client| {
        client.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = vec![0; 64 * 1024];
        let count = client.read(&mut bytes)?;
        bytes.truncate(count);
        let first = bytes.len();
        while !is_whole(&bytes) {
            let mut more = [0; 16 * 1024];
            match client.read(&mut more)? {
                0 => return Ok(()),
                count => bytes.extend_from_slice(&more[..count]),
            }
        }
        let draft = Draft::parse(&bytes).expect("a ClientHello");
        let one_record = bytes.len() == 5 + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let passes = match passes {
            Passes::All => true,
            Passes::OneSegment => first == bytes.len(),
            Passes::FirstBytes(least) => first >= least.min(bytes.len()),
            Passes::OneRecord => one_record,
            Passes::AtMost(most) => bytes.len() <= most,
            Passes::Groups(known) => draft.offers().groups.unwrap().iter().all(|group| known.contains(group)),
            Passes::NotBoth(two) => !two.iter().all(|group| draft.offers().groups.unwrap().contains(group)),
        };
        match (passes, ends) {
            (true, _) => pass(client, server, &bytes),
            (false, Ends::WithReset) => {
                client::reset(client);
                Ok(())
            }
            // Until the client gives up.
            (false, Ends::Silently) => std::io::copy(&mut client, &mut std::io::sink()).map(drop),
        }
    })
}

fn pass(client: TcpStream, server: SocketAddr, bytes: &[u8]) -> Result<()> {
    let mut server = TcpStream::connect(server)?;
    server.write_all(bytes)?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (client, server);
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = back.join();
    Ok(())
}

/// Whether the records contain a whole handshake message.
fn is_whole(mut bytes: &[u8]) -> bool {
    let mut message = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        message.extend_from_slice(&rest[..length.min(rest.len())]);
        bytes = rest.get(length..).unwrap_or_default();
    }
    let length = message
        .get(1..4)
        .map(|length| usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]));
    length.is_some_and(|length| message.len() >= 4 + length)
}
