use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc as std_mpsc;

use super::*;
use crate::files::manifest::Manifest;
use crate::files::progress;
use crate::files::unchanged::Known;
use crate::net::address::Address;
use crate::reload::releases::Holding;
use crate::tls::certificate::store::Trust;

/// Sockets that only count.
#[derive(Default)]
struct Counted {
    commits: usize,
    held: usize,
}

impl Sockets for Counted {
    type Prepared = ();

    fn prepare(&mut self, _: &Config) -> Result<(), Vec<ConfigError>> {
        Ok(())
    }

    fn hold(&mut self, (): &()) {
        self.held += 1;
    }

    fn commit(&mut self, (): ()) {
        self.commits += 1;
    }

    fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        Vec::new()
    }
}

fn text(idle: &str) -> String {
    format!(
        "[[listener]]\nname = \"l\"\nlisten = \"127.0.0.1:0\"\nmode = \"passthrough\"\nbackend = \"b\"\n\
         idle_timeout = \"{idle}\"\n[backend.b]\nservers = [\"127.0.0.1:9\"]\n"
    )
}

fn config(idle: &str) -> Config {
    crate::config::parse(&text(idle), Path::new("")).unwrap()
}

/// A reloader that builds with `build`.
fn reloader(build: impl Fn(Basis) -> Outcome + Send + Sync + 'static, patience: Duration) -> Reloader<Counted> {
    let first = Ready::first(config("1m")).unwrap();
    let mut reloader = Reloader::start(Origin::Program, first, |_| Counted::default()).unwrap();
    reloader.builder = Builder { build: Arc::new(build), patience };
    reloader
}

fn finished(reloader: &mut Reloader<Counted>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(reloader.finished())
}

