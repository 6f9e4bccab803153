//! Private keys that are not lying about: encrypted with a passphrase, wiped from memory, or in a token.

mod encrypted;
mod token;
mod wiped;
