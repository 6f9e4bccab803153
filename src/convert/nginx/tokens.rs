//! The text of nginx.conf → words and marks, one after the other: no more than one is kept. Must not know: what they mean.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use crate::convert::list::Line;

/// A word, or a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    End,
    Open,
    Close,
}

/// The tokens of one text, each with its line.
pub(super) struct Tokens<'a> {
    letters: Peekable<Chars<'a>>,
    file: Option<Arc<str>>,
    /// The number of the line.
    number: usize,
}

impl<'a> Tokens<'a> {
    /// `file`: the included file; `None` for the configuration itself.
    pub(super) fn new(text: &'a str, file: Option<&Arc<str>>) -> Self {
        Self { letters: text.chars().peekable(), file: file.cloned(), number: 1 }
    }

    /// Passes over the rest of a block, with its bracket.
    pub(super) fn skip_block(&mut self) {
        let mut open = 1_usize;
        for (token, _) in self.by_ref() {
            match token {
                Token::Open => open += 1,
                Token::Close => open -= 1,
                Token::Word(_) | Token::End => {}
            }
            if open == 0 {
                return;
            }
        }
    }

    fn quoted(&mut self, quote: char) -> String {
        let mut word = String::new();
        while let Some(next) = self.letters.next() {
            self.number += usize::from(next == '\n');
            match next {
                '\\' => word.extend(self.letters.next()),
                next if next == quote => break,
                next => word.push(next),
            }
        }
        word
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Line);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let letter = self.letters.next()?;
            let line = Line { file: self.file.clone(), number: self.number };
            let token = match letter {
                '\n' => {
                    self.number += 1;
                    continue;
                }
                letter if letter.is_whitespace() => continue,
                '#' => {
                    while self.letters.next_if(|next| *next != '\n').is_some() {}
                    continue;
                }
                ';' => Token::End,
                '{' => Token::Open,
                '}' => Token::Close,
                '"' | '\'' => Token::Word(self.quoted(letter)),
                letter => Token::Word(word(letter, &mut self.letters)),
            };
            return Some((token, line));
        }
    }
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
