use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

/// A watcher without its thread: the kernel queues each event before the call that causes it returns.
struct Scene {
    root: tempfile::TempDir,
    watcher: Watcher,
}

impl Scene {
    fn new() -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        let watcher = Watcher { inotify, watched: HashMap::new(), warned: false };
        Self { root: tempfile::tempdir().unwrap(), watcher }
    }

    fn at(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// True where something of it is new.
    fn follow(&mut self, files: &[&str], sources: &[&str]) -> bool {
        let paths = |list: &[&str]| list.iter().map(|path| self.at(path)).collect();
        let written = [self.at("certs/access.log")].into();
        let interests = Interests { files: paths(files), folders: paths(sources), written };
        self.watcher.follow(&interests)
    }
}

#[test]
fn lines_of_another_file_are_passed_over() {
    let mut scene = Scene::new();
    fs::create_dir(scene.at("certs")).unwrap();
    fs::write(scene.at("tlsgate.toml"), "").unwrap();
    assert!(scene.follow(&["tlsgate.toml"], &["certs"]));
    assert!(!scene.follow(&["tlsgate.toml"], &["certs"]), "nothing of it is new");
    for log in ["other.log", "certs/access.log"] {
        for _ in 0..100 {
            // Made, opened and closed for each line.
            let mut file = fs::OpenOptions::new().create(true).append(true).open(scene.at(log)).unwrap();
            io::Write::write_all(&mut file, b"a line\n").unwrap();
        }
        assert!(!scene.watcher.events(), "{log}");
    }
    fs::write(scene.at("certs/x.crt"), "").unwrap();
    assert!(scene.watcher.events());
    assert!(!scene.watcher.events(), "all were taken");
    fs::write(scene.at("tlsgate.toml"), "new").unwrap();
    assert!(scene.watcher.events());
}

#[test]
fn an_editors_dance_is_noticed_and_reading_is_not() {
    let mut scene = Scene::new();
    let file = scene.at("tlsgate.toml");
    fs::write(&file, "").unwrap();
    scene.follow(&["tlsgate.toml"], &[]);
    fs::read(&file).unwrap();
    fs::write(scene.at(".tlsgate.toml.swp"), "").unwrap();
    assert!(!scene.watcher.events());
    fs::rename(&file, scene.at("tlsgate.toml~")).unwrap();
    assert!(scene.watcher.events(), "moved away");
    fs::write(scene.at("tlsgate.toml.new"), "").unwrap();
    assert!(!scene.watcher.events());
    fs::rename(scene.at("tlsgate.toml.new"), &file).unwrap();
    assert!(scene.watcher.events(), "moved here");
}

#[test]
fn a_file_behind_links_is_watched_where_it_lies() {
    let mut scene = Scene::new();
    for folder in ["certs", "data", "releases/1", "releases/2"] {
        fs::create_dir_all(scene.at(folder)).unwrap();
    }
    for file in ["data/x.crt", "releases/1/y.crt", "releases/2/y.crt"] {
        fs::write(scene.at(file), "").unwrap();
    }
    symlink("../data/x.crt", scene.at("certs/x.crt")).unwrap();
    symlink("1", scene.at("releases/current")).unwrap();
    symlink(scene.at("releases/current/y.crt"), scene.at("certs/y.crt")).unwrap();
    scene.follow(&[], &["certs"]);
    fs::write(scene.at("data/new"), "").unwrap();
    assert!(!scene.watcher.events());
    fs::rename(scene.at("data/new"), scene.at("data/x.crt")).unwrap();
    assert!(scene.watcher.events(), "the target is replaced");
    fs::write(scene.at("releases/1/y.crt"), "").unwrap();
    assert!(scene.watcher.events(), "a target behind two links is written");
    symlink("2", scene.at("releases/next")).unwrap();
    assert!(!scene.watcher.events());
    fs::rename(scene.at("releases/next"), scene.at("releases/current")).unwrap();
    assert!(scene.watcher.events(), "a link on the way is swapped");
    assert!(scene.follow(&[], &["certs"]), "it leads to another folder");
    fs::write(scene.at("releases/2/y.crt"), "").unwrap();
    assert!(scene.watcher.events());
    fs::write(scene.at("releases/1/y.crt"), "").unwrap();
    assert!(!scene.watcher.events(), "the old one no longer matters");
}

#[test]
fn a_folder_that_comes_back_is_watched_anew() {
    let mut scene = Scene::new();
    fs::create_dir_all(scene.at("above/certs")).unwrap();
    scene.follow(&[], &["above/certs"]);
    fs::rename(scene.at("above"), scene.at("away")).unwrap();
    assert!(scene.watcher.events(), "it is gone");
    scene.follow(&[], &["above/certs"]);
    fs::write(scene.at("away/certs/x.crt"), "").unwrap();
    assert!(!scene.watcher.events(), "it is no longer that folder");
    fs::create_dir(scene.at("above")).unwrap();
    assert!(scene.watcher.events(), "one half of the way is back");
    scene.follow(&[], &["above/certs"]);
    fs::create_dir(scene.at("above/certs")).unwrap();
    assert!(scene.watcher.events(), "it is back");
    assert!(scene.follow(&[], &["above/certs"]), "it is another folder");
    fs::write(scene.at("above/certs/x.crt"), "").unwrap();
    assert!(scene.watcher.events());
}

#[test]
fn the_thread_nudges() {
    let (nudge, mut nudges) = mpsc::channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut nudged = || {
        let next = async { tokio::time::timeout(PATIENCE, nudges.recv()).await };
        assert_eq!(runtime.block_on(next).expect("no nudge"), Some(()));
    };
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("tlsgate.toml");
    let watch = Watch::new(nudge);
    watch.follow(Interests { files: [file.clone()].into(), ..Interests::default() });
    nudged();
    fs::write(&file, "").unwrap();
    nudged();
    drop(watch);
    // Its end of the channel goes with the thread.
    while runtime.block_on(async { tokio::time::timeout(PATIENCE, nudges.recv()).await }).expect("no end").is_some() {}
}

/// No wait ends well after this.
const PATIENCE: Duration = Duration::from_secs(60);
