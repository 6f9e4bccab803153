//! The query of a request to the API → its parameters. Must not know: what they mean.

use percent_encoding::percent_decode_str;

/// Each parameter with its value, decoded. An error where one occurs twice or is not UTF-8, or where
/// there are more than [`MOST`].
pub(in crate::admin) fn parameters(query: Option<&str>) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A "+" is not decoded to a space: it is a character of base64.
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
        let (Ok(key), Ok(value)) = (decode(key), decode(value)) else {
            return Err(format!(
                "{key}: found {value:?}, expected a name and a value in UTF-8, written with % (RFC 3986)"
            ));
        };
        if let Some((_, before)) = found.iter().find(|(known, _)| *known == key) {
            return Err(format!("{key}: found {before:?} and {value:?}, expected one value"));
        }
        if found.len() == MOST {
            return Err(format!("found more than {MOST} parameters in the query, expected at most {MOST}"));
        }
        found.push((key, value));
    }
    Ok(found)
}

/// Parameters of a query: more than any request has. Each is compared with all before it.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_none_occurs_twice() {
        let read = |query: &str| parameters(Some(query));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(parameters(None), Ok(Vec::new()));
        assert_eq!(read("a=1%202+3&&b&c=="), Ok(vec![pair("a", "1 2+3"), pair("b", ""), pair("c", "=")]));
        assert!(read("a=1&%61=2").unwrap_err().contains("a: found \"1\" and \"2\", expected one value"));
        assert!(read("a=%ff").unwrap_err().starts_with("a: found \"%ff\", expected"));
        assert!(read("%ff=a").unwrap_err().starts_with("%ff: found \"a\", expected"));
        let many = |count: usize| (0..count).map(|number| format!("a{number}=&")).collect::<String>();
        assert!(parameters(Some(&many(MOST))).is_ok());
        let message = parameters(Some(&many(MOST + 1))).unwrap_err();
        assert!(message.contains("more than 32 parameters"), "{message}");
    }
}
