//! What a key holds → the TOML that would be written for it. Must not know: which key it is.

use serde_json::Value;

use crate::config::shown::table::{Form, Shown, Table, Tables};

/// The right-hand side of a line; `None` where the key is not set. Of tables with names, only the names are written.
pub fn toml(shown: &Shown) -> Option<String> {
    match shown {
        Shown::Value(value) => of_json(value),
        Shown::Inline(table) | Shown::Table(table) => Some(inline(table)),
        Shown::Tables(Tables { one: _, form: Form::List | Form::Ordered | Form::Named, all }) => {
            Some(list(all.iter().map(|(name, _)| text(name))))
        }
    }
}

fn of_json(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(value) => text(value),
        Value::Array(items) => list(items.iter().filter_map(of_json)),
        Value::Object(keys) => braces(keys.iter().filter_map(|(key, value)| Some((key.as_str(), of_json(value)?)))),
    })
}

fn inline(Table(keys): &Table) -> String {
    braces(keys.iter().filter_map(|(key, shown)| Some((*key, toml(shown)?))))
}

fn braces<'k>(keys: impl Iterator<Item = (&'k str, String)>) -> String {
    let keys: Vec<String> = keys.map(|(key, value)| format!("{key} = {value}")).collect();
    if keys.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", keys.join(", ")) }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A basic string (TOML 1.0, "String"). Characters that cannot be seen, or that turn others around, are escaped.
pub fn text(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\'' => written.push('\''),
            other => match (other.escape_debug().len(), u32::from(other)) {
                (1, _) => written.push(other),
                (_, short @ ..=0xffff) => written.push_str(&format!("\\u{short:04X}")),
                (_, long) => written.push_str(&format!("\\U{long:08X}")),
            },
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a TOML parser makes of the text.
    fn read(written: &str) -> toml::Value {
        let text = format!("key = {written}");
        text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{text}: {error}"))["key"].clone()
    }

    #[test]
    fn a_value_is_written_so_that_toml_reads_the_same() {
        let values = [
            json!("a \"quoted\" \\ text\n\twith \u{1} \u{7f} ü and it's"),
            json!("\u{0}\u{85}\u{202e}\u{2028}\u{e0001}\u{10ffff}"),
            json!(true),
            json!(10_000),
            json!([]),
            json!(["h2", "http/1.1"]),
            json!([{ "cert": "a", "key": "b", "default": false }, "folder"]),
        ];
        for value in values {
            let written = toml(&Shown::Value(value.clone())).unwrap();
            assert_eq!(serde_json::to_value(read(&written)).unwrap(), value, "{written}");
        }
        assert_eq!(toml(&Shown::Value(Value::Null)), None);
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let names = [("a\u{202e}b", "\"a\\u202Eb\""), ("\u{e0001}", "\"\\U000E0001\""), ("ü's", "\"ü's\"")];
        for (name, written) in names {
            assert_eq!(text(name), written);
        }
    }

    #[test]
    fn an_inline_table_keeps_its_order_and_leaves_out_what_is_not_set() {
        let table = Table(vec![("rate", "10/s".into()), ("burst", 50.into()), ("none", Value::Null.into())]);
        assert_eq!(toml(&Shown::Inline(table)).unwrap(), "{ rate = \"10/s\", burst = 50 }");
        assert_eq!(toml(&Shown::Table(Table::default())).unwrap(), "{}");
    }
}
