//! Private keys in a PKCS#11 token, which is SoftHSM's.

mod away;
mod restricted;
mod scene;
mod served;
mod shown;
mod wrong;
