//! Errors as one text, for those who read them on another machine. Must not know: of what they are.

use std::fmt::Write as _;

use crate::config::located::{ConfigError, Position, Text};

/// Each with its file.
pub(super) fn reason(errors: &[ConfigError]) -> String {
    let mut text = String::new();
    for error in errors.iter().take(MOST_ERRORS) {
        let separator = if text.is_empty() { "" } else { "; " };
        let file = match error.position {
            Some(Position { text: Text::Machine, .. }) => "",
            _ => "tlsgate.toml: ",
        };
        // A String takes everything.
        let _ = write!(text, "{separator}{file}{error}");
    }
    match errors.len().saturating_sub(MOST_ERRORS) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

/// In an answer, which all that publish read.
const MOST_ERRORS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_in_which_file_it_is() {
        let error = |text| ConfigError {
            path: "listener \"x\"".into(),
            position: Some(Position { text, line: 3, column: 1 }),
            message: "cannot listen".into(),
        };
        let both = [error(Text::Configuration), error(Text::Machine)];
        assert_eq!(
            reason(&both),
            "tlsgate.toml: line 3, column 1: listener \"x\": cannot listen; fleet.toml, line 3, column 1: listener \"x\": cannot listen"
        );
        let many: Vec<_> = (0..20).map(|_| error(Text::Machine)).collect();
        assert!(reason(&many).ends_with("; and 12 more"));
    }
}
