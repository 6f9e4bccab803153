//! The check from here before an authority is asked to check: whether it would find the right answer to a challenge. Must not
//! know: orders, what is done with the result.

mod dns;
mod every;
mod http;
mod persist;
mod result;
mod tls_alpn;

pub use dns::dns;
pub use http::http;
pub use persist::{hashed_account, persist, persist_matches, persist_record};
pub use result::Checked;
pub use tls_alpn::tls_alpn;
