//! The numbers of version 2 (section 2.2): its signature, commands, families and kinds of TLV. The reader and the
//! writer share them.

/// The first bytes of every header.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version and command in one byte: the connection is the proxy's own.
pub(super) const LOCAL: u8 = 0x20;
/// Version and command in one byte: the connection is a client's.
pub(super) const PROXY: u8 = 0x21;

/// Family and transport in one byte: no addresses follow.
pub(super) const UNSPEC: u8 = 0x00;
pub(super) const TCP4: u8 = 0x11;
pub(super) const TCP6: u8 = 0x21;
pub(super) const UNIX: u8 = 0x31;

/// The kinds of TLV, by the names that the document gives them.
pub(super) mod kind {
    pub(in crate::net::proxy_protocol) const ALPN: u8 = 0x01;
    pub(in crate::net::proxy_protocol) const AUTHORITY: u8 = 0x02;
    pub(in crate::net::proxy_protocol) const CRC32C: u8 = 0x03;
    pub(in crate::net::proxy_protocol) const UNIQUE_ID: u8 = 0x05;
    pub(in crate::net::proxy_protocol) const SSL: u8 = 0x20;
    pub(in crate::net::proxy_protocol) const SSL_VERSION: u8 = 0x21;
    pub(in crate::net::proxy_protocol) const SSL_CN: u8 = 0x22;
    pub(in crate::net::proxy_protocol) const SSL_CIPHER: u8 = 0x23;
    pub(in crate::net::proxy_protocol) const SSL_SIG_ALG: u8 = 0x24;
    pub(in crate::net::proxy_protocol) const SSL_KEY_ALG: u8 = 0x25;
}

/// The checksum of a whole header, with zeros where the sum itself is.
pub(super) const CRC32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
