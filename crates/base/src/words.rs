//! Words: closed lists of spellings, one list for both directions.

use std::fmt;

/// A value that is written as one word of a closed list.
pub trait Word: Copy + Eq + Sized + 'static {
    /// Every spelling with its value, in the order of the reference's list.
    const WORDS: &'static [(&'static str, Self)];

    /// The value a spelling stands for.
    fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    }

    /// The spelling of a value.
    fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }

    /// The place of the value in the list, from 0.
    fn index(self) -> usize {
        Self::WORDS.iter().position(|(_, value)| *value == self).unwrap_or_default()
    }
}

/// Declares enums whose variants are words:
///
/// ```
/// ostler_base::words! {
///     /// `<tpm model='…'>`
///     pub TpmModel { Tis = "tpm-tis", Crb = "tpm-crb" }
/// }
/// use ostler_base::Word;
/// assert_eq!(TpmModel::parse("tpm-crb"), Some(TpmModel::Crb));
/// assert_eq!(TpmModel::Crb.as_str(), "tpm-crb");
/// ```
#[macro_export]
macro_rules! words {
    ($($(#[$meta:meta])* $vis:vis $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
            $vis enum $name { $($(#[$vmeta])* #[doc = $word] $variant),+ }

            impl $crate::Word for $name {
                const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$variant)),+];

                fn as_str(self) -> &'static str {
                    match self { $($name::$variant => $word),+ }
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str($crate::Word::as_str(*self))
                }
            }
        )+
    };
}

/// The words of a list, for a message: `a, b, c`.
pub fn allowed<W: Word>() -> String {
    W::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}

macro_rules! truth {
    ($(#[$meta:meta])* $name:ident, $yes:ident = $yes_word:literal, $no:ident = $no_word:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            #[doc = $yes_word]
            $yes,
            #[doc = $no_word]
            $no,
        }

        impl Word for $name {
            const WORDS: &'static [(&'static str, Self)] =
                &[($yes_word, $name::$yes), ($no_word, $name::$no)];
        }

        impl $name {
            /// Whether it is the affirmative word.
            pub fn is_true(self) -> bool {
                self == $name::$yes
            }
        }

        impl From<bool> for $name {
            fn from(value: bool) -> Self {
                if value { $name::$yes } else { $name::$no }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

truth!(
    /// `yes` or `no`; absent is a third state, so fields are `Option<YesNo>`.
    YesNo, Yes = "yes", No = "no"
);
truth!(
    /// `on` or `off`; absent is a third state, so fields are `Option<OnOff>`.
    OnOff, On = "on", Off = "off"
);

#[cfg(test)]
mod tests {
    use super::*;

    words! { Colour { Red = "red", Green = "green" } }

    #[test]
    fn both_directions() {
        assert_eq!(Colour::parse("green"), Some(Colour::Green));
        assert_eq!(Colour::parse("blue"), None);
        assert_eq!(Colour::Red.to_string(), "red");
        assert_eq!(allowed::<Colour>(), "red, green");
        assert_eq!(OnOff::from(true).as_str(), "on");
    }
}
