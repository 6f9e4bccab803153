//! The file of a TSIG key: the secret in base64 on one line, or a key file as BIND's `tsig-keygen` writes it. Must not know:
//! what is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::acme::settings::TsigAlgorithm;
use crate::words::Words;

/// The contents of a file; the secret is wiped when it is dropped. Not `Debug`: it must never be shown.
#[derive(PartialEq, Eq)]
pub struct Key {
    /// Where the file names it.
    pub algorithm: Option<TsigAlgorithm>,
    pub secret: Zeroizing<Vec<u8>>,
}

/// Reads the key called `name` out of a file's text. No error shows anything that could be a secret.
pub fn parse(text: &str, name: &str) -> Result<Key, String> {
    if !text.contains('{') {
        return Ok(Key { algorithm: None, secret: secret(text.trim())? });
    }
    let mut tokens = Tokens { rest: text };
    let (mut found, mut others) = (None, Vec::new());
    while let Some(token) = tokens.next()? {
        if token != Token::Word("key") {
            return Err("found another statement than `key`, expected only keys".into());
        }
        let (called, key) = tokens.key()?;
        match same_name(called, name) {
            true if found.is_some() => return Err(format!("the key {name:?} is there twice")),
            true => found = Some(key),
            false => others.push(format!("{called:?}")),
        }
    }
    let key =
        found.ok_or_else(|| format!("found the keys {}, expected {name:?}, as in dns.tsig_name", others.join(", ")))?;
    let algorithm = TsigAlgorithm::from_word(&key.algorithm.to_ascii_lowercase()).ok_or_else(|| {
        format!("the key {name:?} is for the algorithm {:?}, expected {}", key.algorithm, TsigAlgorithm::EXPECTED)
    })?;
    Ok(Key { algorithm: Some(algorithm), secret: secret(key.secret)? })
}

fn secret(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    match STANDARD.decode(text).map(Zeroizing::new) {
        Ok(secret) if !secret.is_empty() => Ok(secret),
        Ok(_) => Err("is empty, expected a secret in base64".into()),
        Err(_) => Err("is not base64 on one line, and no BIND key file either".into()),
    }
}

/// Names of keys are DNS names: case and a dot at the end do not count (RFC 8945 section 4.2).
fn same_name(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    bare(one) == bare(other)
}

/// `key NAME { algorithm …; secret …; };`
struct Written<'a> {
    algorithm: &'a str,
    secret: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// With its quotes removed.
    Word(&'a str),
    Open,
    Close,
    End,
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// What follows the word `key`.
    fn key(&mut self) -> Result<(&'a str, Written<'a>), String> {
        let name = self.word("the name of a key")?;
        self.take(Token::Open, "`{` after the name of a key")?;
        let (mut algorithm, mut secret) = (None, None);
        loop {
            let place = match self.next()? {
                Some(Token::Close) => break,
                Some(Token::Word("algorithm")) => &mut algorithm,
                Some(Token::Word("secret")) => &mut secret,
                _ => return Err("expected `algorithm`, `secret` or `}` in a key".into()),
            };
            if place.is_some() {
                return Err("a key has `algorithm` or `secret` twice".into());
            }
            *place = Some(self.word("a value")?);
            self.take(Token::End, "`;` after a value")?;
        }
        self.take(Token::End, "`;` after the `}` of a key")?;
        let algorithm = algorithm.ok_or_else(|| format!("the key {name:?} has no `algorithm`"))?;
        let secret = secret.ok_or_else(|| format!("the key {name:?} has no `secret`"))?;
        Ok((name, Written { algorithm, secret }))
    }

    fn word(&mut self, expected: &str) -> Result<&'a str, String> {
        match self.next()? {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(format!("expected {expected}")),
        }
    }

    fn take(&mut self, token: Token<'_>, expected: &str) -> Result<(), String> {
        match self.next()? {
            Some(found) if found == token => Ok(()),
            _ => Err(format!("expected {expected}")),
        }
    }

    /// `None` at the end of the file.
    fn next(&mut self) -> Result<Option<Token<'a>>, String> {
        self.skip()?;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let punctuation = match first {
            '{' => Some(Token::Open),
            '}' => Some(Token::Close),
            ';' => Some(Token::End),
            _ => None,
        };
        if let Some(token) = punctuation {
            self.rest = &self.rest[1..];
            return Ok(Some(token));
        }
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (word, rest) = quoted.split_once('"').ok_or("a quoted text has no end")?;
            self.rest = rest;
            return Ok(Some(Token::Word(word)));
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"' | '#'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        // `#` begins a comment only between words, and no word begins with it.
        self.rest = rest;
        Ok(Some(Token::Word(word)))
    }

    /// White space, and comments in the three forms that BIND knows.
    fn skip(&mut self) -> Result<(), String> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                self.rest = comment.split_once("*/").ok_or("a comment has no end")?.1;
            } else {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";

    /// As `tsig-keygen` writes it.
    fn written() -> String {
        format!("key \"acme\" {{\n\talgorithm hmac-sha384;\n\tsecret \"{SECRET}\";\n}};\n")
    }

    fn read(text: &str, name: &str) -> Result<(Option<TsigAlgorithm>, usize), String> {
        parse(text, name).map(|key| (key.algorithm, key.secret.len()))
    }

    #[test]
    fn a_secret_on_one_line_and_a_key_file_are_read() {
        assert_eq!(read(&format!("{SECRET}\n"), "acme"), Ok((None, 32)));
        assert_eq!(read(&written(), "ACME."), Ok((Some(TsigAlgorithm::HmacSha384), 32)));
        let commented = format!(
            "// one\n# two\n/* three {{ */ key other {{ secret \"YQ==\"; algorithm hmac-md5; }};\n\
             key acme. {{ secret {SECRET}; algorithm \"HMAC-SHA512\"; }}; # end"
        );
        assert_eq!(read(&commented, "acme"), Ok((Some(TsigAlgorithm::HmacSha512), 32)));
    }

    #[test]
    fn no_prefix_of_a_key_file_is_read_as_one() {
        let text = written();
        let whole = text.trim_end().len();
        for end in 0..whole {
            assert!(parse(&text[..end], "acme").is_err(), "{end}");
        }
        assert!(parse(&text[..whole], "acme").is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named_and_its_secret_is_not() {
        let key = written();
        for (text, expected) in [
            ("", "is empty"),
            ("\n", "is empty"),
            ("not base64!", "is not base64"),
            (&format!("{SECRET}\n{SECRET}"), "is not base64"),
            (&key.replace("acme", "other"), "found the keys \"other\", expected \"acme\""),
            (&key.replace("hmac-sha384", "hmac-md5"), "\"hmac-md5\", expected \"hmac-sha256\""),
            (&key.replace("secret", "password"), "expected `algorithm`, `secret` or `}`"),
            (&key.replace("\talgorithm hmac-sha384;\n", ""), "has no `algorithm`"),
            (&key.replace("key ", "zone "), "expected only keys"),
            (&format!("{key}{key}"), "is there twice"),
            (&key.replace("};", "}"), "`;` after the `}`"),
            (&key.replace(SECRET, "%%%%"), "is not base64"),
        ] {
            let error = read(text, "acme").unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(!error.contains(&SECRET[..8]), "{error}");
        }
    }
}
