//! `map` of nginx: a value of the ClientHello → a backend. Must not know: what is done with it.

use super::blocks::Directive;
use crate::convert::job::Said;
use crate::convert::list::List;

/// What a map looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    ServerName,
    Alpn,
    /// Whether it is TLS at all.
    Protocol,
}

/// `map SOURCE $VARIABLE { … }`
#[derive(Debug, Clone)]
pub(super) struct Map {
    pub(super) variable: String,
    pub(super) source: Source,
    /// Server names, one-label wildcards or protocols, each with its target.
    pub(super) entries: Vec<(String, Said<String>)>,
    pub(super) default: Option<Said<String>>,
    /// For clients that send nothing.
    pub(super) empty: Option<Said<String>>,
}

impl Map {
    pub(super) fn read(directive: &Directive, block: &[Directive], list: &mut List) -> Option<Self> {
        let [source, variable] = &*directive.arguments else {
            list.lost(&directive.line, directive.shown(), "expected a value and a variable");
            return None;
        };
        let source = match source.trim_start_matches("${").trim_start_matches('$').trim_end_matches('}') {
            "ssl_preread_server_name" | "ssl_server_name" => Source::ServerName,
            "ssl_preread_alpn_protocols" => Source::Alpn,
            "ssl_preread_protocol" => Source::Protocol,
            _ => {
                list.lost(
                    &directive.line,
                    directive.shown(),
                    "tlsgate chooses by server name and application protocols only",
                );
                return None;
            }
        };
        let hostnames = block.iter().any(|entry| entry.name == "hostnames" && entry.arguments.is_empty());
        let mut map = Self { variable: variable.clone(), source, entries: Vec::new(), default: None, empty: None };
        for entry in block {
            map.entry(entry, hostnames, list);
        }
        Some(map)
    }

    fn entry(&mut self, entry: &Directive, hostnames: bool, list: &mut List) {
        let target = Said::new(entry.first().to_owned(), &entry.line);
        let name = entry.name.strip_prefix('\\').unwrap_or(&entry.name).to_owned();
        match &*name {
            "hostnames" | "volatile" if entry.arguments.is_empty() => {}
            "default" => self.default = Some(target),
            "" => self.empty = Some(target),
            name if name.starts_with('~') => match literal(name).filter(|_| self.source == Source::ServerName) {
                Some(literal) => self.entries.push((literal, target)),
                None => list.lost(
                    &entry.line,
                    entry.shown(),
                    "tlsgate has no regular expressions: write the names, or wildcards",
                ),
            },
            name if name.starts_with('.') && hostnames && self.source == Source::ServerName => {
                self.deep(entry, list);
                self.entries.push((name[1..].to_owned(), target.clone()));
                self.entries.push((format!("*{name}"), target));
            }
            name if name.contains('*') && hostnames && self.source == Source::ServerName => {
                match name.starts_with("*.") {
                    true => {
                        self.deep(entry, list);
                        self.entries.push((name.to_owned(), target));
                    }
                    false => {
                        list.lost(&entry.line, entry.shown(), "a wildcard of tlsgate is the first label of a name")
                    }
                }
            }
            name => self.entries.push((name.to_owned(), target)),
        }
    }

    fn deep(&self, entry: &Directive, list: &mut List) {
        list.lost(&entry.line, entry.shown(), "a wildcard of tlsgate stands for one label: deeper names (a.b.example.com for *.example.com) are not taken");
    }
}

/// The name that a regular expression stands for: `~^www\.example\.com$`, and `~^.+\.example\.com$` for a wildcard.
fn literal(text: &str) -> Option<String> {
    let inner = text.trim_start_matches(['~', '*']).strip_prefix('^')?.strip_suffix('$')?;
    let (wild, rest) = match ["[^.]+\\.", "[^\\.]+\\."].iter().find_map(|any| inner.strip_prefix(any)) {
        Some(rest) => ("*.", rest),
        None => ("", inner),
    };
    let plain = rest.replace("\\.", "\u{0}");
    let is_plain = plain.chars().all(|c| c.is_ascii_alphanumeric() || ['-', '_', '\u{0}'].contains(&c));
    (is_plain && !plain.is_empty()).then(|| format!("{wild}{}", plain.replace('\u{0}', ".")))
}
