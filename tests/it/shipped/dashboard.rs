//! The dashboard for Grafana: its queries, and what each panel has to have.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{list, text, words};

fn dashboard() -> Value {
    serde_json::from_str(&text("config/grafana/tlsgate.json")).unwrap()
}

/// The panels without the headings of rows.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["panels"]).iter().filter(|panel| panel["type"] != "row")
}

/// Every query, with where it is and the legend of its series.
pub(super) fn queries() -> Vec<(String, String, String)> {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for panel in panels(&dashboard) {
        for target in list(&panel["targets"]) {
            // In a table the labels are columns, which are renamed.
            let renamed = panel["transformations"][0]["options"]["renameByName"].as_object();
            let columns = renamed.into_iter().flat_map(|names| names.keys()).filter(|name| *name != "Value");
            let columns: String = columns.map(|name| format!("{{{{{name}}}}}")).collect();
            let legend = words(&target["legendFormat"]).to_owned() + &columns;
            queries.push((format!("panel {}", panel["title"]), words(&target["expr"]).to_owned(), legend));
        }
    }
    for variable in variables(&dashboard) {
        let query = words(&variable["query"]["query"]);
        let inside = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
        let (metric, label) = inside.rsplit_once(", ").unwrap();
        queries.push((format!("variable {}", variable["name"]), metric.to_owned(), format!("{{{{{label}}}}}")));
    }
    for annotation in list(&dashboard["annotations"]["list"]).iter().filter(|one| one["builtIn"].is_null()) {
        let text = words(&annotation["textFormat"]).to_owned();
        queries.push((format!("annotation {}", annotation["name"]), words(&annotation["expr"]).to_owned(), text));
    }
    assert!(queries.len() > 40, "only {} queries", queries.len());
    queries
}

fn variables(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["templating"]["list"]).iter().filter(|variable| variable["type"] == "query")
}

#[test]
fn each_panel_says_what_it_shows_and_in_which_unit() {
    let dashboard = dashboard();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = words(&panel["title"]);
        assert!(words(&panel["description"]).ends_with('.'), "{title}");
        assert!(!words(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "{title}");
        assert!(!list(&panel["targets"]).is_empty(), "{title}");
        titles.insert(title);
    }
    assert!(titles.len() > 30);
    // Where it is loaded a second time, it does not take the place of another one.
    assert!(dashboard["id"].is_null() && dashboard["uid"].is_null());
}

#[test]
fn the_source_of_data_is_chosen_by_who_looks() {
    let dashboard = dashboard();
    let first = &dashboard["templating"]["list"][0];
    assert_eq!(
        (&first["type"], &first["name"], &first["query"]),
        (&"datasource".into(), &"datasource".into(), &"prometheus".into())
    );
    let mut seen = 0;
    let targets = panels(&dashboard).flat_map(|panel| list(&panel["targets"])).chain(panels(&dashboard));
    for one in targets.chain(variables(&dashboard)) {
        assert_eq!(one["datasource"]["uid"], "${datasource}", "{one}");
        seen += 1;
    }
    assert!(seen > 100);
    let names: BTreeSet<&str> = variables(&dashboard).map(|variable| words(&variable["name"])).collect();
    assert_eq!(names, BTreeSet::from(["job", "instance", "listener", "backend"]));
    // Every query is limited to what was chosen.
    for (what, query, _) in queries().iter().filter(|(what, ..)| what != "variable \"job\"") {
        assert!(query.contains("job=~\"$job\""), "{what}");
    }
}

#[test]
fn no_panel_covers_another_one() {
    let dashboard = dashboard();
    let (mut taken, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard["panels"]) {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{}", panel["title"]);
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} covers another panel", panel["title"]);
        }
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
    }
}
