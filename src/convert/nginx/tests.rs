//! What servers of nginx become.

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
