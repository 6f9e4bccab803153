//! The configuration in the manifests, in folders as the kubelet makes and changes them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::kubernetes::configuration;
use crate::support::backend::Backend;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

/// A folder in which a ConfigMap or a Secret is mounted. Its files are links to `..data`, which is a link to a folder; a
/// new version is a new folder, and a link that is renamed to `..data`.
struct Mount {
    folder: PathBuf,
    versions: u32,
}

impl Mount {
    fn new(folder: PathBuf, files: &[(&str, &str)]) -> Self {
        fs::create_dir_all(&folder).unwrap();
        files.iter().for_each(|(name, _)| symlink(format!("..data/{name}"), folder.join(name)).unwrap());
        let mut mount = Self { folder, versions: 0 };
        mount.write(files);
        mount
    }

    fn write(&mut self, files: &[(&str, &str)]) {
        let before = fs::read_link(self.folder.join("..data"));
        self.versions += 1;
        let version = self.folder.join(format!("..version_{}", self.versions));
        fs::create_dir(&version).unwrap();
        for (name, text) in files {
            let file = version.join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
        }
        let link = self.folder.join("..data_tmp");
        symlink(version.file_name().unwrap(), &link).unwrap();
        fs::rename(&link, self.folder.join("..data")).unwrap();
        if let Ok(before) = before {
            fs::remove_dir_all(self.folder.join(before)).unwrap();
        }
    }
}

struct Pod {
    pki: Pki,
    secret: Mount,
    config: Mount,
}

const NAME: &str = "www.example.com";

impl Pod {
    /// With the shipped configuration, of which `change` makes one for this folder.
    fn new(change: impl FnOnce(String) -> String) -> Self {
        let pki = Pki::new();
        let etc = pki.folder().join("etc/tlsgate");
        fs::create_dir_all(pki.folder().join("run")).unwrap();
        let (certificate, key) = pki.pair(&[NAME], Key::P256, &Extra::default());
        let secret = Mount::new(etc.join("certs/web"), &[("tls.crt", &certificate), ("tls.key", &key)]);
        let config = change(here(configuration(), pki.folder()));
        let config = Mount::new(etc.join("config"), &[("tlsgate.toml", &config)]);
        Self { pki, secret, config }
    }

    fn file(&self) -> PathBuf {
        self.config.folder.join("tlsgate.toml")
    }

    fn renew(&mut self) {
        let (certificate, key) = self.pki.pair(&[NAME], Key::P256, &Extra::default());
        self.secret.write(&[("tls.crt", &certificate), ("tls.key", &key)]);
    }
}

/// The paths of the pod, below that folder.
fn here(config: String, folder: &Path) -> String {
    replaced(
        config,
        &[
            ("\"/etc/tlsgate/", &format!("\"{}/etc/tlsgate/", folder.display())),
            ("unix:/run/tlsgate/", &format!("unix:{}/run/", folder.display())),
        ],
    )
}

fn replaced(mut config: String, pairs: &[(&str, &str)]) -> String {
    for (shipped, here) in pairs {
        assert!(config.contains(shipped), "{shipped}");
        config = config.replace(shipped, here);
    }
    config
}

#[test]
fn the_configuration_of_the_config_map_is_good() {
    let pod = Pod::new(|config| config);
    let output = tool::run(PROGRAM, &["check", "--strict", "-c", pod.file().to_str().unwrap()], b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
}

#[test]
fn a_new_certificate_and_a_new_configuration_are_followed() {
    let backend = Backend::echo();
    let address = backend.address.to_string();
    let mut pod = Pod::new(|config| {
        replaced(
            config,
            &[
                ("listen = [\"0.0.0.0:8443\", \"[::]:8443\"]", "listen = \"127.0.0.1:0\""),
                ("listen = \"unix:", "listen=\"unix:"),
                ("0.0.0.0:9901", "127.0.0.1:0"),
                ("dns:web.default.svc.cluster.local.:8080", &address),
                ("type = \"http\", path = \"/\"", "type = \"tcp\""),
            ],
        )
    });
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(pod.file()).stdin(std::process::Stdio::null());
    let proxy = Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("it did not start:\n{log}"));
    let line = proxy.log_line("probes listening address=");
    let probes = Door::Tcp(line.split_once("address=").unwrap().1.trim().parse().unwrap());
    eventually("it is ready", || (probes.get("/readyz").status == 200).then_some(()));
    assert_eq!((probes.get("/livez").status, probes.get("/metrics").status), (200, 200));
    let served = || {
        let address = proxy.address("https").to_string();
        let output = tool::run("openssl", &["s_client", "-connect", &address, "-servername", NAME], b"");
        let serial = tool::run("openssl", &["x509", "-noout", "-serial"], &output.stdout);
        assert!(serial.status.success(), "{}", tool::shown(&output));
        serial.stdout
    };
    let mut before = served();
    // More than once: each time in a folder that was not there at the start.
    for _ in 0..3 {
        pod.renew();
        before = eventually("the new certificate is served", || Some(served()).filter(|serial| *serial != before));
    }
    let config = fs::read_to_string(pod.file()).unwrap();
    pod.config.write(&[("tlsgate.toml", &replaced(config, &[("slow_start = \"10s\"", "slow_start = \"11s\"")]))]);
    proxy.log_line("slow_start");
    pod.renew();
    eventually("the new certificate is served", || (served() != before).then_some(()));
}
