//! The least rights in etcd that the documents name are enough for those who publish.

use super::*;
use crate::support::pki::write_private;

#[test]
fn the_rights_of_a_publisher_are_enough_for_every_verb() {
    let document = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fleet.md")));
    let rights = document.split("role add tlsgate-publisher").nth(1).unwrap();
    let keys = rights.split("for key in ").nth(1).unwrap().split(';').next().unwrap();
    let mut rights = vec!["read /tlsgate/test/".to_owned()];
    rights.extend(keys.split_whitespace().map(|key| format!("readwrite /tlsgate/test/{key}")));
    assert!(rights.len() > 4, "{rights:?}");
    let mut store = Etcd::one(Version::Debian);
    store.with_user("publisher", "a password", &rights.iter().map(String::as_str).collect::<Vec<_>>());
    let fleet = Fleet::with(store);
    write_private(&fleet.path("password"), "a password\n");
    let user = "username = \"publisher\"\npassword_file = \"password\"\n";
    let error = fleet.refuses(&["history"]);
    assert!(error.contains(fleet.store.urls()[0].trim_start_matches("http://")), "{error}");
    fleet.write("fleet.toml", &fleet.fleet_toml("fleet.key", user));
    fleet.publish();
    fleet.configure("max_connections = 5");
    fleet.publish();
    fleet.does(&["status"]);
    fleet.does(&["diff", "1"]);
    fleet.does(&["rollback", "1"]);
    fleet.does(&["drain", "directory/192.0.2.77:389"]);
    fleet.does(&["gc", "--keep", "1"]);
    write_private(&fleet.path("password"), "another password\n");
    let error = fleet.refuses(&["status"]);
    assert!(!error.contains("another password") && error.contains("password"), "{error}");
}
