//! Extensions of handshake messages: numbers and names. Data only.
//!
//! IANA, "TLS ExtensionType Values".

pub const SERVER_NAME: u16 = 0;
pub const STATUS_REQUEST: u16 = 5;
pub const SUPPORTED_GROUPS: u16 = 10;
pub const EC_POINT_FORMATS: u16 = 11;
pub const SIGNATURE_ALGORITHMS: u16 = 13;
/// application_layer_protocol_negotiation
pub const ALPN: u16 = 16;
pub const CLIENT_CERTIFICATE_TYPE: u16 = 19;
pub const SERVER_CERTIFICATE_TYPE: u16 = 20;
pub const PADDING: u16 = 21;
pub const EXTENDED_MASTER_SECRET: u16 = 23;
pub const COMPRESS_CERTIFICATE: u16 = 27;
pub const SESSION_TICKET: u16 = 35;
pub const PRE_SHARED_KEY: u16 = 41;
pub const EARLY_DATA: u16 = 42;
pub const SUPPORTED_VERSIONS: u16 = 43;
pub const COOKIE: u16 = 44;
pub const PSK_KEY_EXCHANGE_MODES: u16 = 45;
pub const CERTIFICATE_AUTHORITIES: u16 = 47;
pub const SIGNATURE_ALGORITHMS_CERT: u16 = 50;
pub const KEY_SHARE: u16 = 51;
pub const QUIC_TRANSPORT_PARAMETERS: u16 = 57;
pub const TICKET_REQUEST: u16 = 58;
pub const ECH_OUTER_EXTENSIONS: u16 = 0xfd00;
pub const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
pub const RENEGOTIATION_INFO: u16 = 0xff01;
/// quic_transport_parameters, as its drafts numbered it.
pub const QUIC_TRANSPORT_PARAMETERS_DRAFT: u16 = 0xffa5;

/// Those that clients send.
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
