//! Files of nginx that include others, and what they do not cost.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread;

use crate::convert::disk::Disk;
use crate::convert::peer::Peer;
use crate::convert::{Converted, convert};

/// Files that exist in this test only.
struct Files(HashMap<PathBuf, String>);

impl Disk for Files {
    fn text(&self, path: &Path) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| "it does not exist".to_owned())
    }

    fn folder(&self, path: &Path) -> Result<Vec<PathBuf>, String> {
        Ok(self.0.keys().filter(|file| file.parent() == Some(path)).cloned().collect())
    }

    fn has_key(&self, _: &Path) -> Option<bool> {
        None
    }
}

/// Converts it with those files on a thread that has as much stack as a thread has by default.
fn converted<N: AsRef<Path>>(text: &str, files: impl IntoIterator<Item = (N, String)>) -> (String, String) {
    let files = Files(files.into_iter().map(|(name, text)| (Path::new("/n").join(name), text)).collect());
    let text = text.to_owned();
    let converting = move || convert(Peer::Nginx, &text, "nginx.conf", Path::new("/n"), &files);
    let Converted { text, left } =
        thread::Builder::new().stack_size(2 << 20).spawn(converting).unwrap().join().unwrap();
    (text, left.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

const SERVER: &str =
    "server { listen 127.0.0.1:443 ssl; ssl_certificate a.pem; ssl_certificate_key a.pem; proxy_pass 127.0.0.1:80; }";

#[test]
fn a_file_that_includes_itself_or_the_one_that_includes_it_is_read_once() {
    let nested = |name: &str| format!("{}include {name};{}", "a {".repeat(14), "}".repeat(14));
    for files in [vec![("x", nested("x"))], vec![("x", nested("y")), ("y", nested("x"))]] {
        let (text, list) = converted(&format!("stream {{ {SERVER} include x; }}"), files);
        assert!(list.contains("it includes itself") || list.contains("too many files"), "{list}");
        assert!(text.contains("127.0.0.1:443"), "{text}");
    }
    let marks = format!("{}include x;", ";".repeat(1 << 20));
    let (_, list) = converted("include x;", [("x", marks)]);
    assert!(list.contains("/n/x: it includes itself"), "{list}");
}

#[test]
fn included_files_are_nested_no_deeper_than_blocks() {
    // Each file includes the next one, under a name that shows nothing of it.
    let files =
        (0..999).map(|at| (at.to_string(), format!("{}include {};{}", "a {".repeat(14), at + 1, "}".repeat(14))));
    let (_, list) = converted("include 0;", files);
    assert!(list.contains("too deep") || list.contains("too many files"), "{list}");
    // As deep as that is allowed.
    let text = format!("stream {{ {SERVER} }}");
    let files = (0..14).map(|at| (at.to_string(), if at < 13 { format!("include {};", at + 1) } else { text.clone() }));
    let (written, list) = converted("include 0;", files);
    assert!(written.contains("127.0.0.1:443"), "{list}");
}

#[test]
fn blocks_that_are_too_deep_are_listed_and_what_follows_them_is_read() {
    let deep = format!("{}deny all; {}", "a {".repeat(40), "}".repeat(40));
    let (text, list) = converted(&format!("stream {{\n{deep}\n{SERVER} }}"), [("", String::new())]);
    assert!(list.contains("line 2: not taken over: blocks and included files are nested too deep"), "{list}");
    assert!(text.contains("127.0.0.1:443") && !text.contains("deny"), "{text}");
}

#[test]
fn what_is_included_is_bounded_as_a_whole() {
    let text = format!("stream {{ {SERVER} }}\n{}", "include x;\n".repeat(40));
    let (text, list) = converted(&text, [("x", "#".repeat(1 << 20))]);
    assert!(
        list.contains("line 18: not taken over: /n/x: it cannot be read: the files that are included have more than"),
        "{list}"
    );
    assert!(!list.contains("line 17:") && text.contains("127.0.0.1:443"), "{list}");
}

#[test]
fn names_of_proxies_that_nobody_can_compare_make_nobody_a_proxy() {
    let server = |proxies: &str| {
        format!("stream {{ {} }}", SERVER.replace("443 ssl;", &format!("443 ssl proxy_protocol; {proxies}")))
    };
    let (text, list) =
        converted(&server("set_real_ip_from proxy.internal; set_real_ip_from unix:;"), [("", String::new())]);
    assert!(text.is_empty() && list.contains("security: set_real_ip_from proxy.internal"), "{list}\n{text}");
    let (text, list) =
        converted(&server("set_real_ip_from unix:; set_real_ip_from 10.0.0.0/8;"), [("", String::new())]);
    assert!(
        text.contains("trusted_proxies = [\"10.0.0.0/8\"]") && list.contains("security: set_real_ip_from unix:"),
        "{list}\n{text}"
    );
}

#[test]
fn what_a_stream_has_beside_servers_is_listed_and_an_empty_one_too() {
    for (block, expected) in [
        ("", "stream: there is no server in it"),
        ("match ldap { send a; }", "match ldap { … }: tlsgate has nothing like it"),
        ("if ($remote_addr) { deny all; }", "if ($remote_addr) { … }: tlsgate has nothing like it"),
        ("server;", "server: expected a block"),
        ("upstream ldap;", "upstream ldap: expected a block"),
    ] {
        let (text, list) = converted(&format!("stream {{ {block} }}"), [("", String::new())]);
        assert!(text.is_empty() && list.contains(expected), "{block}: {list}\n{text}");
        let (text, list) = converted(&format!("stream {{ {SERVER} {block} }}"), [("", String::new())]);
        assert!(block.is_empty() || list.contains(expected), "{block}: {list}");
        assert!(text.contains("127.0.0.1:443"), "{text}");
    }
}
