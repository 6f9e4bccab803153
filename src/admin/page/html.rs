//! HTML that is written element by element. Whatever is put into it is escaped, since there is no way to put a text in as
//! markup: names of elements and attributes are constants of the program, everything else is a text. Must not know: what is
//! written.

use std::fmt::{self, Display, Write};

/// Elements and texts in a row.
#[derive(Debug, Default)]
pub(in crate::admin) struct Html(String);

/// An element with its attributes and its content.
#[derive(Debug)]
pub(super) struct Element {
    name: &'static str,
    /// `‹name attribute="value"`, without the closing bracket.
    tag: String,
    content: String,
}

/// An element without attributes and content.
pub(super) fn el(name: &'static str) -> Element {
    Element { name, tag: format!("<{name}"), content: String::new() }
}

/// An element with a class.
pub(super) fn classed(name: &'static str, class: impl Display) -> Element {
    el(name).with("class", class)
}

impl Element {
    /// With an attribute.
    pub(super) fn with(mut self, attribute: &'static str, value: impl Display) -> Self {
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.tag, " {attribute}=\"");
        escape(&mut self.tag, value);
        self.tag.push('"');
        self
    }

    /// With an attribute that has no value.
    pub(super) fn flag(mut self, attribute: &'static str) -> Self {
        let _ = write!(self.tag, " {attribute}");
        self
    }

    /// With a text behind what is in it.
    pub(super) fn text(mut self, text: impl Display) -> Self {
        escape(&mut self.content, text);
        self
    }

    /// With another piece behind what is in it.
    pub(super) fn add(mut self, piece: impl Into<Html>) -> Self {
        self.content.push_str(&piece.into().0);
        self
    }

    /// With these pieces behind what is in it: a list, or what may be absent.
    pub(super) fn all<P: Into<Html>>(self, pieces: impl IntoIterator<Item = P>) -> Self {
        pieces.into_iter().fold(self, Self::add)
    }
}

impl Html {
    /// A text alone.
    pub(super) fn text(text: impl Display) -> Self {
        let mut escaped = String::new();
        escape(&mut escaped, text);
        Self(escaped)
    }

    /// A whole document, of which this is the element `html`.
    pub(super) fn into_document(self) -> String {
        let mut document = format!("<!DOCTYPE html>\n{}\n", self.0);
        // It grew by doubling, and a client that does not read holds all of it.
        document.shrink_to_fit();
        document
    }

    #[cfg(test)]
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Element> for Html {
    fn from(Element { name, mut tag, content }: Element) -> Self {
        tag.push('>');
        if !VOID.contains(&name) {
            tag.push_str(&content);
            let _ = write!(tag, "</{name}>");
        }
        Self(tag)
    }
}

impl<P: Into<Html>> FromIterator<P> for Html {
    fn from_iter<I: IntoIterator<Item = P>>(pieces: I) -> Self {
        Self(pieces.into_iter().map(|piece| piece.into().0).collect())
    }
}

/// Writes a text so that it is the same text in an element and in an attribute in double quotes.
fn escape(out: &mut String, text: impl Display) {
    let _ = write!(Escaping(out), "{text}");
}

struct Escaping<'o>(&'o mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(letter),
                // Others have made certificates and answers: what they write must not change how the rest is read.
                letter if letter.is_control() || turns(letter) => self.0.extend(letter.escape_unicode()),
                letter => self.0.push(letter),
            }
        }
        Ok(())
    }
}

/// Whether a letter changes the direction of the text around it.
fn turns(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Elements without content (HTML, section 13.1.2).
const VOID: [&str; 5] = ["br", "hr", "input", "link", "meta"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts_in_elements_and_in_attributes() {
        let hostile = "</p><script>\"'&\u{202e}\0";
        let escaped = "&lt;/p&gt;&lt;script&gt;&quot;&#39;&amp;\\u{202e}\\u{0}";
        let shown = Html::from(el("p").with("title", hostile).text(hostile).add(Html::text(hostile)));
        assert_eq!(shown.as_str(), format!("<p title=\"{escaped}\">{escaped}{escaped}</p>"));
        let document = Html::from(classed("input", "a").flag("required")).into_document();
        assert_eq!(document, "<!DOCTYPE html>\n<input class=\"a\" required>\n");
    }

    #[test]
    fn pieces_follow_each_other() {
        let list = el("ul").all(["a", "b"].map(|item| el("li").text(item))).all(None::<Html>);
        assert_eq!(Html::from(list).as_str(), "<ul><li>a</li><li>b</li></ul>");
        let row: Html = [el("br"), el("hr")].into_iter().collect();
        assert_eq!(row.as_str(), "<br><hr>");
    }
}
