use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::config;

fn collected(folder: &Path, text: &str) -> Result<Collected, Vec<ConfigError>> {
    let config = config::parse(text, Path::new("")).unwrap();
    collect(text, &config, folder)
}

fn configuration(certificates: &str, more: &str) -> String {
    format!(
        "[[listener]]\nname = \"a\"\nlisten = [\"127.0.0.1:0\"]\ncertificates = [{certificates}]\nbackend = \"b\"\n{more}\n\
         [backend.b]\nservers = [\"127.0.0.1:1\"]\n"
    )
}

fn write(folder: &Path, files: &[&str]) {
    for file in files {
        fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
        fs::write(folder.join(file), format!("content of {file}")).unwrap();
    }
}

#[test]
fn a_release_has_what_is_named_by_relative_paths_and_follows_links() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(
        folder.path(),
        &["a.crt", "a.key", "lists/deny.txt", "unnamed.key", "certs/x.crt", "certs/x.key", "certs/sub/y.pem"],
    );
    write(elsewhere.path(), &["z.crt", "z.key"]);
    for file in ["z.crt", "z.key"] {
        symlink(elsewhere.path().join(file), folder.path().join("certs").join(file)).unwrap();
    }
    let text = configuration(
        "{ cert = \"a.crt\", key = \"./a.key\" }, \"certs\", \"/nowhere/absolute.pem\"",
        "deny_file = \"lists/deny.txt\"",
    );
    let collected = collected(folder.path(), &text).unwrap();
    let paths: Vec<&str> = collected.files.keys().map(String::as_str).collect();
    let expected = [
        "a.crt",
        "a.key",
        "certs/sub/y.pem",
        "certs/x.crt",
        "certs/x.key",
        "certs/z.crt",
        "certs/z.key",
        "lists/deny.txt",
        "tlsgate.toml",
    ];
    assert_eq!(paths, expected);
    assert_eq!(collected.files["certs/z.key"].as_slice(), b"content of z.key");
    assert_eq!(collected.files["tlsgate.toml"].as_slice(), text.as_bytes());
    assert_eq!(collected.warnings.len(), 1, "{:?}", collected.warnings);
    assert!(collected.warnings[0].contains("/nowhere/absolute.pem: an absolute path is not part of the release"));
}

#[test]
fn what_leads_out_of_the_folder_or_is_not_there_is_an_error_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &["in/a.pem", "b.pem"]);
    for (certificates, expected) in [
        ("\"../b.pem\"", "without \"..\""),
        ("\"sub/../b.pem\"", "without \"..\""),
        ("\"absent.pem\"", "absent.pem: no such file"),
        ("\"tlsgate.toml\"", "the name of the configuration itself"),
    ] {
        let errors = collected(&folder.path().join("in"), &configuration(certificates, "")).err().unwrap();
        let [error] = &errors[..] else { panic!("{errors:?}") };
        assert!(error.message.contains(expected) && error.position.is_some(), "{certificates}: {error}");
    }
}

#[test]
fn what_each_node_writes_itself_is_no_part_of_a_release() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &["a.pem"]);
    let text = format!("[log]\naccess = \"access.log\"\n{}", configuration("\"a.pem\"", ""));
    let collected = collected(folder.path(), &text).unwrap();
    assert_eq!(collected.files.keys().collect::<Vec<_>>(), ["a.pem", "tlsgate.toml"]);
    assert!(collected.warnings[0].contains("which each release replaces"), "{:?}", collected.warnings);
}

#[test]
fn a_program_that_is_to_be_part_of_a_release_is_an_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &["a.pem"]);
    let text = format!("[keys]\npassphrases = [\"program:ask\"]\n{}", configuration("\"a.pem\"", ""));
    let errors = collected(folder.path(), &text).err().unwrap();
    let [error] = &errors[..] else { panic!("{errors:?}") };
    let expected = "line 2, column 16: keys: passphrases[0]: found the relative path ask of a program";
    assert!(error.to_string().starts_with(expected), "{error}");
}
