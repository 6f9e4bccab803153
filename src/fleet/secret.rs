//! The fleet's secrets as they are written in a file: one on each line, the first of them seals. Pure.
//!
//! Must not know: where the file is, what is sealed.

use zeroize::Zeroizing;

use crate::tls::crypto::derive;

/// A secret.
pub type Secret = Zeroizing<[u8; LENGTH]>;

/// Why a text is not a list of secrets. It contains nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("line {line}: found {found}, expected a secret of {DIGITS} hexadecimal digits")]
    Line { line: usize, found: String },
    #[error("found {found} secrets, expected one, or two while it is changed, each on a line of its own")]
    Count { found: usize },
    #[error("found the same secret twice, expected two different ones")]
    Twice,
}

/// Reads a whole file. Empty lines count for nothing.
pub fn parse(text: &str) -> Result<Vec<Secret>, SecretError> {
    let lines =
        text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())).filter(|(_, line)| !line.is_empty());
    let secrets = lines.map(|(line, text)| one(line, text)).collect::<Result<Vec<_>, _>>()?;
    match secrets.as_slice() {
        [_] => Ok(secrets),
        [one, other] if one != other => Ok(secrets),
        [_, _] => Err(SecretError::Twice),
        other => Err(SecretError::Count { found: other.len() }),
    }
}

/// What a secret is for the fleet with this prefix: fleets that have one secret in common must not take each other's releases.
/// `None` where the crypto provider refuses.
pub fn of_fleet(secret: &Secret, prefix: &str) -> Option<Secret> {
    derive(&**secret, b"tlsgate fleet", &[b"fleet ", prefix.as_bytes()].concat())
}

fn one(line: usize, text: &str) -> Result<Secret, SecretError> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| Some(c.to_digit(16)?.to_le_bytes()[0])).collect();
    let wrong = |found: String| SecretError::Line { line, found };
    let digits = digits.map(Zeroizing::new).ok_or_else(|| wrong("another character".into()))?;
    let mut secret = Zeroizing::new([0; LENGTH]);
    if digits.len() != DIGITS {
        return Err(wrong(format!("{} digits", digits.len())));
    }
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        if let [high, low] = pair {
            *byte = high << 4 | low;
        }
    }
    Ok(secret)
}

/// In bytes.
const LENGTH: usize = 32;

const DIGITS: usize = 2 * LENGTH;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_or_two_are_read_and_what_is_wrong_is_not_shown() {
        let (one, other) = ("0123456789abcdef".repeat(4), "FF".repeat(32));
        assert_eq!(parse(&one).unwrap()[0][..9], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01]);
        assert_eq!(parse(&format!("\n{other}\r\n{one}\n")).unwrap().len(), 2);
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert!(error("").starts_with("found 0 secrets"));
        assert!(error(&format!("{one}\n{other}\n{}", "aa".repeat(32))).starts_with("found 3 secrets"));
        assert!(error(&format!("{one}\n{one}")).starts_with("found the same secret twice"));
        for wrong in [&one[1..], &format!("{one}0"), &format!("{}x", &one[1..]), "hunter2"] {
            let error = error(wrong);
            assert!(error.starts_with("line 1: found ") && !error.contains("hunter2"), "{error}");
        }
    }
}
