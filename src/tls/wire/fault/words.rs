//! The names of types, written as words, for errors to which rustls and webpki give no text. Must not know: the errors.

use crate::tls::wire::alert;

/// A variant's name in camel case → words. What follows the name (`Variant(…)`) is left out.
pub(super) fn spelled(debug: &str) -> String {
    let name = debug.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    alert::snake(name).replace('_', " ")
}

/// A text for readers is returned unchanged; a type's name (webpki's errors are such) is written as words.
pub(super) fn plain(text: &str) -> String {
    let first = text.split([' ', ':']).next().unwrap_or_default();
    let is_name = first.starts_with(|letter: char| letter.is_ascii_uppercase())
        && first.chars().filter(char::is_ascii_uppercase).count() > 1
        && first.contains(|letter: char| letter.is_ascii_lowercase());
    if is_name { spelled(text) } else { text.to_owned() }
}
