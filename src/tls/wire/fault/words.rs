//! Names of types as words, for what rustls and webpki have no text for. Must not know: which errors there are.

use crate::tls::wire::alert;

/// A name in camel case, as rustls gives its variants, as words. What follows the name (`Variant(…)`) is left out.
pub(super) fn spelled(debug: &str) -> String {
    let name = debug.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    alert::snake(name).replace('_', " ")
}

/// A text that was written for readers as it is; one that is a type's name (as webpki's errors are) spelled out.
pub(super) fn plain(text: &str) -> String {
    let first = text.split([' ', ':']).next().unwrap_or_default();
    let is_name = first.starts_with(|letter: char| letter.is_ascii_uppercase())
        && first.chars().filter(char::is_ascii_uppercase).count() > 1
        && first.contains(|letter: char| letter.is_ascii_lowercase());
    if is_name { spelled(text) } else { text.to_owned() }
}
