//! The settings in the document are ones that the verbs read.

use super::*;

#[test]
fn the_settings_in_the_document_are_read() {
    let document = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fleet.md")));
    let block = document.split("```toml\n[fleet]").nth(1).unwrap().split("```").next().unwrap();
    let fleet = Fleet::new();
    // Files that are named, with nothing in them: each error but that about certificates would be about a key.
    fleet.write("documented.toml", &format!("[fleet]{block}"));
    let error = fleet.refuses(&["status", "--fleet", "documented.toml"]);
    assert!(error.contains("ca.pem") || error.contains("edge.crt"), "{error}");
}
