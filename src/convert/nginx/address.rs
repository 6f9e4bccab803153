//! A server of nginx → a server of tlsgate. Must not know: who passes connections to it.

use crate::convert::job::Server;
use crate::convert::place;

/// `ADDRESS:PORT`, `unix:PATH`, or a name with `service=`.
pub(super) fn address(text: &str, options: Option<&[String]>) -> Option<Server> {
    let service = options.into_iter().flatten().find_map(|option| option.strip_prefix("service="));
    let address = match (text.strip_prefix("unix:"), service) {
        (Some(_), _) => text.to_owned(),
        (None, Some(service)) if service.contains('.') => format!("srv:{service}.{text}"),
        (None, Some(service)) => format!("srv:_{service}._tcp.{text}"),
        (None, None) => {
            let (host, port) = text.rsplit_once(':')?;
            place::server(host, place::number(port)?)?
        }
    };
    Some(Server { address, ..Server::default() })
}
