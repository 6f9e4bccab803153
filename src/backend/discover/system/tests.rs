//! Files of the system that are missing, empty, wrong, and changed.

use std::fs;
use std::io::Write;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::backend::discover::{Source, look_up};

struct Scene {
    folder: TempDir,
    system: System,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let [resolv_conf, hosts] = ["resolv.conf", "hosts"].map(|file| folder.path().join(file));
        Self { system: System::of(resolv_conf, hosts), folder }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    /// The addresses that a name has.
    fn addresses(&self, name: &str) -> Result<Vec<String>, String> {
        let seconds = Duration::from_secs;
        let settings =
            Settings { name_servers: Vec::new(), timeout: seconds(5), min_ttl: seconds(1), max_ttl: seconds(9) };
        let source = Source::Dns { name: name.into(), port: 7 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(look_up(&source, &settings, &self.system, &[]))?;
        assert_eq!(answer.ttl, settings.max_ttl);
        Ok(answer.servers.iter().map(|found| found.address.to_string()).collect())
    }
}

#[test]
fn the_file_of_hosts_works_without_a_name_server() {
    let scene = Scene::new();
    for resolv_conf in [None, Some(""), Some("search a.test\n"), Some("nameserver nonsense\n")] {
        if let Some(text) = resolv_conf {
            scene.write("resolv.conf", text);
        }
        scene.write("hosts", "10.0.0.1 web web.test # one\n10.0.0.2 Web\n2001:db8::1 six\nnonsense\n");
        for (name, expected) in
            [("web", &["10.0.0.1:7", "10.0.0.2:7"][..]), ("WEB.test", &["10.0.0.1:7"]), ("six", &["[2001:db8::1]:7"])]
        {
            assert_eq!(scene.addresses(name).unwrap(), expected, "{name} {resolv_conf:?}");
        }
        let error = scene.addresses("other").unwrap_err();
        assert!(error.starts_with("there is no usable name server (") && error.contains("resolv.conf"), "{error}");
        // With addresses of one family in the file, no name server is asked for the other.
        scene.write("resolv.conf", "nameserver 127.0.0.1\n");
        assert_eq!(scene.addresses("six").unwrap(), ["[2001:db8::1]:7"]);
        if let Some(text) = resolv_conf {
            scene.write("resolv.conf", text);
        }
        // A change is noticed with the next look-up.
        scene.write("hosts", "10.0.0.3 web\n");
        assert_eq!(scene.addresses("web").unwrap(), ["10.0.0.3:7"]);
        fs::remove_file(scene.folder.path().join("hosts")).unwrap();
        assert!(scene.addresses("web").is_err());
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_in_the_files_causes_one_warning() {
    let (scene, log) = (Scene::new(), Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        scene.write("resolv.conf", "nameserver 127.0.0.1\nnonsense here\n");
        scene.write("hosts", "nonsense web\n10.0.0.1 web\n");
        for _ in 0..5 {
            assert_eq!(scene.addresses("web").unwrap().len(), 1);
        }
        let warned = || {
            let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            log.lines().filter(|line| line.contains("WARN")).count()
        };
        assert_eq!(warned(), 2);
        scene.write("hosts", "nonsense other\n10.0.0.1 web\n");
        scene.addresses("web").unwrap();
        assert_eq!(warned(), 3);
    });
}
