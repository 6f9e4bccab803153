//! The image: the same input gives the same layer, it starts as the user that it names, and its health check sees that.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;

use super::{deb, packaging};
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::proxy::Proxy;
use crate::support::stage::{NAME, certified};
use crate::support::tool;

/// An archive of an image.
struct Image(PathBuf);

impl Image {
    fn of(package: &Path, folder: &Path, name: &str) -> Self {
        let archive = folder.join(name);
        packaging("image", &[package.to_str().unwrap(), archive.to_str().unwrap()]);
        Self(archive)
    }

    fn json(&self, file: &str) -> Value {
        let output = tool::run("tar", &["--extract", "--to-stdout", "--file", self.0.to_str().unwrap(), file], b"");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Names of the layers, which are their digests.
    fn layers(&self) -> Value {
        self.json("manifest.json")[0]["Layers"].clone()
    }

    fn config(&self) -> Value {
        self.json(self.json("manifest.json")[0]["Config"].as_str().unwrap())["config"].clone()
    }
}

/// A container without an engine: a process that has another root.
struct Container<'f> {
    folder: &'f Path,
    volume: String,
}

impl<'f> Container<'f> {
    fn of(image: &Image, folder: &'f Path, config: &Path) -> Self {
        let container = Self { folder, volume: format!("{}:/etc/tlsgate:ro", config.display()) };
        let archive = format!("docker-archive:{}", image.0.display());
        let made = container.buildah(&["from", "--quiet", "--name", "it", &archive]).output().unwrap();
        assert!(made.status.success(), "{}", tool::shown(&made));
        container
    }

    fn buildah(&self, arguments: &[&str]) -> Command {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let mut command = Command::new("buildah");
        command.args(["--root", &at("storage"), "--runroot", &at("run"), "--storage-driver", "vfs"]).args(arguments);
        command
    }

    /// A command in the container, as the image's user.
    fn command(&self, command: &[&str]) -> Command {
        let run = ["run", "--isolation", "chroot", "--volume", &self.volume, "it", "--"];
        self.buildah(&[&run, command].concat())
    }

    fn run(&self, command: &[&str]) -> Output {
        self.command(command).output().unwrap()
    }
}

/// Kills a process that does not end with the one that has started it.
struct Ended(String);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0]).output();
    }
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn the_layer_of_an_image_is_reproducible_and_it_starts_as_its_user_and_is_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let package = deb(folder.path(), "0.1.0-1");
    let image = Image::of(&package, folder.path(), "image.tar");
    assert_eq!(Image::of(&package, folder.path(), "again.tar").layers(), image.layers());
    assert_eq!(image.layers().as_array().unwrap().len(), 1);
    // Its name is the one that Compose's file asks for.
    let tag = image.json("manifest.json")[0]["RepoTags"][0].as_str().unwrap().to_owned();
    let wanted = fs::read_to_string("config/compose/compose.yaml").unwrap();
    let wanted = wanted.lines().find_map(|line| line.trim().strip_prefix("image: tlsgate:")).unwrap().to_owned();
    assert_eq!(tag.rsplit('/').next().unwrap(), format!("tlsgate:{wanted}"));

    let (pki, backend) = (certified(), Backend::echo());
    for (path, mode) in [("", 0o755), ("certs", 0o755), ("certs/main.crt", 0o644), ("certs/main.key", 0o644)] {
        fs::set_permissions(pki.folder().join(path), Permissions::from_mode(mode)).unwrap();
    }
    let text = format!(
        "[admin]\nlisten = \"unix:/tmp/admin.sock\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [\"certs\"]\nbackend = \"b\"\n[backend.b]\nservers = [\"{}\"]\n",
        backend.address
    );
    fs::write(pki.folder().join("tlsgate.toml"), text).unwrap();
    let container = Container::of(&image, folder.path(), pki.folder());
    let config = image.config();
    assert_eq!(config["User"], "65532:65532");
    let health = words(&config["Healthcheck"]["Test"]);
    assert_eq!(health[0], "CMD");
    assert!(!container.run(&health[1..]).status.success(), "healthy before it was started");

    let start = [words(&config["Entrypoint"]), words(&config["Cmd"])].concat();
    let mut proxy = Proxy::spawn(container.command(&start), 1).unwrap();
    let pid = proxy.log_line(" ready pid=").rsplit_once('=').unwrap().1.to_owned();
    let guard = Ended(pid.clone());
    proxy.log_line("(uid 65532)");
    let checked = container.run(&health[1..]);
    assert!(checked.status.success(), "{}", tool::shown(&checked));
    let trust = Arc::new(trusting(&pki.ca(), Tls::V13));
    let mut client = Client::silent(proxy.address("main"), &trust, NAME);
    client.handshake().unwrap();
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping");
    drop(client);
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert!(proxy.ended().success());
    drop(guard);
    // There is nothing else to start.
    assert!(!container.run(&["/bin/sh", "-c", "true"]).status.success());
}
