//! The blocks of code in the documents. Must not know: what is done with them.

use std::fs;
use std::path::Path;

use super::{ROOT, documents};

/// What stands between two lines of three backquotes.
pub(crate) struct Block {
    /// The document's path in the repository.
    pub(crate) document: String,
    /// Where it begins, from 1.
    pub(crate) line: usize,
    /// `sh`, `toml` …; empty if there is none.
    pub(crate) language: String,
    /// Whether `norun` is behind the language: nobody runs these commands, for a reason in the list of such blocks.
    pub(crate) marked: bool,
    pub(crate) text: String,
}

impl Block {
    /// For the messages of tests.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

/// The blocks of one document, by its path in the repository.
pub(crate) fn of(document: &str) -> Vec<Block> {
    let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
    let (mut blocks, mut open) = (Vec::new(), None::<Block>);
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let (language, marks) = info.split_once(',').unwrap_or((info, ""));
                assert!(["", "norun"].contains(&marks), "{document}:{}: unknown mark {marks:?}", index + 1);
                open = Some(Block {
                    document: document.to_owned(),
                    line: index + 1,
                    language: language.to_owned(),
                    marked: !marks.is_empty(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{document}: a block has no end");
    blocks
}

/// Those of all documents.
pub(super) fn all() -> Vec<Block> {
    let path = |document: &Path| document.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
    let blocks: Vec<_> = documents().iter().flat_map(|document| of(&path(document))).collect();
    assert!(blocks.len() > 100, "only {} blocks seen", blocks.len());
    blocks
}

/// A document without its blocks, line by line.
pub(super) fn prose(document: &Path) -> String {
    let text = fs::read_to_string(document).unwrap();
    let mut inside = false;
    let outside = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    outside.map(|line| format!("{line}\n")).collect()
}
