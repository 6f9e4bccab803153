//! The files that the page needs: its style, its script, its icon. Must not know: what is on the page.

use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};

use crate::admin::request::answer::Answer;
use crate::tls::crypto;

/// One of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Asset {
    Style,
    Script,
    Icon,
}

impl Asset {
    /// The file; only that it has not changed where the browser has it already (RFC 9110 section 13.1.2).
    pub(in crate::admin) fn answer(self, headers: &HeaderMap) -> Answer {
        let (content_type, text) = match self {
            Self::Style => ("text/css; charset=utf-8", include_str!("page.css")),
            Self::Script => ("text/javascript; charset=utf-8", include_str!("page.js")),
            Self::Icon => ("image/svg+xml", include_str!("icon.svg")),
        };
        let hash = crypto::sha256(text.as_bytes());
        let tag = format!("\"{}\"", hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>());
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
        let answer = match known.any(|known| known == tag || known == "*") {
            true => Answer::not_modified(content_type),
            false => Answer::text(content_type, text),
        };
        // Asked for again each time, so that an upgrade is seen at once.
        answer.with(ETAG, &tag).with(CACHE_CONTROL, "no-cache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        for asset in [Asset::Style, Asset::Script, Asset::Icon] {
            let answer = asset.answer(&HeaderMap::new());
            assert!(answer.status == 200 && answer.body.len() < 16 << 10, "{} bytes", answer.body.len());
            let tag = answer.header(&ETAG).unwrap().clone();
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, tag)]);
            let again = asset.answer(&headers);
            assert!(again.status == 304 && again.body.is_empty());
        }
    }
}
