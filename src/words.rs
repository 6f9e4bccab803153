//! Enums that are written as words, each declared once, beside its enum. Uses nothing.
//! Must not know: which enums there are, where their words are read or shown.

/// A value that is one of a few words. [`words!`] implements it.
pub trait Words: Copy + 'static {
    /// Every value, in the order in which errors list the words.
    const ALL: &'static [Self];

    /// What to write, for an error: `"server" or "client"`.
    const EXPECTED: &'static str;

    /// The value as it is written.
    fn word(self) -> &'static str;

    /// The value that is written so; `None` for any other text.
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

/// Declares the words of an enum. A variant without a word does not compile:
///
/// ```text
/// words! { CipherOrder { Server => "server", Client => "client" } }
/// ```
///
/// For a tuple struct, the fields take the place of the variant: `words! { Asked { (None) => "off" } }`.
macro_rules! words {
    ($type:ty { $($($variant:ident)? $(($($field:tt)+))? => $word:literal),+ $(,)? }) => {
        impl $type {
            /// As it is written.
            pub(crate) const fn word(self) -> &'static str {
                match self {
                    $(Self $(::$variant)? $(($($field)+))? => $word,)+
                }
            }
        }

        impl $crate::words::Words for $type {
            const ALL: &'static [Self] = &[$(Self $(::$variant)? $(($($field)+))?),+];

            const EXPECTED: &'static str = $crate::words::expected!($($word)+);

            fn word(self) -> &'static str {
                self.word()
            }
        }
    };
}

/// `"a", "b" or "c"`
macro_rules! expected {
    ($only:literal) => { concat!("\"", $only, "\"") };
    ($first:literal $last:literal) => { concat!("\"", $first, "\" or \"", $last, "\"") };
    ($first:literal $($rest:literal)+) => { concat!("\"", $first, "\", ", $crate::words::expected!($($rest)+)) };
}

pub(crate) use {expected, words};

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Size {
        Small,
        Large,
        Huge,
    }

    words! { Size { Small => "small", Large => "large", Huge => "huge" } }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Wish(Option<Size>);

    words! { Wish { (None) => "any", (Some(Size::Small)) => "s", (Some(Size::Large)) => "l", (Some(Size::Huge)) => "h" } }

    #[test]
    fn every_word_leads_back_to_its_value() {
        fn check<T: Words + PartialEq + std::fmt::Debug>(count: usize) {
            assert_eq!(T::ALL.len(), count);
            for value in T::ALL {
                assert_eq!(T::from_word(value.word()), Some(*value));
            }
            assert_eq!((T::from_word(""), T::from_word("SMALL")), (None, None));
        }
        check::<Size>(3);
        check::<Wish>(4);
        assert_eq!(Wish(Some(Size::Large)).word(), "l");
    }

    #[test]
    fn errors_list_the_words_in_the_order_in_which_they_are_declared() {
        assert_eq!(expected!("a"), "\"a\"");
        assert_eq!(expected!("a" "b"), "\"a\" or \"b\"");
        assert_eq!(Size::EXPECTED, "\"small\", \"large\" or \"huge\"");
    }
}
