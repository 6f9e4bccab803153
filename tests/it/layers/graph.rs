//! Which file uses which. Must not know: levels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path as FilePath, PathBuf};

use super::paths::{self, Path, Paths, Scope};
use super::tokens::{self, Token};

/// The files of a source tree by their modules, `tls::wire` for `tls/wire.rs`, with the paths in them.
pub(super) struct House {
    /// The text of lib.rs.
    pub(super) front: String,
    files: BTreeMap<String, File>,
}

struct File {
    tokens: Vec<Token>,
    paths: Paths,
}

/// The uses of each module.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

impl House {
    /// Reads every file below `folder`, but those of unit tests.
    pub(super) fn read(folder: &FilePath) -> Self {
        let mut files = BTreeMap::new();
        for path in sources(folder) {
            let module = module_of(path.strip_prefix(folder).unwrap());
            let tokens = tokens::of(&fs::read_to_string(&path).unwrap());
            let paths = paths::of(&tokens, &module);
            files.insert(module.join("::"), File { tokens, paths });
        }
        Self { front: fs::read_to_string(folder.join("lib.rs")).unwrap(), files }
    }

    /// Every file that holds more than a list of modules.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter(|(_, file)| !file.paths.is_list).map(|(module, _)| module.as_str())
    }

    /// The files that contain a word.
    pub(super) fn naming(&self, word: &str) -> Vec<&str> {
        let named = self.files.iter().filter(|(_, file)| file.tokens.iter().any(|token| token.is(word)));
        named.map(|(module, _)| module.as_str()).collect()
    }

    /// Every use of one file by another. `mod x;` is not a use, nor is the name of a list of modules: a longer path
    /// names what is used of them.
    pub(super) fn uses(&self) -> Graph {
        let mut graph = Graph::new();
        for (module, file) in &self.files {
            let mut used = BTreeSet::new();
            for (scope, path) in &file.paths.all {
                if let Some(path) = self.absolute(module, scope, path, FURTHEST) {
                    self.follow(module, &path, FURTHEST, &mut used);
                }
            }
            used.retain(|used| used != module && !self.files[used].paths.is_list);
            graph.insert(module.clone(), used);
        }
        graph
    }

    /// A path from the crate's root. `None` if it leads into another crate, or is not a path.
    fn absolute(&self, module: &str, scope: &Scope, path: &[String], further: usize) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let supers = path.iter().take_while(|word| *word == "super").count();
        match first.as_str() {
            "crate" | CRATE => Some(rest.to_vec()),
            "self" if rest.first().is_some_and(|word| word == "super") => self.absolute(module, scope, rest, further),
            "self" => Some([scope, rest].concat()),
            "super" => Some([&scope[..scope.len().checked_sub(supers)?], &path[supers..]].concat()),
            _ if self.files.contains_key(&[scope, &path[..1]].concat().join("::")) => Some([scope, path].concat()),
            _ => {
                // A name that `use` introduced, or else an item of this file or another crate.
                let name = self.files[module].paths.names.get(&(scope.clone(), first.clone()))?;
                let further = further.checked_sub(1)?;
                Some([self.absolute(module, scope, &name.path, further)?, rest.to_vec()].concat())
            }
        }
    }

    /// The file that a path leads into; if that file only passes a name on (`pub use`), also the file that defines it.
    fn follow(&self, user: &str, path: &[String], further: usize, used: &mut BTreeSet<String>) {
        let mut prefixes = (0..=path.len()).rev().map(|length| (length, path[..length].join("::")));
        let Some((length, module)) = prefixes.find(|(_, module)| self.files.contains_key(module)) else { return };
        used.insert(module.clone());
        let Some(name) = path.get(length).filter(|_| module != user) else { return };
        let scope = path[..length].to_vec();
        let Some(name) = self.files[&module].paths.names.get(&(scope.clone(), name.clone())) else { return };
        if !name.is_public && !within(user, &module) {
            return;
        }
        if let (Some(further), Some(target)) =
            (further.checked_sub(1), self.absolute(&module, &scope, &name.path, further))
        {
            self.follow(user, &[target, path[length + 1..].to_vec()].concat(), further, used);
        }
    }
}

/// Every circle: files that use each other, directly or through others. A parent and its child can be one.
pub(super) fn circles(graph: &Graph) -> Vec<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|module| (module.as_str(), reached_from(graph, module))).collect();
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for (module, targets) in &reached {
        if targets.contains(module) && !circles.iter().any(|circle| circle.contains(module)) {
            let back = |other: &&&str| reached.get(*other).is_some_and(|targets| targets.contains(module));
            circles.push(targets.iter().filter(back).copied().collect());
        }
    }
    circles
}

fn reached_from<'g>(graph: &'g Graph, module: &str) -> BTreeSet<&'g str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = graph[module].iter().map(String::as_str).collect();
    while let Some(module) = next.pop() {
        if seen.insert(module) {
            next.extend(graph.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}

/// Whether a module is `room` or lies inside it.
pub(super) fn within(module: &str, room: &str) -> bool {
    module == room || module.strip_prefix(room).is_some_and(|rest| rest.starts_with("::"))
}

fn sources(folder: &FilePath) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                None if path.is_dir() && !path.ends_with("tests") => folders.push(path),
                Some("rs") if !path.ends_with("tests.rs") => files.push(path),
                _ => {}
            }
        }
    }
    files
}

/// `tls/wire.rs` → `tls`, `wire`; `lib.rs` → nothing.
fn module_of(file: &FilePath) -> Scope {
    let parts = file.with_extension("");
    let parts = parts.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| !["mod", "lib"].contains(&part.as_str())).collect()
}

/// The name that the binary and the crate's own tests use for it.
const CRATE: &str = "tlsgate";

/// Names that stand for other names: a longer chain is a circle.
const FURTHEST: usize = 8;
