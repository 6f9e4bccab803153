//! One metric for listeners, one for routes and one for backends has the labels. `promtool` reads them.

use super::{Scene, hostile};
use crate::support::procfs::eventually;
use crate::support::tool;

#[test]
fn what_has_labels_has_a_row_and_nothing_else_has() {
    let scene = Scene::new();
    let text = scene.door.get("/metrics").body;
    let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && line.contains("_info{")).collect();
    // Escaped as the text format asks: backslash and double quote.
    let site = hostile().replace('\\', "\\\\").replace('"', "\\\"");
    let expected = [
        "tlsgate_listener_info{listener=\"main\",env=\"prod\",team=\"platform\"} 1".to_owned(),
        "tlsgate_route_info{listener=\"main\",route=\"apps\",team=\"apps\",tier=\"1\"} 1".to_owned(),
        "tlsgate_route_info{listener=\"main\",route=\"through\",team=\"network\"} 1".to_owned(),
        "tlsgate_backend_info{backend=\"apps\",team=\"directory\"} 1".to_owned(),
        format!("tlsgate_backend_info{{backend=\"plain\",site=\"{site}\"}} 1"),
    ];
    let shown: Vec<&str> = rows.into_iter().filter(|row| !row.starts_with("tlsgate_build_info")).collect();
    assert_eq!(shown, expected);
    let judged = tool::run("promtool", &["check", "metrics"], text.as_bytes());
    assert!(judged.status.success(), "{}", tool::shown(&judged));
}

#[test]
fn a_reload_changes_the_rows() {
    let scene = Scene::new();
    scene.reload("test");
    let row = "tlsgate_listener_info{listener=\"main\",env=\"test\",team=\"platform\"} 1";
    eventually(row, || scene.door.get("/metrics").body.contains(row).then_some(()));
    assert!(!scene.door.get("/metrics").body.contains("env=\"prod\""));
}
