//! tlsgate: a TLS-terminating layer-4 proxy that serves to each client a certificate that it can use.
//!
//! It accepts TCP and Unix connections on its listeners. From the ClientHello it finds the route, and the certificate
//! whose key can sign in one of the client's signature schemes. Then it terminates TLS, or passes the bytes through,
//! and relays them between the client and a server of a backend until both sides have ended, without ever passing a
//! truncated stream off as a complete one. Configuration and certificates are replaced while connections run; `check`,
//! `explain` and `probe` answer in advance what would be served.
//!
//! *A connection* is accepted by [`proxy::listener`], admitted by [`limit`], and led through its stages by
//! [`proxy::connection`]: [`starttls`], the hello ([`tls::wire`]), the route ([`route::index`]), the certificate and
//! the handshake ([`tls::handshake`]), the server ([`backend::connect`]), the [`relay`]. Every end is a
//! [`proxy::ending`], and is reported by [`observe`]; while it is open it is listed in [`live`], and can be closed from
//! there. *A configuration* is read and validated by [`config`], built into a [`snapshot`] and swapped in by
//! [`reload`]; [`server`] starts all of it, [`admin`] shows and changes it, and [`cli`] is in front. *A certificate* is
//! read by [`tls::certificate`] from its source into the store, and chosen by [`tls::certificate::select`] for each
//! hello; [`explain`] takes the same way for a question.
//!
//! # The table of rooms
//!
//! A room is a file or a folder: everything below it that has no row of its own belongs to it. A list of modules needs
//! no row. A file may use the files of its own room, and those of the rooms that its row names; these are further down
//! in the table, never further up. In the last column, `tls` means every room in `tls`. No files use each other in a
//! circle, and that includes a parent and its child. `tests/it/layers.rs` reads this table and checks all of it: also
//! that every file has a row, every row a file, and every name in the last column a use.
//!
//! | floor | room | its one task | may use |
//! |---|---|---|---|
//! | 10 | `main` | exit codes | cli |
//! | 9 | `cli` | one file for each verb: run, acme, ca, check, explain, cert, reload, weights, policy, probe, demo, schema … | cli::ca, cli::check, cli::cert, cli::probe, cli::fleet, cli::load, cli::answer, server, acme::reason, acme::settings, admin::request, explain, convert, monitor, reload, sandbox, snapshot, config, tls, observe::log, files, allocator, rights, net, gate, words, causes, member |
//! | 9 | `cli::ca` | the verbs of a private authority in a folder | cli::answer, authority, acme::settings, tls::certificate::inspect, tls::certificate::x509, files, words |
//! | 9 | `cli::fleet` | releases of a fleet: published, shown, taken back, removed | cli::check, cli::load, cli::answer, sandbox, config, fleet::drive, fleet::transfer, etcd, fleet, tls, files, member |
//! | 9 | `cli::check` | finds everything that is wrong with a configuration, without opening a socket unless it is asked to fetch lists | cli::cert, cli::load, cli::answer, admin::request, snapshot, route::ways, config, tls, files, warning, state, sandbox, lists::attempt, lists::targets, lists::settings, lists::fetch |
//! | 9 | `cli::cert` | the certificates of a configuration or of files, as text and JSON | cli::load, cli::answer, snapshot, config, tls |
//! | 9 | `cli::probe` | what a live server offers, and whether TLS passes through to a backend | cli::load, cli::answer, explain, starttls, tls, files, words |
//! | 9 | `cli::load` | configurations for the verbs, read with a time limit | reload::job, config |
//! | 9 | `cli::answer` | how a verb answers: what it prints, in which form, with which exit code | – |
//! | 8 | `server` | connects the parts: workers, sockets, descriptors, signals, drain, hand-over to another process | admin, reload, proxy, snapshot, route::split, config, acme::keeper, acme::status, acme::responder, backend, tls::certificate::expiry, tls::crypto, tls::token, observe, monitor, net, gate, words, tls::certificate::certified, sandbox, pressure, allocator, live, review, labels, lists::keeper, lists::settings, lists::status, member, acme::share, files |
//! | 7 | `admin` | health, state and changes over HTTP, a page for people, and a door for probes alone: opens both, answers requests; each has its own thread and runtime | admin::page, admin::change, admin::view, admin::request, admin::connection, reload, config, acme::keeper, observe::metrics, net, tls::handshake, pressure, gate, live, lists::keeper, member |
//! | 7 | `admin::page` | the page at `/`: the state for people, and the forms of changes; who has signed in there | admin::request, acme::status, backend::condition, backend::pool, backend::server, config, observe::metrics, pressure, reload, route::ways, snapshot, tls, warning, live, live::call, observe::access, labels, limit, lists::status, member |
//! | 7 | `admin::change` | changes: certificates, servers, connections, reload, drain; and the log of all changes | admin::view, admin::request, admin::connection, reload, route::split, snapshot, config, backend::condition, acme::keeper, acme::reason, tls, files, limit, words, passphrase, live, live::call |
//! | 7 | `admin::view` | what is shown of the state | admin::request, admin::connection, explain, reload, route::ways, snapshot, config, acme::status, backend::pool, tls, pressure, live, live::call, observe::access, lists::status, member |
//! | 7 | `admin::request` | a request from its head to its answer: authorization, paths, the form of answers | admin::connection, config, tls::crypto, files |
//! | 7 | `admin::connection` | the admin server's connections: accepted, limited, secured by TLS, closed if a peer stalls | limit, tls, net, gate |
//! | 6 | `explain` | a question about a client → which certificate it would receive, and why | proxy::ending, snapshot, route, tls, labels, limit, ja4 |
//! | 6 | `member` | this process as a node of a fleet: takes what is published, and keeps what it serves; its own thread and runtime | reload, snapshot, config, fleet::drive, fleet::transfer, etcd, fleet, backend::condition, backend::server, tls::crypto, background, state, files, tls::tickets, acme::share, acme::challenge, acme::responder, tls::handshake |
//! | 6 | `reload` | load → validate → build → swap; after a failure the old state stays | reload::watch, reload::job, snapshot, route, config, tls, background, warning, net, sandbox, files |
//! | 6 | `reload::watch` | watches files and folders, and starts a reload when one changes | config::validate, tls::certificate::source, observe::access, background, files |
//! | 6 | `reload::job` | runs work that waits for files on a separate thread, with a time limit | config::located, files |
//! | 6 | `review` | judges the clients of open connections again; its own thread | snapshot, route::ways, live, tls::trust::clients |
//! | 6 | `proxy::listener` | accepts connections, and waits after errors | proxy::connection, proxy::admission, proxy::ending, proxy::entry, proxy::workers, proxy::heartbeat, proxy::pulse, snapshot, observe::access, observe::metrics, net, pressure, live |
//! | 6 | `proxy::connection` | the life of one connection, top to bottom: its beginning, then the relay | proxy::relaying, proxy::reaching, proxy::admission, proxy::entry, proxy::ending, proxy::proxied, proxy::hello, snapshot, route::split, route::ways, relay, starttls, live, tls::handshake, tls::handshake::challenge, tls::wire, net, gate, ja4 |
//! | 6 | `proxy::reaching` | connects a client to a server of the backend that gets it, or of another one | proxy::entry, proxy::preface, proxy::ending, backend::connect, backend::pool, route::split, starttls, tls::handshake, net, gate |
//! | 6 | `proxy::relaying` | the second half of a connection's life: the relay, then the end of both sides | proxy::entry, proxy::ending, relay, backend::connect, backend::pool, tls::record, net, gate, pressure |
//! | 6 | `proxy::admission` | admits a connection, or returns how it is refused | proxy::ending, snapshot, limit, net, pressure, ja4 |
//! | 6 | `proxy::entry` | collects what is known of one connection, for the log and the metrics | proxy::ending, backend::connect, backend::failure, route::index, tls::certificate::select, tls::trust::clients, tls::record, tls::wire, observe::access, observe::metrics, observe::outcome, limit, net, live, route::split, route::ways, labels, ja4 |
//! | 6 | `proxy::preface` | the PROXY header for a backend | tls::handshake, tls::certificate::certified, observe::access, net |
//! | 6 | `proxy::ending` | why a connection ends: what is recorded, and how both sides are closed | proxy::proxied, proxy::hello, route::ways, relay, backend::connect, backend::pool, starttls, tls::handshake, tls::trust::clients, tls::record, tls::wire, observe::access, observe::outcome, limit, net, live::call |
//! | 6 | `proxy::proxied` | the PROXY header of a proxy in front | net |
//! | 6 | `proxy::hello` | reads the ClientHello from the client's connection | tls::wire, net |
//! | 6 | `proxy::workers` | which worker serves a connection | gate |
//! | 6 | `proxy::heartbeat` | whether tasks make progress: all are asked, each answers | – |
//! | 6 | `proxy::pulse` | a periodic timer that runs while connections arrive | – |
//! | 5 | `snapshot` | `Config` → `Snapshot`, all or nothing; holds the one `ArcSwap` | route, config, acme::publish, backend, starttls, tls, background, feed, files, warning, limit, net, passphrase, labels, ja4, lists::settings |
//! | 5 | `route::ways` | where each route leads | route::split, route::index, tls::handshake, tls::trust::clients, tls::certificate::certified, tls::tickets, tls::wire, labels, limit |
//! | 5 | `route::split` | which of several backends gets a connection, by weights that an operator can change | backend::pool, backend::balance, backend::condition, labels |
//! | 5 | `sandbox` | what the process may use after its start: whom it becomes, files, system calls | config, backend::pool, rights, tls::certificate::source, observe::access, state, net, words |
//! | 4 | `config` | file → `Config` | config::validate, config::file, config::located, files |
//! | 4 | `config::shown` | `Config` → text, with every key as it is written in a file | config::validate, config::values, config::located, backend, route::index, starttls, tls, observe, limit, acme::settings, labels, lists::settings, files |
//! | 4 | `config::validate` | `File` → `Config`; all errors at once | config::file, config::values, config::decode, config::located, backend, route::index, starttls, tls, observe, limit, net, acme::settings, credential, words, passphrase, pressure, labels, ja4, lists::settings, lists::url, etcd |
//! | 4 | `config::file` | the TOML as written, and every default | config::values, config::decode, config::located, backend, route::index, starttls, tls, observe, limit, net, acme::settings, passphrase, pressure, ja4 |
//! | 4 | `config::values` | the kinds of values of keys | config::decode, backend, tls, observe::access, limit, net, words, acme::settings, credential, passphrase, pressure, ja4, lists::url |
//! | 4 | `config::decode` | TOML tables → values, with the place of every error | config::located, words |
//! | 4 | `config::located` | values and errors with their places in a file | – |
//! | 4 | `relay` | bytes both ways after the handshake | tls::record, tls::trust::clients, tls::wire, observe::metrics, net, gate, pressure, live::call |
//! | 3 | `convert` | configurations of HAProxy, nginx, stunnel and hitch → a configuration of tlsgate, and a list of what it lacks; pure | tls::certificate::name, tls::policy, tls::trust::clients, tls::wire, words |
//! | 3 | `fleet::drive` | drives one machine of the fleet over etcd: its lease, what it reads, watches and writes | etcd, fleet |
//! | 3 | `fleet::transfer` | releases ↔ etcd: what is missing is put, what is needed is fetched, all of it verified | etcd, fleet |
//! | 3 | `etcd` | etcd over its JSON gateway: reads, transactions, leases, watches | fleet, tls::handshake::connect, tls::certificate::certified, tls::certificate::pem, tls::trust::servers, tls::trust::roots, tls::stream, tls::record, files, net, gate, observe::line, causes |
//! | 3 | `fleet` | releases that several processes share through a store: who proposes, prepares, commits and follows them; pure | tls::crypto |
//! | 3 | `authority` | a private authority in a folder: issues certificates, revokes them, signs lists | acme::settings, tls::encrypted, tls::certificate::inspect, tls::certificate::certified, tls::certificate::x509, tls::certificate::pem, tls::certificate::name, tls::crypto, state, files, words |
//! | 3 | `lists::keeper` | keeps lists of revoked certificates: fetches them in time, and keeps the last good ones; its own thread and runtime | lists::attempt, lists::targets, lists::kept, lists::memory, lists::fetch, lists::authorities, lists::schedule, lists::status, lists::settings, lists::trouble, lists::url, acme::clock, tls::trust::lists, tls::certificate::x509, tls::crypto, state, background, files |
//! | 3 | `lists::attempt` | one attempt to get one list: asks its addresses, and proves what comes | lists::targets, lists::kept, lists::fetch, lists::authorities, lists::settings, lists::trouble, lists::url, tls::trust::lists |
//! | 3 | `lists::targets` | which lists are to be fetched, from the settings, the certificates of CAs and what peers have shown | lists::authorities, lists::settings, lists::url, tls::trust::lists |
//! | 3 | `lists::authorities` | the files of CAs → their certificates, and where their lists are | tls::trust::lists, tls::certificate::x509, tls::certificate::pem, files |
//! | 3 | `lists::kept` | what was fetched → a list that may take the place of the one that is kept; pure | tls::trust::lists, tls::certificate::x509, tls::certificate::pem |
//! | 3 | `lists::memory` | what is remembered of lists across restarts | lists::fetch, lists::schedule, lists::url, tls::trust::lists, state |
//! | 3 | `lists::fetch` | one list over HTTP: bounded in time, in size and in redirects | lists::connect, lists::settings, lists::trouble, lists::url, causes |
//! | 3 | `lists::connect` | the way to a server of lists: straight or through a proxy, with TLS or without | lists::settings, lists::url, tls::handshake::connect, tls::trust::servers, tls::stream, tls::record, gate, tls::trust::roots |
//! | 3 | `lists::trouble` | why a list could not be fetched, in words | – |
//! | 3 | `lists::schedule` | when a list is fetched next; pure | – |
//! | 3 | `lists::status` | what is known of every list that is fetched, for who shows it | lists::url, words |
//! | 3 | `lists::settings` | which lists are fetched, and how | lists::url |
//! | 3 | `lists::url` | URLs of the web | tls::crypto |
//! | 3 | `acme::keeper` | keeps certificates: orders, renews, revokes them in time; its own thread and runtime | acme::order, acme::account, acme::challenge, acme::renewal, acme::issued, acme::directory, acme::memory, acme::http, acme::trouble, acme::schedule, acme::status, acme::responder, acme::lookup, acme::settings, acme::clock, backend::discover, tls::handshake, tls::certificate::x509, state, background, monitor, acme::share |
//! | 3 | `acme::order` | one order for one certificate, from its beginning to the files, resumed after a crash | acme::account, acme::challenge, acme::issued, acme::memory, acme::http, acme::trouble, acme::settings, acme::clock, tls::crypto, state, tls::certificate::pem |
//! | 3 | `acme::account` | the account at an authority: found again, made, bound to another, given another key | acme::directory, acme::memory, acme::http, acme::trouble, acme::answer, acme::schedule, acme::settings, acme::clock, tls::crypto, state, files |
//! | 3 | `acme::challenge` | answers to an authority's challenges: built, put up, tried from here, taken down | acme::responder, acme::check, acme::lookup, acme::publish, acme::settings, tls::handshake, tls::certificate::name, tls::crypto, monitor, acme::share |
//! | 3 | `acme::renewal` | when an authority proposes to renew a certificate (RFC 9773) | acme::issued, acme::http, acme::trouble |
//! | 3 | `acme::issued` | whether what an authority has issued can be served, and what is known of it | acme::schedule, acme::settings, tls::certificate::certified, tls::certificate::chain, tls::certificate::x509, tls::certificate::pem, tls::certificate::name |
//! | 3 | `acme::directory` | what an authority offers, and whether it fits what is asked of it | acme::http, acme::trouble, acme::settings |
//! | 3 | `acme::memory` | what is remembered of certificates and accounts across restarts | acme::schedule, acme::status, acme::settings, tls::crypto, state |
//! | 3 | `acme::http` | HTTPS requests to an authority, each with limits | acme::trouble, acme::answer, acme::settings, acme::clock, tls::trust::servers, tls::crypto, tls::trust::roots, causes, acme::share |
//! | 3 | `acme::trouble` | why something that an authority was asked for failed, in words | acme::answer, causes |
//! | 3 | `acme::answer` | an authority's answer to one request | – |
//! | 3 | `acme::schedule` | when a certificate is renewed, and when an attempt that failed is made again; pure | acme::status |
//! | 3 | `acme::status` | what is known of every certificate and authority, for who shows it | acme::settings, words |
//! | 3 | `acme::responder` | answers http-01, and redirects everything else to https; its own thread and runtime | tls::certificate::name, net |
//! | 3 | `acme::check` | the check from here before an authority is asked to check; dns-persist-01's record | acme::lookup, acme::settings, tls::handshake::challenge, tls::certificate::name, tls::wire, tls::crypto, causes |
//! | 3 | `acme::lookup` | look-ups for checks: TXT records, aliases, addresses, a zone's name servers | backend::discover |
//! | 3 | `acme::publish` | publishes records in the DNS: by updates with a signature, or with a program | acme::settings, files, monitor, words |
//! | 3 | `acme::reason` | why a certificate is revoked | words |
//! | 3 | `acme::share` | what orders share with other processes that serve the same certificates | – |
//! | 3 | `acme::settings` | which authorities are used, and which certificates are to be kept | tls::certificate::name, tls::crypto, net, words |
//! | 3 | `acme::clock` | the time of day, which tests replace | – |
//! | 3 | `backend::upkeep` | looks up names and checks the health of servers; its own thread and runtime | backend::pool, backend::server, backend::verdict, backend::health, backend::lookup, backend::discover, backend::condition, net |
//! | 3 | `backend::connect` | connects to a server of a pool, and to another one if that fails | backend::pool, backend::server, backend::failure, starttls, tls::record, tls::stream, net, gate |
//! | 3 | `backend::pool` | the servers of one backend, shared by all of its connections | backend::server, backend::health, backend::lookup, backend::discover, backend::condition, backend::balance, starttls, tls::handshake::connect, net, words, labels |
//! | 3 | `backend::server` | one server: its connections and its condition | backend::verdict, backend::health, backend::condition, net |
//! | 3 | `backend::verdict` | consecutive results of health checks → whether a server is up; pure | backend::health, backend::condition, tls::certificate::expiry, tls::trust::servers |
//! | 3 | `backend::health` | one health check: TCP, TLS, HTTP, LDAP | backend::failure, starttls, tls::handshake::connect, tls::trust::servers, tls::stream, tls::record, tls::wire, ldap, net, gate |
//! | 3 | `backend::failure` | the reasons why no connection could be made | tls::handshake::connect, net |
//! | 3 | `backend::lookup` | the last good answer of a source of servers, kept over reloads | backend::discover |
//! | 3 | `backend::discover` | DNS names → servers, and how long the answer is valid | files |
//! | 3 | `backend::condition` | what is known of a server: its state, its health, failed connections; pure | – |
//! | 3 | `backend::balance` | which of several servers gets the next connection | words |
//! | 3 | `route::index` | server name and application protocols → the route that takes the connection; pure | tls::handshake::challenge, tls::certificate::name, words |
//! | 3 | `live` | the open connections: what is known of each, which of them are meant, asking these to end | live::call, observe::access, observe::metrics, tls::trust::clients, tls::certificate::certified, tls::crypto, net, ja4 |
//! | 3 | `live::call` | how a connection is asked to end by whoever does not serve it | tls::trust::clients, words |
//! | 3 | `starttls` | the exchange in the clear before TLS begins, on the server's side and on the client's | ldap, net, words |
//! | 2 | `tls::handshake::challenge` | pending challenges of certificate authorities (tls-alpn-01), and the answer to them | tls::handshake, tls::record, tls::policy, tls::wire, gate |
//! | 2 | `tls::handshake::connect` | the client's side of a handshake | tls::handshake, tls::trust::servers, tls::record, tls::policy, tls::token, tls::wire, tls::crypto, gate, tls::trust::lists |
//! | 2 | `tls::handshake` | the server's side of a handshake: agrees on terms, chooses the certificate, terminates TLS | tls::certificate::select, tls::trust::clients, tls::certificate::certified, tls::tickets, tls::record, tls::policy, tls::token, tls::wire, gate |
//! | 2 | `tls::certificate::inventory` | a certificate file → facts, chain and whether its key is there | tls::certificate::inspect, tls::certificate::certified, tls::certificate::chain, tls::certificate::x509, tls::certificate::pem, tls::crypto, files |
//! | 2 | `tls::certificate::source` | the sources of certificates: one file for each kind | tls::certificate::store, tls::certificate::name, files, warning, passphrase, tls::certificate::place, tls::token::uri |
//! | 2 | `tls::certificate::store` | the files of certificates → certificates; keeps the last good ones | tls::certificate::stamp, tls::certificate::select, tls::certificate::certified, tls::certificate::x509, tls::certificate::pem, tls::certificate::name, tls::crypto, files, warning, tls::certificate::unlock, passphrase, tls::certificate::place, tls::token |
//! | 2 | `tls::certificate::stamp` | whether a file may have changed | files |
//! | 2 | `tls::certificate::unlock` | encrypted private keys → private keys, with the passphrases that an operator has named | tls::encrypted, tls::certificate::pem, tls::crypto, passphrase |
//! | 2 | `tls::certificate::select` | names + what the client offers + time → certificate, and why; pure | tls::certificate::certified, tls::certificate::name, words |
//! | 2 | `tls::certificate::expiry` | when certificates expire, and whether that is soon | tls::certificate::inspect, tls::certificate::certified |
//! | 2 | `tls::certificate::inspect` | DER → what is shown of any certificate | tls::certificate::certified, tls::certificate::x509, tls::crypto |
//! | 2 | `tls::trust::clients` | clients' certificates: whether they are accepted, and their owners | tls::trust::lists, tls::trust::anchor, tls::certificate::x509, tls::certificate::name, tls::tickets, tls::wire, tls::crypto, words |
//! | 2 | `tls::trust::roots` | whom to trust as a root: the certificates in a file, or the system's | tls::certificate::pem, files |
//! | 2 | `tls::trust::servers` | which servers tlsgate trusts when it connects as a client | tls::trust::lists, tls::trust::anchor, tls::wire, tls::crypto |
//! | 2 | `tls::trust::lists` | lists of revoked certificates: which CA signed each, whether it can be used, where lists are | tls::certificate::certified, tls::trust::anchor, tls::certificate::x509, tls::wire, tls::crypto, words |
//! | 2 | `tls::certificate::certified` | the contents of PEM files → one certificate with its facts | tls::certificate::chain, tls::certificate::x509, tls::certificate::name, tls::crypto, tls::certificate::pem, tls::token |
//! | 2 | `tls::certificate::chain` | certificates → the chain from the server's certificate to a root | tls::certificate::x509, tls::crypto |
//! | 2 | `tls::trust::anchor` | trusted certificates → which of them may issue others, and which are trusted themselves | tls::certificate::x509 |
//! | 2 | `tls::certificate::x509` | one certificate in DER → its parts and its issuer | tls::crypto |
//! | 2 | `tls::encrypted` | private keys encrypted with a passphrase ↔ private keys | tls::certificate::pem, tls::crypto |
//! | 2 | `tls::certificate::place` | where a private key is: in a file, or in a token | tls::token::uri, files |
//! | 2 | `tls::token` | private keys in PKCS#11 tokens: found, proved, and used to sign on threads of their own | tls::token::uri, tls::crypto, passphrase, files |
//! | 2 | `tls::token::uri` | `pkcs11:` URIs ↔ which private key is meant, and where its module and PIN are; pure | passphrase, words |
//! | 2 | `tls::certificate::pem` | the bytes of a file → certificates, keys and revocation lists | – |
//! | 2 | `tls::certificate::name` | names of certificates, and how they are compared | – |
//! | 2 | `tls::tickets` | session ticket keys: rotation, separation, sharing; sessions by id | tls::crypto |
//! | 2 | `tls::stream` | a completed handshake → a stream of plain bytes | tls::record, tls::wire |
//! | 2 | `tls::record` | the record layer: bytes in, bytes out, no I/O | tls::wire, tls::crypto, words |
//! | 2 | `tls::policy` | AWS's policies, and custom ones | tls::wire, tls::crypto, words |
//! | 2 | `tls::wire` | bytes ↔ facts: code points and their names, alerts and what causes them, hellos read and written | tls::crypto, ja4 |
//! | 2 | `tls::crypto` | the only room that names the crypto provider: keys that sign, hashes, ciphers, keys from passphrases | – |
//! | 1 | `observe::access` | the access log: its fields, formats and targets; its own thread | observe::outcome, observe::line, net, words, labels, ja4 |
//! | 1 | `observe::metrics` | counters and histograms for Prometheus | observe::outcome |
//! | 1 | `observe::outcome` | who ended a connection, and in which phase | – |
//! | 1 | `observe::log` | the diagnostic log | observe::line, words |
//! | 1 | `observe::line` | keeps a record one line, whatever it contains | – |
//! | 1 | `gate` | turns for costly work on a worker's thread, so that others are not held up | – |
//! | 1 | `pressure` | how much memory and how many descriptors there are, and who gives way before they are used up | allocator, limit, words |
//! | 1 | `allocator` | the allocator: what it reports, its thread, what it gives back | – |
//! | 1 | `rights` | gives up the rights of the start: user, groups, capabilities | – |
//! | 1 | `passphrase` | where passphrases and PINs come from, and what is read there: files, credentials, programs | files, credential, monitor |
//! | 1 | `monitor` | the process that keeps the rights of the start, and the way to it | files, net |
//! | 1 | `state` | the folder in which tlsgate keeps what it must not lose: private, whole files, one writer | files |
//! | 1 | `files` | reads regular files of bounded size, folders, or a pipe once, itself or by who stands in for it; knows which file a thread reads, and whether somebody has changed the files of a folder | – |
//! | 1 | `background` | work that must not hold up those who serve: at a lower priority, and drops on a thread of its own | – |
//! | 1 | `warning` | what is not an error but has to be reported, and its subject | – |
//! | 1 | `credential` | names of secrets that the service manager passes → their paths | – |
//! | 1 | `ldap` | LDAP as far as a proxy needs it: BER, messages, results | – |
//! | 1 | `feed` | an operator's list in a file, one entry on each line → its entries; pure | – |
//! | 1 | `labels` | the labels of listeners, routes and backends, and which of them count for a connection; pure | – |
//! | 1 | `limit` | which clients may connect, how many at a time and how often | ja4 |
//! | 1 | `ja4` | JA4, the fingerprint of a TLS client, as a text; pure | – |
//! | 1 | `net::proxy_protocol` | the PROXY protocol: bytes ↔ facts | net, words |
//! | 1 | `net` | sockets, buffers, pipes, ways to close | – |
//! | 1 | `causes` | an error with everything that caused it, in one line; pure | – |
//! | 1 | `words` | enums that are written as words: each word is defined once, with its enum | – |
//!
//! The control plane (`config`) and the data plane (`proxy`, `relay`, `tls`, `net`) meet only in `snapshot`. A
//! connection takes its snapshot once, when it is accepted, and keeps it until it ends.

// `println!` panics if its reader is gone. The verbs print through `cli::answer::print`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

// Code that the unit tests share with the fuzz targets names the crate as those do.
#[cfg(test)]
extern crate self as tlsgate;

pub mod acme;
pub mod admin;
pub mod allocator;
pub mod authority;
pub mod backend;
pub mod background;
pub mod causes;
pub mod cli;
pub mod config;
pub mod convert;
pub mod credential;
pub mod etcd;
pub mod explain;
pub mod feed;
pub mod files;
pub mod fleet;
pub mod gate;
pub mod ja4;
pub mod labels;
pub mod ldap;
pub mod limit;
pub mod lists;
pub mod live;
pub mod member;
pub mod monitor;
pub mod net;
pub mod observe;
pub mod passphrase;
pub mod pressure;
pub mod proxy;
pub mod relay;
pub mod reload;
pub mod review;
pub mod rights;
pub mod route;
pub mod sandbox;
pub mod server;
pub mod snapshot;
pub mod starttls;
pub mod state;
pub mod tls;
pub mod warning;
mod words;
