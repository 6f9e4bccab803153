//! The first bytes of records and handshake messages, and how long records may be. Data only.

/// Content type of a record (RFC 8446 section 5.1): a change of keys in TLS 1.2; without meaning in TLS 1.3.
pub const CHANGE_CIPHER_SPEC: u8 = 20;
/// Content type of a record: an alert.
pub const ALERT: u8 = 21;
/// Content type of a record: handshake messages, or parts of one.
pub const HANDSHAKE: u8 = 22;
/// Content type of a record: data. In TLS 1.3 the header of every encrypted record has it.
pub const APPLICATION_DATA: u8 = 23;

/// Type of a handshake message (RFC 5246 section 7.4): the server asks for a renegotiation. TLS 1.2 only.
pub const HELLO_REQUEST: u8 = 0;
/// Type of a handshake message (RFC 8446 section 4), as are those below: the client's offer.
pub const CLIENT_HELLO: u8 = 1;
/// The server's choice; a HelloRetryRequest has this type too.
pub const SERVER_HELLO: u8 = 2;
/// A session ticket from the server.
pub const NEW_SESSION_TICKET: u8 = 4;
/// What the server adds about the connection, encrypted. TLS 1.3 only.
pub const ENCRYPTED_EXTENSIONS: u8 = 8;
/// The sender's certificates, its own first.
pub const CERTIFICATE: u8 = 11;
/// The server's key for the key exchange, signed. TLS 1.2 only.
pub const SERVER_KEY_EXCHANGE: u8 = 12;
/// The server asks for a client certificate.
pub const CERTIFICATE_REQUEST: u8 = 13;
/// The server's first messages are complete. TLS 1.2 only.
pub const SERVER_HELLO_DONE: u8 = 14;
/// The signature over the handshake, with the key of the certificate.
pub const CERTIFICATE_VERIFY: u8 = 15;
/// The end of the sender's handshake.
pub const FINISHED: u8 = 20;
/// An OCSP response (RFC 6066 section 8). TLS 1.2 only.
pub const CERTIFICATE_STATUS: u8 = 22;
/// The sender changes its keys. TLS 1.3 only.
pub const KEY_UPDATE: u8 = 24;

/// The sender's certificates, compressed (RFC 8879 section 4). TLS 1.3 only.
pub const COMPRESSED_CERTIFICATE: u8 = 25;

/// Level of an alert (RFC 8446 section 6): the connection may go on.
pub const WARNING: u8 = 1;
/// Level of an alert: the connection has ended.
pub const FATAL: u8 = 2;

/// The length of a record's header: type, version and length (RFC 8446 section 5.1).
pub const RECORD_HEADER: usize = 5;

/// The longest content of one record, in bytes (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
pub const MAX_FRAGMENT: usize = 1 << 14;

/// A server name's type (RFC 6066 section 3).
pub const HOST_NAME: u8 = 0;
