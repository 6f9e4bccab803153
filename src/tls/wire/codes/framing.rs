//! What records and handshake messages begin with, and how long records may be. Data only.

/// Content types of records (RFC 8446 section 5.1).
pub const CHANGE_CIPHER_SPEC: u8 = 20;
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const APPLICATION_DATA: u8 = 23;

/// Types of handshake messages (RFC 8446 section 4, RFC 5246 section 7.4).
pub const HELLO_REQUEST: u8 = 0;
pub const CLIENT_HELLO: u8 = 1;
pub const SERVER_HELLO: u8 = 2;
pub const NEW_SESSION_TICKET: u8 = 4;
pub const CERTIFICATE: u8 = 11;
pub const SERVER_KEY_EXCHANGE: u8 = 12;
pub const CERTIFICATE_REQUEST: u8 = 13;
pub const SERVER_HELLO_DONE: u8 = 14;
pub const CERTIFICATE_STATUS: u8 = 22;
pub const KEY_UPDATE: u8 = 24;

/// Levels of alerts (RFC 8446 section 6).
pub const WARNING: u8 = 1;
pub const FATAL: u8 = 2;

/// A record's type, version and length (RFC 8446 section 5.1).
pub const RECORD_HEADER: usize = 5;

/// The longest content of one record (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
pub const MAX_FRAGMENT: usize = 1 << 14;

/// A server name's type (RFC 6066 section 3).
pub const HOST_NAME: u8 = 0;
