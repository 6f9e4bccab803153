//! The names in a query of Prometheus: its metrics, and the labels that it selects, groups and joins by.

/// What a query names.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Named {
    /// Metrics, each with its matchers: label, operator, value.
    pub(super) metrics: Vec<(String, Vec<Matcher>)>,
    /// The labels of `by`, `on`, `ignoring`, `group_left` and the like.
    pub(super) labels: Vec<String>,
}

pub(super) type Matcher = (String, String, String);

/// Reads the query by its words. That it is a valid one, Prometheus itself decides.
pub(super) fn named(query: &str) -> Named {
    let mut named = Named::default();
    let mut rest = query;
    let mut lists_labels = false;
    while let Some(first) = rest.chars().next() {
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || "_:.$".contains(*c)).collect();
        if word.is_empty() {
            match first {
                '"' => rest = after_text(rest),
                '(' if lists_labels => {
                    let (inside, after) = rest[1..].split_once(')').unwrap();
                    named.labels.extend(inside.split(',').map(|label| label.trim().to_owned()));
                    rest = after;
                }
                _ => rest = &rest[first.len_utf8()..],
            }
            lists_labels &= first == ' ';
            continue;
        }
        rest = &rest[word.len()..];
        let after = rest.trim_start();
        lists_labels = KEYWORDS.contains(&&*word) && after.starts_with('(');
        // A range or a number begins with a digit, a variable of Grafana with a dollar sign.
        if KEYWORDS.contains(&&*word) || FUNCTIONS.contains(&&*word) || !word.starts_with(|c: char| c.is_alphabetic()) {
            continue;
        }
        let mut matchers = Vec::new();
        if let Some(inside) = after.strip_prefix('{') {
            (matchers, rest) = read(inside);
        } else if after.starts_with('(') {
            panic!("{word} is no known function, in {query}");
        }
        named.metrics.push((word, matchers));
    }
    named
}

/// `label="value", …}`, and what follows.
fn read(inside: &str) -> (Vec<Matcher>, &str) {
    let (mut matchers, mut rest) = (Vec::new(), inside.trim_start());
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return (matchers, after);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap();
        let (label, after) = rest.split_at(end);
        let quoted = after.find('"').unwrap();
        let (operator, text) = after.split_at(quoted);
        let after = after_text(text);
        let value = &text[1..text.len() - after.len() - 1];
        matchers.push((label.to_owned(), operator.trim().to_owned(), value.to_owned()));
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
}

/// What follows the text in quotation marks at the beginning. No value here has a quotation mark in it.
fn after_text(quoted: &str) -> &str {
    quoted[1..].split_once('"').unwrap().1
}

/// Words that a list of labels follows.
const KEYWORDS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

const FUNCTIONS: &[&str] = &[
    "and",
    "or",
    "unless",
    "offset",
    "bool",
    "sum",
    "min",
    "max",
    "count",
    "rate",
    "increase",
    "changes",
    "time",
    "vector",
    "sort",
    "sort_desc",
    "histogram_quantile",
    "count_over_time",
    "label_values",
];

#[test]
fn the_names_in_a_query_are_found() {
    let read = named(
        "sum by (job, le) (rate(a_total{x=\"1\", y=~\"a{2}|b\"}[$__rate_interval])) / on (z) group_left(v) b offset 5m > 0.5 or vector(0)",
    );
    let matcher = |label: &str, operator: &str, value: &str| (label.to_owned(), operator.to_owned(), value.to_owned());
    assert_eq!(
        read.metrics,
        [
            ("a_total".to_owned(), vec![matcher("x", "=", "1"), matcher("y", "=~", "a{2}|b")]),
            ("b".to_owned(), Vec::new())
        ]
    );
    assert_eq!(read.labels, ["job", "le", "z", "v"]);
}
