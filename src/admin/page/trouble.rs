//! One kind of trouble: how bad it is, and its first few cases. Must not know: the state.

use crate::admin::page::text::short;

/// One kind of trouble.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) level: Level,
    pub(super) title: String,
    /// The first few cases.
    pub(super) cases: Vec<String>,
    /// How many there are.
    pub(super) count: usize,
    /// Where the rest of them is.
    pub(super) link: Option<String>,
}

/// How bad it is; the worst one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Clients are turned away, or what is on disk is not what runs.
    Error,
    /// It will be an error if nobody does anything.
    Warning,
    /// Somebody wants it so.
    Notice,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// What was found; `None` is what there is nothing of.
pub(super) type Found = Vec<Option<Trouble>>;

/// One kind, where there is at least one case. `title` gets their number.
pub(super) fn kind<T>(
    level: Level,
    cases: &[T],
    title: impl FnOnce(usize) -> String,
    case: impl Fn(&T) -> String,
    link: Option<String>,
) -> Option<Trouble> {
    let shown = || cases.iter().take(SHOWN).map(|one| short(case(one), LONGEST)).collect();
    (!cases.is_empty()).then(|| Trouble { level, title: title(cases.len()), cases: shown(), count: cases.len(), link })
}

/// One that is not a case of many.
pub(super) fn single(level: Level, title: &str, details: Option<String>) -> Trouble {
    let cases: Vec<String> = details.into_iter().collect();
    Trouble { level, title: title.to_owned(), count: cases.len(), cases, link: None }
}

/// Cases of a kind that are shown.
const SHOWN: usize = 5;
/// Characters of a case.
const LONGEST: usize = 400;
