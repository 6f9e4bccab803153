//! The value of a label, and how it is written. Must not know: the names of labels, what they are given to.

use toml::de::DeValue;

use crate::config::decode::Value;

/// The value of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelValue(pub String);

impl Value for LabelValue {
    const EXPECTED: &'static str = "a text in quotes of 1 to 256 bytes, without control characters";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let text = value.as_str()?;
        // Prometheus takes an empty value for a label that is absent. 256 bytes keep a line of the log readable.
        let fine = (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
        fine.then(|| Self(text.to_owned()))
    }
}
