//! Lists as they are given to a judge, each with where it is from. Must not know: what is in them.

use rustls::pki_types::CertificateRevocationListDer;

/// A list, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub der: CertificateRevocationListDer<'static>,
    pub origin: Origin,
}

/// Where a list is from, which decides what a fault of it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A file that an operator has named. It must be good.
    File,
    /// A URL that an operator has named. One that cannot be used is left out: what a server on the network sends must not
    /// stop a reload.
    Url,
    /// A distribution point in some certificate. It may be the list of a CA that is trusted elsewhere alone.
    Point,
}

impl Given {
    /// A list out of a file.
    pub fn file(der: CertificateRevocationListDer<'static>) -> Self {
        Self { der, origin: Origin::File }
    }
}

impl AsRef<[u8]> for Given {
    fn as_ref(&self) -> &[u8] {
        self.der.as_ref()
    }
}
