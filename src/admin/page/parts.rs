//! What all parts of a page have in common: sections, tables, badges, the pages of a long table. Must not know: the state.

use std::fmt::Display;

use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::text::{number, short};
use crate::admin::page::wanted::{Table, Wanted};
use crate::labels::Labels;

/// How good or bad what a badge shows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Plain,
    Doubtful,
    Bad,
}

/// A state in words; its colour only repeats them.
pub(super) fn badge(tone: Tone, words: impl Display) -> Element {
    let class = match tone {
        Tone::Good => "badge good",
        Tone::Plain => "badge plain",
        Tone::Doubtful => "badge doubtful",
        Tone::Bad => "badge bad",
    };
    classed("span", class).text(words)
}

/// A section with its heading.
pub(super) fn section(id: &'static str, title: impl Display) -> Element {
    let heading = el("h2").with("id", format!("{id}-title")).text(title);
    el("section").with("id", id).with("aria-labelledby", format!("{id}-title")).add(heading)
}

/// A table. The first cell of each row is its heading.
///
/// On a narrow screen the style makes rows of cells into lists. Browsers then no longer take the elements for those of a
/// table, so their roles are written out, and each cell has the title of its column.
pub(super) fn table(
    caption: impl Display,
    columns: &[&'static str],
    rows: impl IntoIterator<Item = Vec<Html>>,
) -> Element {
    let title = |column: &&'static str| el("th").with("role", "columnheader").with("scope", "col").text(column);
    let head = el("tr").with("role", "row").all(columns.iter().map(title));
    let body = rows.into_iter().map(|cells| {
        let cells = cells.into_iter().zip(columns).enumerate();
        el("tr").with("role", "row").all(cells.map(|(at, (content, column))| {
            let cell = match at {
                0 => el("th").with("role", "rowheader").with("scope", "row"),
                _ => el("td").with("role", "cell"),
            };
            cell.with("data-column", column).add(content)
        }))
    });
    el("table")
        .with("role", "table")
        .add(el("caption").text(caption))
        .add(el("thead").with("role", "rowgroup").add(head))
        .add(el("tbody").with("role", "rowgroup").all(body))
}

/// The part of all rows that is on the wanted page of a table, and links to the other pages.
pub(super) fn paged<'r, T>(wanted: &Wanted, table: Table, all: &'r [T]) -> (&'r [T], Option<Element>) {
    let rows = table.rows();
    let pages = all.len().div_ceil(rows).max(1);
    let page = wanted.page(table).min(pages - 1);
    let from = page * rows;
    let to = all.len().min(from + rows);
    let shown = all.get(from..to).unwrap_or_default();
    if pages == 1 {
        return (shown, None);
    }
    let link = |to: usize, name: &'static str| {
        el("a")
            .with("href", wanted.turned(table, to))
            .with("aria-label", format!("{name} page of {}", table.id()))
            .text(name)
    };
    let range = format!("{}–{} of {}", number(from as u64 + 1), number(to as u64), number(all.len() as u64));
    let back = (page > 0).then(|| [link(0, "First"), link(page - 1, "Previous")]);
    let forth = (page + 1 < pages).then(|| [link(page + 1, "Next"), link(pages - 1, "Last")]);
    let pager = classed("nav", "pager")
        .with("aria-label", format!("Pages of {}", table.id()))
        .all(back.into_iter().flatten())
        .add(el("span").text(range))
        .all(forth.into_iter().flatten());
    (shown, Some(pager))
}

/// What is shown in place of a table without rows.
pub(super) fn nothing(wanted: &Wanted, what: &str) -> Element {
    let filtered = !wanted.filter.is_empty();
    let text = if filtered { format!("None of the {what} fits the filter.") } else { format!("There are no {what}.") };
    classed("p", "none").text(text)
}

/// Texts in one cell, each on a line of its own.
pub(super) fn lines<T: Display>(texts: impl IntoIterator<Item = T>) -> Html {
    texts.into_iter().map(|text| classed("span", "line").text(text)).collect()
}

/// Labels, each in a box of its own; `None` where there are none.
pub(super) fn labels(labels: &Labels) -> Option<Element> {
    let boxes = texts(labels).map(|text| classed("span", "label").text(short(text, LONGEST_LABEL)));
    (!labels.is_empty()).then(|| classed("span", "labels").all(boxes))
}

/// The same as texts, for the filter: `team=directory`.
pub(super) fn texts(labels: &Labels) -> impl Iterator<Item = String> {
    labels.iter().map(|(name, value)| format!("{name}={value}"))
}

/// A text that matters less.
pub(super) fn faint(text: impl Display) -> Element {
    classed("span", "faint").text(text)
}

/// Characters of a label that are shown.
const LONGEST_LABEL: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_text_whatever_is_in_it() {
        let hostile = "\"><script>alert('a & b')</script>";
        let one = [("team".to_owned(), hostile.to_owned())].into_iter().collect();
        let shown = Html::from(labels(&one).unwrap());
        let escaped = "team=&quot;&gt;&lt;script&gt;alert(&#39;a &amp; b&#39;)&lt;/script&gt;";
        let expected = format!("<span class=\"labels\"><span class=\"label\">{escaped}</span></span>");
        assert_eq!(shown.as_str(), expected);
        assert!(labels(&Labels::default()).is_none());
    }

    #[test]
    fn a_long_table_is_in_pages_and_past_its_end_is_the_last_one() {
        let all: Vec<usize> = (0..120).collect();
        let shown = |query: &str| {
            let (rows, pager) = paged(&Wanted::read(Some(query)), Table::Certificates, &all);
            (rows.first().copied(), rows.len(), pager.map(|pager| Html::from(pager).as_str().to_owned()))
        };
        let (first, count, pager) = shown("q=a");
        let pager = pager.unwrap();
        assert!(pager.contains("1–50 of 120") && pager.contains("/?q=a&amp;certificates=2#certificates"), "{pager}");
        assert!(!pager.contains("Previous") && pager.contains("Last"), "{pager}");
        assert_eq!((first, count), (Some(0), 50));
        for query in ["certificates=3", "certificates=99999999999999999999", "certificates=4"] {
            let last = if query.len() > 20 { 0 } else { 100 };
            assert_eq!(shown(query).0, Some(last), "{query}");
        }
        assert_eq!(paged::<u8>(&Wanted::default(), Table::Servers, &[]).0, [0; 0]);
    }

    #[test]
    fn every_cell_has_its_role_and_the_title_of_its_column() {
        let rows = [vec![Html::text("<a>"), Html::text("b")]];
        let shown = Html::from(table("all", &["A", "B"], rows));
        for part in [
            "<table role=\"table\"><caption>all</caption>",
            "<th role=\"columnheader\" scope=\"col\">B</th>",
            "<th role=\"rowheader\" scope=\"row\" data-column=\"A\">&lt;a&gt;</th>",
            "<td role=\"cell\" data-column=\"B\">b</td>",
        ] {
            assert!(shown.as_str().contains(part), "{part}: {}", shown.as_str());
        }
    }
}
