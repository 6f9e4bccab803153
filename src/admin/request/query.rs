//! The query of a request to the API → its parameters. Must not know: what they mean.

use percent_encoding::percent_decode_str;

/// Each parameter with its value, decoded. An error where one occurs twice or is not UTF-8.
pub(in crate::admin) fn parameters(query: Option<&str>) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A "+" is not decoded to a space: it is a character of base64.
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
        let (Ok(key), Ok(value)) = (decode(key), decode(value)) else {
            return Err("the query is not UTF-8 when decoded".into());
        };
        if found.iter().any(|(known, _)| *known == key) {
            return Err(format!("the parameter {key:?} occurs twice in the query"));
        }
        found.push((key, value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_none_occurs_twice() {
        let read = |query| parameters(Some(query));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(parameters(None), Ok(Vec::new()));
        assert_eq!(read("a=1%202+3&&b&c=="), Ok(vec![pair("a", "1 2+3"), pair("b", ""), pair("c", "=")]));
        assert!(read("a=1&%61=2").unwrap_err().contains("\"a\" occurs twice"));
        assert!(read("a=%ff").unwrap_err().contains("UTF-8"));
    }
}
