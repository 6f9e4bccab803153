//! tlsgate: a TLS-terminating layer-4 proxy that gives each client the certificate it can use.
//!
//! The map of the house. A file may use only what stands on lower floors; `tests/it/layers.rs` reads this table and
//! checks it.
//!
//! | floor | room | its one task | may use |
//! |---|---|---| --- |
//! | 8 | `main` | exit codes | cli |
//! | 7 | `cli` | one file for each verb: run, check, explain, cert, reload, policy, probe, demo, schema … | server, admin, explain, reload, snapshot, starttls, config, tls, net, observe, files, warning, route |
//! | 6 | `server` | wires the parts together; workers, sockets, descriptors, signals, drain, hand-over to another process | admin, proxy, reload, snapshot, config, tls, backend, net, observe, files, limit, route |
//! | 6 | `admin` | health, state and changes over HTTP; its own thread and runtime | explain, reload, snapshot, starttls, tls, config, backend, limit, net, observe, files, route |
//! | 5 | `explain` | a question about a client → what it would get, and why | snapshot, backend, tls, route |
//! | 5 | `reload` | load → validate → build → swap; on failure the old state stays | config, snapshot, tls, observe, files, warning, route |
//! | 5 | `proxy::listener` | accept, permits, backoff | proxy::connection, proxy::entry, proxy::pulse, proxy::workers, proxy::admission, snapshot, net, observe, limit |
//! | 5 | `proxy::workers` | which worker serves a connection | – |
//! | 5 | `proxy::pulse` | a timer that stands while connections come | – |
//! | 5 | `proxy::admission` | lets a connection in, or says why not | snapshot, limit, net, observe |
//! | 5 | `proxy::proxied` | the PROXY header of a proxy in front | net |
//! | 5 | `proxy::preface` | the PROXY header for a backend | tls, net, observe |
//! | 5 | `proxy::connection` | the life of one connection, top to bottom: its beginning, then the relay | proxy::admission, proxy::entry, proxy::proxied, snapshot, starttls, tls, backend, relay, limit, net, observe, route |
//! | 5 | `proxy::entry` | what is known of one connection, for the log and the metrics | proxy::preface, proxy::proxied, starttls, tls, backend, relay, limit, net, observe, route::index |
//! | 4 | `snapshot` | `Config` → `Snapshot`, all or nothing; holds the one `ArcSwap` | route, config, starttls, tls, backend, limit, net, files, warning |
//! | 3 | `route::ways` | where each route leads | route::index, backend, tls |
//! | 3 | `config::file` | the TOML as written, and every default | config::decode, config::located, config::values, starttls, tls, backend, limit, net, observe, route::index |
//! | 3 | `config::validate` | `File` → `Config`; all errors at once | config, starttls, tls, backend, limit, net, observe, route::index |
//! | 3 | `config::values` | the kinds of value that keys hold | config::decode, config::located, starttls, tls, backend, limit, net, observe, route::index, words |
//! | 3 | `config::decode` | tables → values, with every fault's place | config::located, words |
//! | 1 | `config::located` | values and faults with their places in a file | – |
//! | 3 | `config` | file → `Config` | files |
//! | 3 | `relay` | bytes both ways after the handshake | tls::record, net, observe |
//! | 2 | `starttls` | what goes over a connection in the clear before TLS begins | ldap, net, words |
//! | 2 | `tls::certificate::inventory` | a certificate file → facts, chain and whether its key is there | tls::certificate::certified, tls::certificate::chain, tls::certificate::inspect, tls::certificate::pem, tls::crypto, files |
//! | 2 | `tls::certificate::chain` | certificates → the way from the server's to a root | tls::certificate::x509, tls::crypto |
//! | 2 | `tls::certificate::inspect` | DER → what is to be told of any certificate | tls::certificate::certified, tls::certificate::x509, tls::crypto |
//! | 2 | `tls::certificate::x509` | one certificate in DER → its parts, and who issued it | tls::crypto |
//! | 2 | `tls::certificate::expiry` | when certificates end, and whether that is soon | tls::certificate::certified, tls::certificate::inspect |
//! | 1 | `tls::wire::cursor` | big-endian fields off the front of bytes | – |
//! | 2 | `tls::wire::draft` | a ClientHello taken apart, changed, and put together | tls::wire::hello, tls::wire::cursor |
//! | 2 | `tls::wire::codes` | names ↔ code points of what clients offer | – |
//! | 2 | `tls::handshake` | terms, choice, termination | tls |
//! | 2 | `tls::certificate::source` | files and folders → certificates, and the last good ones | tls, files, warning |
//! | 2 | `tls::certificate::stamp` | whether a file may have changed | files |
//! | 2 | `tls::certificate::select` | names + abilities + time → certificate, and why; pure | tls::certificate::certified, tls::certificate::name, words |
//! | 2 | `tls::certificate::certified` | PEM contents → one certificate with its facts | tls::certificate::name, tls::crypto, tls::wire::fault, tls::certificate::chain, tls::certificate::x509 |
//! | 2 | `tls::certificate::pem` | the bytes of a file → certificates, keys and lists of revoked certificates | – |
//! | 2 | `tls::certificate::name` | names as they are compared | – |
//! | 2 | `tls::wire::hello` | bytes → ClientHello facts | tls::wire::alert, tls::wire::cursor, tls::wire::fault |
//! | 2 | `tls::trust::clients` | clients' certificates: whether they are good, and whose they are | tls::trust::anchor, tls::certificate::certified, tls::certificate::x509, tls::certificate::name, tls::crypto, tls::tickets, tls::wire::fault, words |
//! | 2 | `route::index` | server name and application protocols → which route takes it; pure | tls::certificate::name, words |
//! | 2 | `tls::record` | the record layer: bytes in, bytes out, no I/O | tls::wire::alert, tls::crypto, tls::wire::fault, tls::wire::hello, words |
//! | 2 | `tls::stream` | a finished handshake → a stream of plain bytes | tls::record |
//! | 2 | `tls::tickets` | session ticket keys: rotation, separation, sharing | tls::crypto |
//! | 2 | `tls::handshake::connect` | the client's side of a handshake | tls |
//! | 2 | `tls::trust::servers` | whom to believe as a client | tls::trust::anchor, tls::crypto, tls::wire::fault |
//! | 2 | `tls::trust::anchor` | trusted certificates → which may issue others, and which are believed as they are | tls::certificate::x509 |
//! | 2 | `tls::policy` | AWS's policies, and one's own | tls::wire::codes, tls::crypto, words |
//! | 1 | `tls::crypto` | the only file that names the crypto provider | – |
//! | 1 | `tls::wire::alert` | alerts before any key exists, and their names | – |
//! | 1 | `tls::wire::fault` | rustls's errors → the cause in words, and the alert | tls::wire::alert |
//! | 2 | `backend` | servers, the balance among them, their health, connecting | ldap, tls::trust::servers, tls::handshake::connect, tls::record, tls::stream, net, tls::wire::fault, files, words |
//! | 1 | `ldap` | LDAP as far as a proxy needs it: BER, messages, results | – |
//! | 1 | `files` | reads regular files of bounded size, or a named pipe once; knows what is being read | – |
//! | 1 | `warning` | what is no error but should be known, and about whom | – |
//! | 1 | `limit` | who may connect, how many at a time and how often | – |
//! | 1 | `net` | sockets, buffers and pipes, ways to close | words |
//! | 1 | `observe` | outcomes, access log, metrics, diagnostic log | net, words |
//! | 1 | `words` | enums that are written as words: each word once, beside its enum | – |
//!
//! The control plane (config) and the data plane (proxy, relay, tls, net) meet only in `snapshot`. A connection takes
//! its snapshot once, when it is accepted, and keeps it to the end.

// They panic where nobody reads. The verbs print through `cli::answer::print`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

// What the unit tests share with the fuzz targets names the crate as those do.
#[cfg(test)]
extern crate self as tlsgate;

pub mod admin;
pub mod backend;
pub mod cli;
pub mod config;
pub mod explain;
pub mod files;
pub mod ldap;
pub mod limit;
pub mod net;
pub mod observe;
pub mod proxy;
pub mod relay;
pub mod reload;
pub mod route;
pub mod server;
pub mod snapshot;
pub mod starttls;
pub mod tls;
pub mod warning;
mod words;
