//! A private authority in a folder: its root, its issuing certificates, what it has issued and revoked.
//!
//! | file | |
//! |---|---|
//! | `ca.pem`, `ca.key` | the root: whoever trusts the authority trusts this certificate |
//! | `issuing/SERIAL.pem`, `.key` | certificates of the root that issue to servers and clients; the newest does |
//! | `issuers.pem` | the root and all issuing certificates, for those who verify clients with lists |
//! | `issued/SERIAL.pem` | what was issued |
//! | `crl.pem`, `crl/SERIAL.crl` | the lists of revoked certificates of all issuers, together and by issuer |
//! | `authority.json` | settings, which issuing certificate is the newest, and what was revoked |
//!
//! The last one decides. `issuers.pem` and the lists follow from it, and can be written again at any time. So each change
//! is: write what is new, write `authority.json`, write what follows; a crash in between loses nothing.
//! Must not know: arguments, terminals, what is printed.

pub mod build;
pub mod error;
pub mod index;
pub mod issue;
pub mod issued;
pub mod key;
pub mod list;
pub mod new;
pub mod open;
pub mod permit;
pub mod publish;
pub mod renew;
pub mod request;
pub mod revoke;
pub mod subject;
