//! The kinds of values in messages of etcd's JSON gateway: bytes in base64, 64-bit numbers as texts, texts for people, lists.
//! What a member sends may be anything, so each takes little more memory than what was sent, and no error shows a value.
//! Must not know: messages.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::observe::line;

/// Bytes, as base64.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Blob(pub(super) Vec<u8>);

/// A number, as text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Int(pub(super) i64);

/// An identifier, as text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Uint(pub(super) u64);

/// A text for people, which others have written: one line, and not long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words(pub(super) String);

/// A list that has this many at most.
#[derive(Debug)]
pub(super) struct Few<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let mut short: String = text.chars().take(LONGEST_WORDS).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        Self(line::escaped(&short))
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // The text is not shown: it may be a value.
        let decoded = |text: &str| STANDARD.decode(text).map(Self).map_err(|_| "a text that is not base64");
        from.deserialize_str(Text(decoded))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text(|text: &str| Ok(Self::of(text))))
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Number(PhantomData)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Uint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Number(PhantomData)).map(Self)
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(List(PhantomData))
    }
}

struct Text<F>(F);

impl<V, F: FnOnce(&str) -> Result<V, &'static str>> Visitor<'_> for Text<F> {
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// Texts from etcd; numbers too, in case that another gateway writes them.
struct Number<T>(PhantomData<T>);

impl<T: FromStr + TryFrom<i64> + TryFrom<u64>> Visitor<'_> for Number<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of 64 bits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|_| E::custom("a text that is no number of 64 bits"))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::custom("a number that is too small"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::custom("a number that is too large"))
    }
}

struct List<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
    type Value = Few<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut few = Vec::new();
        while let Some(one) = list.next_element()? {
            if few.len() >= MOST {
                return Err(A::Error::invalid_length(MOST + 1, &self));
            }
            few.push(one);
        }
        Ok(Few(few))
    }
}

/// In characters.
const LONGEST_WORDS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_texts_or_numbers_and_nothing_larger() {
        let int = |text: &str| serde_json::from_str::<Int>(text).map(|int| int.0).ok();
        let uint = |text: &str| serde_json::from_str::<Uint>(text).map(|uint| uint.0).ok();
        assert_eq!((int("\"-5\""), int("7"), int("-7")), (Some(-5), Some(7), Some(-7)));
        assert_eq!((uint("\"18446744073709551615\""), uint("7"), uint("-7")), (Some(u64::MAX), Some(7), None));
        for wrong in ["18446744073709551615", "\"x\"", "\"\"", "null", "1.5", "{}"] {
            assert_eq!(int(wrong), None, "{wrong}");
        }
        // What is no number is not kept until it is known that it is none.
        let list = format!("[{}0]", "0,".repeat(1_000));
        assert!(serde_json::from_str::<Int>(&list).unwrap_err().column() < 10);
    }

    #[test]
    fn lists_have_a_bound_and_texts_of_others_are_short_lines() {
        assert_eq!(serde_json::from_str::<Few<Int, 3>>("[1,2,3]").unwrap().0.len(), 3);
        let error = serde_json::from_str::<Few<Int, 3>>("[1,2,3,4,5,6,7,8,9]").unwrap_err();
        assert!(error.to_string().contains("at most 3") && error.column() < 12, "{error}");
        assert_eq!(Words::of("a\u{1b}[2Jb\nc").0, "a\\u{1b}[2Jb\\nc");
        let long = Words::of(&"ä".repeat(200_000)).0;
        assert_eq!(long.chars().count(), LONGEST_WORDS + 1);
        assert_eq!(Words::of(&"ä".repeat(300)).0.chars().count(), 300);
    }
}
