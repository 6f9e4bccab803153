//! The result of a check. Must not know: what is checked.

/// The result of a check from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The right answer was found.
    Passed,
    /// It could not be tried from here, for example behind a router that does not lead its own address back inside. The
    /// authority may still find the right answer.
    Unreachable(String),
    /// It was tried, and the answer is another one: what was found, and what was expected.
    Wrong(String),
}
