use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::config;
use crate::sandbox::risks;

/// Folders and files in a place of their own.
struct Scene {
    _folder: TempDir,
    root: PathBuf,
}

impl Scene {
    fn new(folders: &[&str], files: &[&str], links: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        folders.iter().for_each(|below| fs::create_dir_all(root.join(below)).unwrap());
        files.iter().for_each(|below| fs::write(root.join(below), "").unwrap());
        links.iter().for_each(|(target, below)| symlink(target, root.join(below)).unwrap());
        Self { _folder: folder, root }
    }

    fn config(&self, top: &str, certificates: &str) -> Config {
        let text = format!(
            "{top}\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = {certificates}\nbackend = \"echo\"\n\
             [backend.echo]\nservers = [\"127.0.0.1:1\"]\n"
        );
        config::parse(&text, &self.root.join("conf")).unwrap()
    }

    fn plan(&self, top: &str, certificates: &str) -> Plan {
        let file = self.root.join("conf/tlsgate.toml");
        Plan::of(&self.config(top, certificates), Some(&file))
    }

    /// The places below the root, each with how it is used and the keys.
    fn places(&self, plan: &Plan) -> Vec<(String, &'static str, String)> {
        let named = plan.places().iter().filter_map(|place| {
            let below = place.path.strip_prefix(&self.root).ok()?.display().to_string();
            let keys: Vec<&str> = place.keys.iter().map(String::as_str).collect();
            Some((below, place.access.word(), keys.join(", ")))
        });
        named.collect()
    }
}

const OWN: &str = "listener \"main\": certificates";

fn read(below: &str, keys: &str) -> (String, &'static str, String) {
    (below.to_owned(), "read", keys.to_owned())
}

#[test]
fn every_folder_on_the_way_to_a_certificate_can_be_read() {
    let scene = Scene::new(
        &["conf", "live/a.example", "archive/a.example", "archive/b.example", "other", "secret/..2026", "store"],
        &[
            "conf/tlsgate.toml",
            "archive/a.example/x1.pem",
            "other/y.pem",
            "secret/..2026/tls.crt",
            "store/z.crt",
            "store/z.key",
        ],
        &[
            ("../../archive/a.example/x1.pem", "live/a.example/x.pem"),
            ("../other/y.pem", "live/y.pem"),
            ("..2026", "secret/..data"),
            ("..data/tls.crt", "secret/tls.crt"),
        ],
    );
    let own = "listener \"main\": certificates[0]";
    let plan =
        scene.plan("", "[\"../live\", \"../secret/tls.crt\", { cert = \"../store/z.crt\", key = \"../store/z.key\" }]");
    let expected = [
        // The certificate of another name will be beside it.
        read("archive", own),
        read("conf", "the configuration"),
        read("live", own),
        read("other", own),
        read("secret", "listener \"main\": certificates[1]"),
        read("store", "listener \"main\": certificates[2]"),
    ];
    assert_eq!(scene.places(&plan), expected);
    assert_eq!(plan.absent().count(), 0);
}

#[test]
fn what_the_admin_server_uses_for_tls_and_probes_is_part_of_it() {
    let files = ["own/a.crt", "trust/ops.pem", "lists/ops.crl", "pins/ops.txt"];
    let scene = Scene::new(&["conf", "certs", "own", "trust", "lists", "pins", "run"], &files, &[]);
    let top = "[admin]\nlisten = \"127.0.0.1:1\"\nprobes = \"unix:../run/probes.sock\"\n[admin.tls]\n\
               certificates = [\"../own\"]\n\
               client_auth = { mode = \"require\", ca = \"../trust/ops.pem\", crl = \"../lists/ops.crl\", \
               pins_file = \"../pins/ops.txt\" }";
    let places = scene.places(&scene.plan(top, "\"../certs\""));
    let expected = [
        read("lists", "admin: tls: client_auth: crl"),
        read("own", "admin: tls: certificates[0]"),
        read("pins", "admin: tls: client_auth: pins_file"),
        ("run".to_owned(), "remove", "admin: probes".to_owned()),
        read("trust", "admin: tls: client_auth: ca"),
    ];
    for place in expected {
        assert!(places.contains(&place), "{place:?} is not in {places:?}");
    }
}

#[test]
fn what_is_written_is_that_alone() {
    let scene = Scene::new(&["conf", "certs", "logs", "state", "run", "tokens"], &["conf/token", "certs/a.crt"], &[]);
    let top = "[admin]\nlisten = \"unix:../run/admin.sock\"\ntoken_file = \"token\"\n[log]\naccess = \"../logs/access.log\"\n\
               [state]\ndirectory = \"../state\"\n[process]\nsandbox_paths = [\"../tokens\", \"../gone\"]";
    let plan = scene.plan(top, "\"../certs\"");
    let written = |below: &str, how, keys: &str| (below.to_owned(), how, keys.to_owned());
    let expected = [
        written("certs", "change", OWN),
        read("conf", "admin: token_file, the configuration"),
        written("logs", "append", "log: access"),
        written("run", "remove", "admin: listen"),
        written("state", "change", "state: directory"),
        written("tokens", "change", "process: sandbox_paths[0]"),
    ];
    assert_eq!(scene.places(&plan), expected);
    let absent: Vec<String> = plan.absent().collect();
    assert_eq!(absent, [format!("process: sandbox_paths[1]: {}", scene.root.join("conf/../gone").display())]);
    // Without the admin server nobody adds certificates.
    assert!(scene.places(&scene.plan("", "\"../certs\"")).contains(&read("certs", OWN)));
}

