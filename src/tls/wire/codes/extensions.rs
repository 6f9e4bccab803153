//! Extensions of handshake messages: numbers and names. Data only.
//!
//! IANA, "TLS ExtensionType Values".

/// RFC 6066 section 3: the name of the server that the client connects to.
pub const SERVER_NAME: u16 = 0;
/// RFC 6066 section 8: a request for an OCSP response.
pub const STATUS_REQUEST: u16 = 5;
/// RFC 8446 section 4.2.7: the key exchange groups offered.
pub const SUPPORTED_GROUPS: u16 = 10;
/// RFC 8422 section 5.1.2: the encodings of points on curves (TLS 1.2).
pub const EC_POINT_FORMATS: u16 = 11;
/// RFC 8446 section 4.2.3: the signature schemes for the handshake.
pub const SIGNATURE_ALGORITHMS: u16 = 13;
/// RFC 7301 section 3.1: `application_layer_protocol_negotiation`, the application protocols offered.
pub const ALPN: u16 = 16;
/// RFC 7250 section 3: the types of client certificate, X.509 or raw public key.
pub const CLIENT_CERTIFICATE_TYPE: u16 = 19;
/// RFC 7250 section 3: the types of server certificate, X.509 or raw public key.
pub const SERVER_CERTIFICATE_TYPE: u16 = 20;
/// RFC 7685: zeros that only make the ClientHello longer.
pub const PADDING: u16 = 21;
/// RFC 7627: binds the keys of TLS 1.2 to the whole handshake.
pub const EXTENDED_MASTER_SECRET: u16 = 23;
/// RFC 8879: the algorithms for compressed certificates.
pub const COMPRESS_CERTIFICATE: u16 = 27;
/// RFC 5077: a ticket of TLS 1.2, or a request for one.
pub const SESSION_TICKET: u16 = 35;
/// RFC 8446 section 4.2.11: the tickets of TLS 1.3 that the client offers; always the last extension.
pub const PRE_SHARED_KEY: u16 = 41;
/// RFC 8446 section 4.2.10: data before the handshake is done.
pub const EARLY_DATA: u16 = 42;
/// RFC 8446 section 4.2.1: the TLS versions offered.
pub const SUPPORTED_VERSIONS: u16 = 43;
/// RFC 8446 section 4.2.2: from a HelloRetryRequest, sent back in the second ClientHello.
pub const COOKIE: u16 = 44;
/// RFC 8446 section 4.2.9: how pre-shared keys may be used.
pub const PSK_KEY_EXCHANGE_MODES: u16 = 45;
/// RFC 8446 section 4.2.4: the names of CAs that the sender accepts.
pub const CERTIFICATE_AUTHORITIES: u16 = 47;
/// RFC 8446 section 4.2.3: the signature schemes in certificates, where they differ from the handshake's.
pub const SIGNATURE_ALGORITHMS_CERT: u16 = 50;
/// RFC 8446 section 4.2.8: public keys for the key exchange, by group.
pub const KEY_SHARE: u16 = 51;
/// RFC 9001 section 8.2.
pub const QUIC_TRANSPORT_PARAMETERS: u16 = 57;
/// RFC 9149: how many session tickets the client requests.
pub const TICKET_REQUEST: u16 = 58;
/// RFC 9849 section 5.1: extensions that an encrypted ClientHello takes from the outer one.
pub const ECH_OUTER_EXTENSIONS: u16 = 0xfd00;
/// RFC 9849 section 5.
pub const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// RFC 5746 section 3.2: the sender supports secure renegotiation (TLS 1.2).
pub const RENEGOTIATION_INFO: u16 = 0xff01;
/// `quic_transport_parameters` under the number of its drafts. rustls reads this one too.
pub const QUIC_TRANSPORT_PARAMETERS_DRAFT: u16 = 0xffa5;

/// The extensions that clients send. Others appear in messages by their numbers.
pub(super) const NAMES: &[(u16, &str)] = &[
    (SERVER_NAME, "server_name"),
    (1, "max_fragment_length"),
    (STATUS_REQUEST, "status_request"),
    (SUPPORTED_GROUPS, "supported_groups"),
    (EC_POINT_FORMATS, "ec_point_formats"),
    (SIGNATURE_ALGORITHMS, "signature_algorithms"),
    (ALPN, "application_layer_protocol_negotiation"),
    (18, "signed_certificate_timestamp"),
    (CLIENT_CERTIFICATE_TYPE, "client_certificate_type"),
    (SERVER_CERTIFICATE_TYPE, "server_certificate_type"),
    (22, "encrypt_then_mac"),
    (EXTENDED_MASTER_SECRET, "extended_master_secret"),
    (COMPRESS_CERTIFICATE, "compress_certificate"),
    (28, "record_size_limit"),
    (SESSION_TICKET, "session_ticket"),
    (PRE_SHARED_KEY, "pre_shared_key"),
    (EARLY_DATA, "early_data"),
    (SUPPORTED_VERSIONS, "supported_versions"),
    (COOKIE, "cookie"),
    (PSK_KEY_EXCHANGE_MODES, "psk_key_exchange_modes"),
    (CERTIFICATE_AUTHORITIES, "certificate_authorities"),
    (49, "post_handshake_auth"),
    (SIGNATURE_ALGORITHMS_CERT, "signature_algorithms_cert"),
    (KEY_SHARE, "key_share"),
    (ENCRYPTED_CLIENT_HELLO, "encrypted_client_hello"),
    (RENEGOTIATION_INFO, "renegotiation_info"),
];
