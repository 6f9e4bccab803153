//! The text of nginx.conf → directives and blocks. Must not know: what they mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::convert::disk::Disk;
use crate::convert::list::{Line, List};
use crate::convert::pattern::fits;

/// `name arguments;` or `name arguments { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) line: Line,
    pub(super) block: Option<Vec<Directive>>,
}

impl Directive {
    /// As it is written, for the list.
    pub(super) fn shown(&self) -> String {
        let words: Vec<&str> = std::iter::once(&self.name).chain(&self.arguments).map(String::as_str).collect();
        words.join(" ") + if self.block.is_some() { " { … }" } else { "" }
    }

    pub(super) fn first(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }
}

/// Where a file's directives come from, and how many files were read in all.
pub(super) struct Reading<'a> {
    pub(super) folder: &'a Path,
    pub(super) disk: &'a dyn Disk,
    pub(super) list: &'a mut List,
    pub(super) files: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    End,
    Open,
    Close,
}

impl Reading<'_> {
    /// Reads a text, and the files that it includes.
    pub(super) fn directives(&mut self, text: &str, file: Option<&Arc<str>>) -> Vec<Directive> {
        let tokens = tokens(text, file);
        let (mut at, mut all) = (0, Vec::new());
        while at < tokens.len() {
            all.extend(self.block(&tokens, &mut at, 0));
            // A bracket that closes nothing.
            at += 1;
        }
        all
    }

    fn block(&mut self, tokens: &[(Token, Line)], at: &mut usize, depth: usize) -> Vec<Directive> {
        let mut directives = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut line = Line::default();
        while let Some((token, here)) = tokens.get(*at) {
            match token {
                Token::Word(word) => {
                    if words.is_empty() {
                        line = here.clone();
                    }
                    words.push(word.clone());
                }
                Token::Close => break,
                Token::End | Token::Open => {
                    let mut taken = std::mem::take(&mut words).into_iter();
                    let name = taken.next().unwrap_or_default();
                    let arguments: Vec<String> = taken.collect();
                    let block = match token {
                        Token::Open if depth < DEEPEST => {
                            *at += 1;
                            Some(self.block(tokens, at, depth + 1))
                        }
                        Token::Open => Some(Vec::new()),
                        _ => None,
                    };
                    if name == "include" && block.is_none() {
                        directives.extend(self.included(&arguments, &line, depth));
                    } else if !name.is_empty() || block.is_some() {
                        directives.push(Directive { name, arguments, line: line.clone(), block });
                    }
                }
            }
            *at += 1;
        }
        if !words.is_empty() {
            self.list.lost(&line, words.join(" "), "it does not end with a semicolon");
        }
        directives
    }

    /// The directives of the files that `include` names.
    fn included(&mut self, arguments: &[String], line: &Line, depth: usize) -> Vec<Directive> {
        let pattern = self.folder.join(arguments.concat());
        let shown = format!("include {}", pattern.display());
        let files = match self.matching(&pattern) {
            Ok(files) => files,
            Err(why) => {
                self.list.lost(line, shown, format!("it cannot be read: {why}"));
                return Vec::new();
            }
        };
        let mut all = Vec::new();
        for file in files {
            self.files += 1;
            if self.files > MOST_FILES || depth >= DEEPEST {
                self.list.lost(line, shown, "there are too many files");
                break;
            }
            match self.disk.text(&file) {
                Ok(text) => {
                    let name: Arc<str> = file.display().to_string().into();
                    // A file that includes itself ends at the bound.
                    all.extend(self.directives(&text, Some(&name)));
                }
                Err(why) => self.list.lost(line, file.display().to_string(), format!("it cannot be read: {why}")),
            }
        }
        all
    }

    /// The files that a pattern names: `*` and `?` in its last part only.
    fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let last = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !last.contains(['*', '?']) {
            return Ok(vec![pattern.to_owned()]);
        }
        let all = self.disk.folder(pattern.parent().unwrap_or(Path::new("/")))?;
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        Ok(all.into_iter().filter(|path| fits(last, &name(path))).collect())
    }
}

fn tokens(text: &str, file: Option<&Arc<str>>) -> Vec<(Token, Line)> {
    let mut tokens = Vec::new();
    let mut number = 1;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let line = Line { file: file.cloned(), number };
        let token = match letter {
            '\n' => {
                number += 1;
                continue;
            }
            letter if letter.is_whitespace() => continue,
            '#' => {
                while letters.next_if(|next| *next != '\n').is_some() {}
                continue;
            }
            ';' => Token::End,
            '{' => Token::Open,
            '}' => Token::Close,
            '"' | '\'' => {
                let mut word = String::new();
                while let Some(next) = letters.next() {
                    number += usize::from(next == '\n');
                    match next {
                        '\\' => word.extend(letters.next()),
                        next if next == letter => break,
                        next => word.push(next),
                    }
                }
                Token::Word(word)
            }
            letter => Token::Word(word(letter, &mut letters)),
        };
        tokens.push((token, line));
    }
    tokens
}

/// A word without quotes. `${name}` is a part of it.
fn word(first: char, letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut word = String::from(first);
    if first == '\\' {
        word.extend(letters.next());
    }
    while let Some(next) = letters.next_if(|next| !(next.is_whitespace() || [';', '{'].contains(next))) {
        word.push(next);
        if next == '\\' {
            word.extend(letters.next());
        }
        if next == '$' && letters.next_if_eq(&'{').is_some() {
            word.push('{');
        }
    }
    word
}

/// nginx itself has no configuration that is nested so deep.
const DEEPEST: usize = 16;
const MOST_FILES: usize = 1000;
