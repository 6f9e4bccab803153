//! The text of hitch.conf → keys and values. Must not know: what they mean.

use crate::convert::list::{Line, List};

/// `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) line: Line,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Words on one line are one text, with one space between them.
    Text(String),
    Block(Vec<Entry>),
}

impl Entry {
    /// As it is written, for the list.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Text(text) => format!("{} = {text}", self.key),
            Value::Block(_) => format!("{} = {{ … }}", self.key),
        }
    }

    pub(super) fn is_off(&self) -> bool {
        matches!(&self.value, Value::Text(text) if ["off", "no", "n", "false", "0"].contains(&&*text.to_ascii_lowercase()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(String),
    Equals,
    Open,
    Close,
}

/// All entries. What cannot be read goes to the list.
pub(super) fn read(text: &str, list: &mut List) -> Vec<Entry> {
    let tokens = tokens(text);
    let mut at = 0;
    let mut all = Vec::new();
    while at < tokens.len() {
        all.extend(entries(&tokens, &mut at, 0, list));
        // A bracket that closes nothing.
        at += 1;
    }
    all
}

fn entries(tokens: &[(Token, usize)], at: &mut usize, depth: usize, list: &mut List) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((token, number)) = tokens.get(*at) {
        let line = Line::new(*number);
        let key = match token {
            Token::Close => return entries,
            Token::Text(key) => key.clone(),
            Token::Equals | Token::Open => {
                *at += 1;
                list.lost(&line, "", "expected a key, found a mark");
                continue;
            }
        };
        *at += 1;
        if !matches!(tokens.get(*at), Some((Token::Equals, _))) {
            list.lost(&line, key, "it has no value");
            continue;
        }
        *at += 1;
        let value = match tokens.get(*at) {
            Some((Token::Open, _)) if depth < DEEPEST => {
                *at += 1;
                let inner = self::entries(tokens, at, depth + 1, list);
                *at += 1;
                Value::Block(inner)
            }
            _ => Value::Text(words(tokens, at, *number)),
        };
        entries.push(Entry { key, value, line });
    }
    entries
}

/// The words of a value: those on the key's line that are not the next key.
fn words(tokens: &[(Token, usize)], at: &mut usize, number: usize) -> String {
    let mut words: Vec<&str> = Vec::new();
    while let Some((Token::Text(word), line)) = tokens.get(*at) {
        let is_key = matches!(tokens.get(*at + 1), Some((Token::Equals, _)));
        if *line != number || is_key && !words.is_empty() {
            break;
        }
        words.push(word);
        *at += 1;
    }
    words.join(" ")
}

fn tokens(text: &str) -> Vec<(Token, usize)> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            let token = match letter {
                '#' => break,
                '=' => Token::Equals,
                '{' => Token::Open,
                '}' => Token::Close,
                '"' | '\'' => Token::Text(letters.by_ref().take_while(|next| *next != letter).collect()),
                letter if letter.is_whitespace() => continue,
                letter => {
                    let mut word = String::from(letter);
                    let ends = |next: &char| next.is_whitespace() || ['=', '{', '}', '#'].contains(next);
                    while let Some(next) = letters.next_if(|next| !ends(next)) {
                        word.push(next);
                    }
                    Token::Text(word)
                }
            };
            tokens.push((token, number + 1));
        }
    }
    tokens
}

/// Blocks in blocks are none of hitch's.
const DEEPEST: usize = 3;