#[test]
fn a_folder_of_the_whole_system_is_not_opened_for_one_file() {
    let scene = Scene::new(&["conf"], &[], &[]);
    let plan = scene.plan("[admin]\ntoken_file = \"/etc/passwd\"", "\"/etc/hostname\"");
    let of = |path: &str| plan.places().iter().find(|place| place.path == Path::new(path)).map(|place| place.access);
    assert_eq!((of("/etc/passwd"), of("/etc"), of("/")), (Some(Access::Read), None, None));
    assert!(!plan.includes(Path::new("/etc/shadow"), Access::Read));
    assert!(
        plan.includes(Path::new("/etc/passwd"), Access::Read)
            && !plan.includes(Path::new("/etc/passwd"), Access::Append)
    );
}

#[test]
fn neither_a_log_nor_a_socket_nor_a_link_opens_a_folder_of_the_whole_system() {
    let scene = Scene::new(&["conf", "certs"], &[], &[("/etc", "certs/evil"), ("/", "certs/all")]);
    let top = "[admin]\nlisten = \"unix:/admin.sock\"\n[log]\naccess = \"/root/tlsgate.log\"";
    let plan = scene.plan(top, "[\"../certs\"]");
    let of = |path: &str| plan.places().iter().find(|place| place.path == Path::new(path));
    for folder in ["/", "/root", "/etc"] {
        assert_eq!(of(folder), None);
    }
    // Logs are moved away and made again.
    let plan = scene.plan("[log]\naccess = \"/var/log/tlsgate.log\"", "[\"../certs\"]");
    assert!(plan.includes(Path::new("/var/log"), Access::Append));
}

#[test]
fn a_configuration_that_the_process_could_change_is_a_risk() {
    let scene = Scene::new(&["conf", "certs"], &["conf/tlsgate.toml", "certs/publish.sh"], &[]);
    let (file, program) = (scene.root.join("conf/tlsgate.toml"), scene.root.join("certs/publish.sh"));
    let risks = |top: &str| risks::of_plan(&scene.plan(top, "\"../certs\""), &[file.clone(), program.clone()]);
    assert_eq!(risks(""), [""; 0]);
    let lines = risks("[log]\naccess = \"access.log\"");
    assert!(lines.len() == 1 && lines[0].contains("tlsgate.toml") && lines[0].contains("log: access"), "{lines:?}");
    let lines = risks("[admin]\nlisten = \"127.0.0.1:1\"");
    assert!(lines.len() == 1 && lines[0].contains("publish.sh") && lines[0].contains("can change"), "{lines:?}");
}

#[test]
fn a_path_that_a_running_process_cannot_use_is_an_error_of_its_key() {
    let scene = Scene::new(&["conf", "certs/sub", "more", "logs"], &["certs/sub/a.crt", "more/b.crt"], &[]);
    let plan = scene.plan("", "[\"../certs\"]");
    let missing = |top: &str, certificates: &str| plan.missing(&scene.config(top, certificates));
    for fine in ["[\"../certs\"]", "[\"../certs/sub/a.crt\"]", "[\"../more/gone.crt\"]"] {
        assert_eq!(missing("", fine), [], "{fine}");
    }
    let errors = missing("[state]\ndirectory = \"../new\"", "[\"../certs\", \"../more\"]");
    let keys: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(keys, ["state: directory", "listener \"main\": certificates[1]"]);
    assert!(errors[1].position.is_some());
    let path = scene.root.join("more").display().to_string();
    assert!(errors[1].message.starts_with(&path) && errors[1].message.contains("SIGUSR2"), "{}", errors[1].message);
    // The log is opened at the next start, when the plan is another one.
    assert_eq!(missing("[log]\naccess = \"../logs/access.log\"", "[\"../certs\"]"), []);
    // The admin server would write to it, if it were there.
    let admin = missing("[admin]\nlisten = \"127.0.0.1:0\"", "[\"../certs\"]");
    assert_eq!(admin.len(), 0, "{admin:?}");
}

#[test]
fn ten_thousand_links_are_followed_in_a_moment() {
    let scene = Scene::new(&["conf", "live", "archive"], &[], &[]);
    for number in 0..2000 {
        let name = format!("{number}.example");
        for above in ["live", "archive"] {
            fs::create_dir(scene.root.join(above).join(&name)).unwrap();
        }
        fs::write(scene.root.join(format!("archive/{name}/cert1.pem")), "").unwrap();
        symlink(format!("../../archive/{name}/cert1.pem"), scene.root.join(format!("live/{name}/cert.pem"))).unwrap();
    }
    let places = scene.places(&scene.plan("", "\"../live\""));
    assert_eq!(places, [read("archive", OWN), read("conf", "the configuration"), read("live", OWN)]);
}
