//! The API's description in OpenAPI. Must not know: how anything is answered.

use crate::admin::request::answer::{Answer, JSON};

/// The description, from the file beside this one.
pub(in crate::admin) fn description() -> Answer {
    Answer::text(JSON, DESCRIPTION)
}

const DESCRIPTION: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::admin::request::paths::{Operation, ROUTES};

    #[test]
    fn it_holds_every_route_and_no_other() {
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let described: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let routed: BTreeSet<(String, String)> =
            ROUTES.iter().map(|(path, method, _)| ((*path).to_owned(), method.to_string())).collect();
        assert_eq!(described, routed);
        assert_eq!(ROUTES.len(), routed.len(), "a route occurs twice");
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn only_changes_need_the_token() {
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        for (path, method, operation) in ROUTES {
            let is_change = matches!(operation, Operation::Make(_));
            let described = &description["paths"][path][method.as_str().to_lowercase()];
            assert_eq!(described.get("security").is_some(), is_change, "{path}");
            for status in ["401", "403"] {
                assert_eq!(described["responses"].get(status).is_some(), is_change, "{path} {status}");
            }
        }
    }
}
