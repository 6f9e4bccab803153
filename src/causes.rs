//! An error with everything that caused it, in one line: the outermost alone often says nothing. Must not know: whose errors they are.

use std::error::Error;

/// The texts of an error and of its causes, from the outermost.
pub fn of(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        // Some errors repeat the text of their source.
        if !texts.iter().any(|before| before.ends_with(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Caused {
        text: &'static str,
        #[source]
        by: Option<Box<Caused>>,
    }

    #[test]
    fn every_cause_is_named_once() {
        let caused = |text, by: Option<Caused>| Caused { text, by: by.map(Box::new) };
        let error = caused("no answer", Some(caused("broken: reset", Some(caused("reset", None)))));
        assert_eq!(of(&error), "no answer: broken: reset");
    }
}
