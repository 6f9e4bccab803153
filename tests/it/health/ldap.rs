//! Checks of a directory, with and without a password.

use super::{becomes, down_for, stage};
use crate::support::pki::write_private;
use crate::support::slapd::{ADMIN, PASSWORD, Slapd};

#[test]
fn a_directory_is_checked_by_its_root_entry_or_by_a_bind() {
    let slapd = Slapd::start("");
    becomes(&stage(&[slapd.address], "type = \"ldap\"", ""), 0, "up");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("password");
    let bind = format!("type = \"ldap\", bind_dn = \"{ADMIN}\", password_file = \"{}\"", file.display());
    for (password, wanted) in [(format!("{PASSWORD}\n"), None), ("wrong".to_owned(), Some("invalidCredentials (49)"))] {
        write_private(&file, &password);
        let stage = stage(&[slapd.address], &bind, "");
        match wanted {
            None => drop(becomes(&stage, 0, "up")),
            Some(reason) => down_for(&stage, 0, reason),
        }
    }
    // The right password, and another one when the file changes.
    write_private(&file, PASSWORD);
    let stage = stage(&[slapd.address], &bind, "");
    becomes(&stage, 0, "up");
    write_private(&file, "changed");
    down_for(&stage, 0, "invalidCredentials (49)");
    let all = stage.proxy.log() + &stage.door().get("/api/v1/config").body + &stage.door().get("/api/v1/backends").body;
    assert!(!all.contains(PASSWORD) && all.contains("password_file"), "{all}");
}
