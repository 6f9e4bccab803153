//! Sections → the same with the lines that they take over from defaults. Must not know: what the lines mean.

use std::collections::HashMap;

use super::lines::{Section, Words};
use crate::convert::list::List;

/// A section, and what it takes over. The lines of defaults are not copied for each section: both may be many.
pub(super) struct Whole<'a> {
    pub(super) section: &'a Section,
    /// The defaults of its defaults first, its own lines last.
    layers: Vec<&'a [Words]>,
}

impl<'a> Whole<'a> {
    /// Every line, those of defaults first.
    pub(super) fn lines(&self) -> impl Iterator<Item = &'a Words> {
        self.layers.iter().copied().flatten()
    }
}

/// The sections that use what `defaults` say. Where that is too much for all of them, the rest is left out, and listed.
pub(super) fn whole<'a>(sections: &'a [Section], list: &mut List) -> Vec<Whole<'a>> {
    let mut known = Known { sections, named: HashMap::new(), latest: None, parents: Vec::new(), sizes: Vec::new() };
    let (mut all, mut left) = (Vec::new(), MOST_INHERITED);
    for (index, section) in sections.iter().enumerate() {
        let parent = known.take(index, section);
        if !["frontend", "backend", "listen"].contains(&&*section.kind) {
            continue;
        }
        match left.checked_sub(parent.map_or(0, |parent| known.sizes[parent])) {
            Some(rest) => {
                left = rest;
                all.push(Whole { section, layers: known.layers(index) });
            }
            None => {
                let why = "the defaults that sections take over are too long together, so this one is left out";
                list.lost(&section.line, format!("{} {}", section.kind, section.name), why);
            }
        }
    }
    all
}

/// The sections so far: which defaults each takes over, and how long it is with all of them.
struct Known<'a> {
    sections: &'a [Section],
    named: HashMap<&'a str, usize>,
    latest: Option<usize>,
    parents: Vec<Option<usize>>,
    sizes: Vec<usize>,
}

impl<'a> Known<'a> {
    /// Takes the next section. Returns the defaults that it takes over.
    fn take(&mut self, index: usize, section: &'a Section) -> Option<usize> {
        let is_defaults = section.kind == "defaults";
        let parent = match &section.from {
            Some(from) => self.named.get(from.as_str()).copied(),
            None if is_defaults => None,
            None => self.latest,
        };
        let inherited = parent.map_or(0, |parent| self.sizes[parent]);
        self.parents.push(parent);
        self.sizes.push(inherited.saturating_add(size(section)));
        if is_defaults {
            self.named.insert(&section.name, index);
            self.latest = Some(index);
        }
        parent
    }

    fn layers(&self, index: usize) -> Vec<&'a [Words]> {
        let mut layers: Vec<&[Words]> =
            std::iter::successors(Some(index), |at| self.parents[*at]).map(|at| &*self.sections[at].lines).collect();
        layers.reverse();
        layers
    }
}

/// What it costs to take a section over: its bytes, and something for each line and for itself.
fn size(section: &Section) -> usize {
    let line = |words: &Words| LINE + words.words.iter().map(String::len).sum::<usize>();
    SECTION + section.lines.iter().map(line).sum::<usize>()
}

const LINE: usize = 16;
const SECTION: usize = 64;
/// In all sections together. A hundred lines of defaults for ten thousand backends are not as many.
const MOST_INHERITED: usize = 64 << 20;
