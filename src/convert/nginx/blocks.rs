//! The words of nginx.conf, and of the files that it includes → directives and blocks. Must not know: what they mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tokens::{Token, Tokens};
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

/// Where a file's directives come from, and what was read so far.
pub(super) struct Reading<'a> {
    folder: &'a Path,
    disk: &'a dyn Disk,
    list: &'a mut List,
    /// How many files were included.
    files: usize,
    /// Those that are being read: each includes the next one.
    open: Vec<PathBuf>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(folder: &'a Path, disk: &'a dyn Disk, list: &'a mut List) -> Self {
        Self { folder, disk, list, files: 0, open: Vec::new() }
    }
}

impl Reading<'_> {
    /// Reads a text, and the files that it includes. `depth` is that of the place where it is included.
    pub(super) fn directives(&mut self, text: &str, file: Option<&Arc<str>>, depth: usize) -> Vec<Directive> {
        let (mut tokens, mut all) = (Tokens::new(text, file), Vec::new());
        // A bracket that closes nothing is passed over.
        while self.block(&mut tokens, depth, &mut all) {}
        all
    }

    /// Reads directives up to the bracket that closes their block. Returns whether there is one.
    fn block(&mut self, tokens: &mut Tokens<'_>, depth: usize, directives: &mut Vec<Directive>) -> bool {
        let mut words: Vec<String> = Vec::new();
        let (mut line, mut is_closed) = (Line::default(), false);
        while let Some((token, here)) = tokens.next() {
            match token {
                Token::Word(word) => {
                    if words.is_empty() {
                        line = here;
                    }
                    words.push(word);
                }
                Token::Close => {
                    is_closed = true;
                    break;
                }
                Token::End | Token::Open => {
                    let mut taken = std::mem::take(&mut words).into_iter();
                    let name = taken.next().unwrap_or_default();
                    let arguments: Vec<String> = taken.collect();
                    if token == Token::End && name == "include" {
                        directives.extend(self.included(&arguments, &line, depth));
                        continue;
                    }
                    let block = (token == Token::Open).then(|| self.inner(tokens, depth, &line));
                    if !name.is_empty() || block.is_some() {
                        directives.push(Directive { name, arguments, line: line.clone(), block });
                    }
                }
            }
        }
        if !words.is_empty() {
            self.list.lost(&line, words.join(" "), "it does not end with a semicolon");
        }
        is_closed
    }

    /// The directives of a block within one of that depth.
    fn inner(&mut self, tokens: &mut Tokens<'_>, depth: usize, line: &Line) -> Vec<Directive> {
        let mut directives = Vec::new();
        if depth < DEEPEST {
            self.block(tokens, depth + 1, &mut directives);
        } else {
            self.list.lost(line, "", "blocks and included files are nested too deep: what is within is left out");
            tokens.skip_block();
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
            if self.open.contains(&file) {
                self.list.lost(line, file.display().to_string(), "it includes itself");
                continue;
            }
            self.files += 1;
            if self.files > MOST_FILES || depth >= DEEPEST {
                self.list.lost(line, shown, "there are too many files");
                break;
            }
            match self.disk.text(&file) {
                Ok(text) => {
                    let name: Arc<str> = file.display().to_string().into();
                    self.open.push(file);
                    all.extend(self.directives(&text, Some(&name), depth + 1));
                    self.open.pop();
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

/// How deep blocks and included files may be within each other: nginx itself has no configuration that is nested so deep.
const DEEPEST: usize = 16;
const MOST_FILES: usize = 1000;
