//! Tokens → the paths in them, and the names that `use` introduces. Must not know: which files exist.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::Token;

/// A path as it is written, such as `super::wire::alert`.
pub(super) type Path = Vec<String>;

/// A module, from the crate's root: the file's own, or one within it.
pub(super) type Scope = Vec<String>;

/// The names in one file.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Every path, and the module in which it is written.
    pub(super) all: BTreeSet<(Scope, Path)>,
    /// The meaning of a name in a module: `use a::b as c` makes `c` mean `a::b`.
    pub(super) names: BTreeMap<(Scope, String), Name>,
    /// Whether the file holds nothing but `mod x;`.
    pub(super) is_list: bool,
}

/// The target of a name that `use` introduces.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) path: Path,
    /// Whether it is visible outside the module and its children.
    pub(super) is_public: bool,
}

/// The paths of the file of module `own`.
pub(super) fn of(tokens: &[Token], own: &[String]) -> Paths {
    let mut reader =
        Reader { tokens, at: 0, scopes: vec![(own.to_vec(), usize::MAX)], depth: 0, found: Paths::default() };
    reader.found.is_list = is_list(tokens);
    reader.read();
    reader.found
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The modules that are open here, and the depth of braces at which each ends.
    scopes: Vec<(Scope, usize)>,
    depth: usize,
    found: Paths,
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut is_public = false;
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Word(word) if word == "pub" => {
                    self.at += 1;
                    is_public = self.visibility();
                    continue;
                }
                // `use<…>` behind `impl` names lifetimes.
                Token::Word(word) if word == "use" && self.peek(1) != Some(&Token::Mark('<')) => {
                    self.at += 1;
                    self.tree(&[], is_public);
                }
                Token::Word(word) if word == "mod" && self.peek(2) == Some(&Token::Mark('{')) => self.open_module(),
                Token::Word(_) if self.peek(1) == Some(&Token::Colons) => self.path(),
                // `::std::…` is another crate's.
                Token::Colons => self.skip_path(),
                Token::Mark('{') => (self.depth, self.at) = (self.depth + 1, self.at + 1),
                Token::Mark('}') => self.close(),
                Token::Word(_) | Token::Mark(_) => self.at += 1,
            }
            is_public = false;
        }
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn scope(&self) -> Scope {
        self.scopes.last().map(|(scope, _)| scope.clone()).unwrap_or_default()
    }

    /// Skips `(super)` or `(in crate::a)` behind `pub`: a visibility is not a use. Returns whether the item is visible
    /// to others than children.
    fn visibility(&mut self) -> bool {
        let inside = match (self.peek(0), self.peek(1)) {
            (Some(Token::Mark('(')), Some(Token::Word(word))) => word.as_str(),
            _ => return true,
        };
        let is_simple = ["crate", "self", "super"].contains(&inside) && self.peek(2) == Some(&Token::Mark(')'));
        if !is_simple && inside != "in" {
            // A field of a tuple whose type is in parentheses.
            return true;
        }
        let is_private = inside == "self";
        while self.peek(0).is_some_and(|token| *token != Token::Mark(')')) {
            self.at += 1;
        }
        self.at += 1;
        !is_private
    }

    fn open_module(&mut self) {
        let name = self.peek(1).and_then(Token::word).unwrap_or_default().to_owned();
        let scope = [self.scope(), vec![name]].concat();
        self.scopes.push((scope, self.depth));
        self.depth += 1;
        self.at += 3;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.scopes.last().is_some_and(|(_, depth)| *depth == self.depth) {
            self.scopes.pop();
        }
        self.at += 1;
    }

    /// Words with `::` between them.
    fn path(&mut self) {
        let mut path = Vec::new();
        while let Some(Token::Word(word)) = self.peek(0) {
            path.push(word.clone());
            self.at += 1;
            if self.peek(0) != Some(&Token::Colons) {
                break;
            }
            self.at += 1;
        }
        self.found.all.insert((self.scope(), path));
    }

    fn skip_path(&mut self) {
        while matches!(self.peek(0), Some(Token::Colons | Token::Word(_))) {
            self.at += 1;
        }
    }

    /// One branch of a `use`: `a::b`, `a::{b, c::d as e}`, `a::*`, `a::{self}`.
    fn tree(&mut self, before: &[String], is_public: bool) {
        let mut path = before.to_vec();
        let mut ends_in_self = false;
        loop {
            match self.peek(0).cloned() {
                Some(Token::Colons) if path.is_empty() => return self.skip_path(),
                Some(Token::Colons) => self.at += 1,
                Some(Token::Mark('{')) => return self.branches(&path, is_public),
                Some(Token::Word(word)) if word == "as" => {
                    let name = self.peek(1).and_then(Token::word).unwrap_or("_").to_owned();
                    self.at += 2;
                    return self.take_in(path, Some(name), is_public);
                }
                // `a::{self}` is `a`; at the beginning, `self` is where the path begins.
                Some(Token::Word(word)) if word == "self" && !path.is_empty() => {
                    ends_in_self = true;
                    self.at += 1;
                }
                Some(Token::Word(word)) => {
                    path.push(word);
                    self.at += 1;
                }
                Some(Token::Mark('*')) => {
                    self.at += 1;
                    return self.take_in(path, Some("_".into()), is_public);
                }
                // The comma, the brace or the semicolon behind it.
                Some(Token::Mark(_)) | None => {
                    assert!(ends_in_self || path.len() > before.len(), "an empty branch behind {before:?}");
                    return self.take_in(path, None, is_public);
                }
            }
        }
    }

    fn branches(&mut self, path: &[String], is_public: bool) {
        self.at += 1;
        loop {
            match self.peek(0) {
                Some(Token::Mark('}')) | None => break,
                Some(Token::Mark(',')) => self.at += 1,
                Some(_) => self.tree(path, is_public),
            }
        }
        self.at += 1;
    }

    fn take_in(&mut self, path: Path, name: Option<String>, is_public: bool) {
        let scope = self.scope();
        if let Some(name) = name.or_else(|| path.last().cloned()).filter(|name| name != "_") {
            self.found.names.insert((scope.clone(), name), Name { path: path.clone(), is_public });
        }
        self.found.all.insert((scope, path));
    }
}

/// Whether there are only attributes, `mod x;` and `pub mod x;`.
fn is_list(tokens: &[Token]) -> bool {
    let mut depth = 0;
    let bare = tokens.iter().filter(|token| {
        match token {
            Token::Mark('[' | '(') => depth += 1,
            Token::Mark(']' | ')') => depth -= 1,
            _ => return depth == 0,
        }
        false
    });
    let bare: Vec<&Token> = bare.filter(|token| !matches!(token, Token::Mark('#' | '!')) && !token.is("pub")).collect();
    bare.chunks(3).all(|item| matches!(item, [a, Token::Word(_), Token::Mark(';')] if a.is("mod")))
}