fn messages(report: Report) -> Vec<String> {
    match report {
        Report::Swapped(changes) => panic!("swapped: {changes:?}"),
        Report::Failed(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// Builds that wait in a file for as long as the sender is there.
fn stuck() -> (impl Fn(Basis) -> Outcome + Send + Sync, std_mpsc::Sender<()>) {
    let (hold, held) = std_mpsc::channel::<()>();
    let held = Mutex::new(held);
    let build = move |basis| {
        progress::begin(Path::new("/mnt/gone/x.crt")).map_err(|_| Vec::new())?;
        let _ = held.lock().unwrap().recv();
        Ready::next(basis)
    };
    (build, hold)
}

#[test]
fn what_is_read_and_built_gives_way_to_what_is_served() {
    let priority = || rustix::process::getpriority_process(None).unwrap();
    let (sender, building) = std_mpsc::channel();
    let build = move |basis| {
        sender.send(priority()).unwrap();
        Ready::next(basis)
    };
    let mut reloader = reloader(build, job::PATIENCE);
    reloader.begin(Cause::Command);
    assert!(matches!(finished(&mut reloader), Report::Swapped(_)));
    // A larger number is a lower priority, and 19 the lowest.
    let (here, there) = (priority(), building.recv().unwrap());
    assert!(there > here || here == 19, "{there} while building, {here} otherwise");
}

#[test]
fn reloads_that_have_finished_are_in_the_way_of_no_other() {
    let mut reloader = reloader(Ready::next, job::PATIENCE);
    // Their threads may be about to end for a moment longer.
    for _ in 0..100 {
        reloader.begin(Cause::Command);
        assert!(matches!(finished(&mut reloader), Report::Swapped(_)));
        assert!(reloader.left_behind.is_empty());
    }
}

#[test]
fn a_file_that_never_comes_fails_the_reload_and_nothing_else() {
    let (build, hold) = stuck();
    let mut reloader = reloader(build, Duration::from_millis(5));
    let before = reloader.current.load();
    // One more than may wait at the same time.
    for attempt in 0..5 {
        reloader.begin(Cause::Command);
        let errors = messages(finished(&mut reloader));
        let expected = if attempt < 4 { "could not be read within" } else { "4 earlier attempts still wait for it" };
        assert!(errors[0].starts_with(&format!("/mnt/gone/x.crt: {expected}")), "{errors:?}");
    }
    assert!(Arc::ptr_eq(&before, &reloader.current.load()));
    assert_eq!((reloader.status.borrow().failures, reloader.sockets.commits), (5, 1));
    drop(hold);
    // The threads that were left behind end, and there is room again.
    loop {
        reloader.begin(Cause::Command);
        if let Report::Swapped(changes) = finished(&mut reloader) {
            assert_eq!(changes, Vec::<String>::new());
            break;
        }
    }
}

#[test]
fn a_reload_that_is_given_up_changes_nothing_and_the_next_one_does() {
    let (first, hold) = stuck();
    let again = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let begun = Arc::clone(&again);
    let build = move |basis: Basis| match again.swap(true, std::sync::atomic::Ordering::SeqCst) {
        false => first(basis),
        true => Ready::next(Basis { config: Arc::new(config("2m")), ..basis })
            .map(|ready| Ready { changes: vec![summary::Kind::Setting.change("changed")], ..ready }),
    };
    let mut reloader = reloader(build, job::PATIENCE);
    assert!(!reloader.is_under_way());
    reloader.begin(Cause::Change);
    assert!(reloader.is_under_way());
    // Which of the two threads runs first is up to the machine otherwise.
    while !begun.load(std::sync::atomic::Ordering::SeqCst) {
        std::thread::yield_now();
    }
    reloader.give_up();
    assert!(!reloader.is_under_way());
    reloader.begin(Cause::Signal);
    assert!(matches!(finished(&mut reloader), Report::Swapped(changes) if changes == ["changed"]));
    assert_eq!(reloader.config().listeners[0].handling.idle_timeout, Duration::from_secs(120));
    assert_eq!((reloader.status.borrow().generation, reloader.sockets.commits), (2, 2));
    // The reload that was given up ends now, and its result is dropped.
    drop(hold);
    assert!(!reloader.is_under_way());
    assert_eq!(reloader.config().listeners[0].handling.idle_timeout, Duration::from_secs(120));
}

#[test]
fn what_counts_for_more_decides_how_much_is_read() {
    let causes = [Cause::Change, Cause::Reread, Cause::Signal, Cause::Command];
    assert!(causes.is_sorted());
    assert_eq!(causes.map(Cause::trust), [Trust::Stamps, Trust::Bytes, Trust::Bytes, Trust::Bytes]);
}

#[test]
fn who_asked_is_answered_with_every_change_however_many() {
    let texts: Vec<String> = (0..1000).map(|number| format!("certificate {number}.crt replaced")).collect();
    let changed = texts.clone();
    let build = move |basis: Basis| {
        let changes = changed.iter().map(|text| summary::Kind::Certificate.change(text.as_str())).collect();
        Ready::next(basis).map(|ready| Ready { changes, ..ready })
    };
    let mut reloader = reloader(build, job::PATIENCE);
    reloader.begin(Cause::Command);
    assert!(matches!(finished(&mut reloader), Report::Swapped(changes) if changes == texts));
}

#[test]
fn what_takes_effect_at_the_next_start_is_reported_once_and_what_is_in_force_stays_shown() {
    let changed = config("1m");
    let in_force = changed.runtime.workers;
    let build = |basis: Basis| {
        let mut changed = config("1m");
        changed.runtime.workers = crate::config::values::Workers::Count(7);
        let mut ready = Ready::next(Basis { origin: Origin::Program, config: Arc::new(changed), ..basis.clone() })?;
        ready.changes = changes_of(&basis, &ready);
        Ok(ready)
    };
    let mut reloader = reloader(build, job::PATIENCE);
    let mut lines = || {
        reloader.begin(Cause::Command);
        let Report::Swapped(changes) = finished(&mut reloader) else { panic!("failed") };
        assert_eq!(reloader.config().runtime.workers, in_force);
        changes
    };
    assert_eq!(lines()[0], "runtime: workers = 7 (was \"auto\")");
    assert_eq!(lines(), Vec::<String>::new());
}

/// As [`Ready::next`] finds them for a configuration that comes from a file.
fn changes_of(basis: &Basis, ready: &Ready) -> Vec<summary::Change> {
    changes::between(&basis.config, &ready.config, &basis.snapshot, &ready.built.snapshot)
}

/// A machine of a fleet in a folder, and releases in others: their configurations by the idle timeout.
struct Releases(tempfile::TempDir);

impl Releases {
    fn new() -> Self {
        let releases = Self(tempfile::tempdir().unwrap());
        releases.write("fleet.toml", "[fleet]\nnode = \"a\"\netcd = \"http://127.0.0.1:1\"\nsecret_file = \"key\"\n[state]\ndirectory = \"state\"\n");
        releases
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn release(&self, name: &str, idle: &str) -> std::path::PathBuf {
        self.write(&format!("{name}/tlsgate.toml"), &text(idle))
    }

    /// A reloader that serves the release `1`.
    fn reloader(&self) -> Reloader<Counted> {
        let file = self.release("1", "1m");
        let machine = self.0.path().join("fleet.toml");
        let config = crate::config::load_release(&crate::config::load_machine(&machine).unwrap(), &file).unwrap();
        let origin = Origin::Release(Release { machine, file, known: None });
        let first = Ready::first(config).unwrap();
        Reloader::start(origin, first, |_| Counted::default()).unwrap()
    }
}

fn prepared(reloader: &mut Reloader<Counted>, file: &Path) -> Result<(), Vec<ConfigError>> {
    reloader.begin_to_prepare(file, None);
    finished_to_prepare(reloader, file)
}

fn finished_to_prepare(reloader: &mut Reloader<Counted>, file: &Path) -> Result<(), Vec<ConfigError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    match runtime.block_on(reloader.next()) {
        Finished::Prepared(path, result) => {
            assert_eq!(path, file);
            result
        }
        Finished::Reloaded(report) => panic!("{report:?}"),
    }
}

fn idle(reloader: &Reloader<Counted>) -> u64 {
    reloader.config().listeners[0].handling.idle_timeout.as_secs()
}

#[test]
fn what_is_prepared_is_served_by_one_commit_and_not_before() {
    let releases = Releases::new();
    let mut reloader = releases.reloader();
    let second = releases.release("2", "2m");
    let before = reloader.current.load();
    prepared(&mut reloader, &second).unwrap();
    assert!(Arc::ptr_eq(&before, &reloader.current.load()));
    assert_eq!((idle(&reloader), reloader.holding(&second), reloader.sockets.held), (60, Holding::Ready, 1));
    // From here on no file is needed.
    std::fs::remove_dir_all(second.parent().unwrap()).unwrap();
    assert!(matches!(reloader.commit(&second), Some(Report::Swapped(changes)) if changes.len() == 1));
    assert_eq!((idle(&reloader), reloader.holding(&second), reloader.sockets.commits), (120, Holding::Nothing, 2));
    assert!(reloader.commit(&second).is_none());
    assert!(matches!(reloader.origin(), Origin::Release(Release { file, .. }) if *file == second));
}

#[test]
fn what_is_let_go_or_wrong_changes_nothing() {
    let releases = Releases::new();
    let mut reloader = releases.reloader();
    let (second, third) = (releases.release("2", "2m"), releases.release("3", "never"));
    prepared(&mut reloader, &second).unwrap();
    reloader.let_go(&second);
    assert!(reloader.commit(&second).is_none());
    let errors = prepared(&mut reloader, &third).unwrap_err();
    assert!(errors[0].to_string().contains("idle_timeout: found \"never\""), "{errors:?}");
    assert_eq!((idle(&reloader), reloader.holding(&third), reloader.sockets.commits), (60, Holding::Nothing, 1));
    assert_eq!(reloader.status.borrow().failures, 0, "it was no reload");
}

#[test]
fn a_reload_that_changes_something_makes_what_is_held_stale() {
    let releases = Releases::new();
    let mut reloader = releases.reloader();
    let second = releases.release("2", "2m");
    prepared(&mut reloader, &second).unwrap();
    reloader.begin(Cause::Signal);
    assert!(matches!(finished(&mut reloader), Report::Swapped(changes) if changes.is_empty()));
    assert_eq!(reloader.holding(&second), Holding::Ready, "nothing has changed");
    releases.release("1", "90s");
    reloader.begin(Cause::Signal);
    assert!(matches!(finished(&mut reloader), Report::Swapped(changes) if changes.len() == 1));
    assert_eq!(
        (reloader.holding(&second), reloader.stale().map(|release| &*release.file)),
        (Holding::Stale, Some(&*second))
    );
    // It is built again, upon what is in force now.
    prepared(&mut reloader, &second).unwrap();
    assert_eq!((reloader.holding(&second), reloader.stale()), (Holding::Ready, None));
    // If that fails, it is held no longer.
    releases.release("1", "80s");
    reloader.begin(Cause::Signal);
    finished(&mut reloader);
    releases.write("fleet.toml", "[fleet]\n");
    prepared(&mut reloader, &second).unwrap_err();
    assert_eq!((reloader.holding(&second), idle(&reloader)), (Holding::Nothing, 80));
}

#[test]
fn no_reload_takes_what_somebody_has_changed_in_a_release() {
    let releases = Releases::new();
    let mut reloader = releases.reloader();
    let file = releases.release("2", "2m");
    let of = |file: &Path| {
        Some(Arc::new(Known { manifest: Manifest::of(file.parent().unwrap()).unwrap(), unchanged: None }))
    };
    let known = of(&file);
    reloader.begin_to_prepare(&file, known);
    finished_to_prepare(&mut reloader, &file).unwrap();
    reloader.commit(&file).unwrap();
    reloader.begin(Cause::Signal);
    assert!(matches!(finished(&mut reloader), Report::Swapped(changes) if changes.is_empty()));
    let other = releases.release("2", "3m");
    for cause in [Cause::Signal, Cause::Reread, Cause::Change] {
        reloader.begin(cause);
        let Report::Failed(errors) = finished(&mut reloader) else { panic!("it was taken") };
        let error = errors[0].to_string();
        assert!(error.contains("2/tlsgate.toml: found a file that was changed, expected"), "{error}");
    }
    assert_eq!(idle(&reloader), 120);
    // Until its files were written again, by whom it concerns.
    reloader.written(&file, Manifest::of(file.parent().unwrap()).unwrap());
    reloader.begin(Cause::Signal);
    assert!(matches!(finished(&mut reloader), Report::Swapped(changes) if changes.len() == 1));
    // Nor is it begun with.
    let machine = releases.write(
        "fleet.toml",
        "[fleet]\nnode = \"a\"\netcd = \"http://127.0.0.1:1\"\nsecret_file = \"key\"\n[state]\ndirectory = \"state\"\n",
    );
    let (known, config) =
        (of(&other), crate::config::load_release(&crate::config::load_machine(&machine).unwrap(), &other).unwrap());
    let first = Ready::first(config).unwrap();
    releases.release("2", "4m");
    let origin = Origin::Release(Release { machine, file: other, known });
    let Err(errors) = Reloader::start(origin, first, |_| Counted::default()) else { panic!("it began") };
    assert!(errors[0].to_string().contains("found a file that was changed"), "{}", errors[0]);
}

#[test]
fn one_of_two_that_are_held_is_committed_and_the_other_is_stale() {
    let releases = Releases::new();
    let mut reloader = releases.reloader();
    let (second, third) = (releases.release("2", "2m"), releases.release("3", "3m"));
    prepared(&mut reloader, &second).unwrap();
    prepared(&mut reloader, &third).unwrap();
    reloader.commit(&third).unwrap();
    assert_eq!((idle(&reloader), reloader.holding(&second)), (180, Holding::Stale));
    reloader.let_all_go();
    assert_eq!(reloader.stale(), None);
}
