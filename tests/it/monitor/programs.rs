//! Programs that the monitor runs, and a successor.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::geteuid;
use tlsgate::monitor::{Allowed, Ids};

use super::{Scene, children, is_running, pair, script};
use crate::support::PATIENCE;
use crate::support::bind::wait;
use crate::support::procfs::eventually;

fn arguments(texts: &[&str]) -> Vec<OsString> {
    texts.iter().map(Into::into).collect()
}

#[test]
fn a_program_runs_if_the_configuration_names_it() {
    let scene = Scene::new(&["127.0.0.1:0"], Allowed::default());
    let program = script(
        scene.folder.path(),
        "echo \"$@\"; echo warning >&2; env | cut -d= -f1 | grep -c -v -e PWD -e SHLVL -e _; pwd; exit 3\n",
    );
    let run = || scene.monitor.run_and_wait(&program, &arguments(&["present", "a.example.", "x_-1"]), PATIENCE);
    let error = run().unwrap_err().to_string();
    assert!(error.contains(program.to_str().unwrap()) && error.contains("expected a program"), "{error}");
    let more = format!(
        "[state]\ndirectory = \"state\"\n[acme.inside]\ndirectory = \"https://127.0.0.1:1/directory\"\n\
         challenges = [\"dns-01\"]\ndns = {{ program = {program:?} }}\n"
    );
    scene.names(&["127.0.0.1:0"], &more);
    let ended = run().unwrap();
    assert_eq!(ended.status.unwrap().code(), Some(3));
    // The only variable is the search path.
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "present a.example. x_-1\n1\n/\n");
    assert_eq!(ended.stderr, b"warning\n");
    // Beside it, nothing is run, and not with anything else.
    assert!(scene.monitor.run_and_wait(Path::new("/bin/true"), &[], PATIENCE).is_err());
    let error = scene.monitor.run_and_wait(&program, &arguments(&["$(id)"]), PATIENCE).unwrap_err().to_string();
    assert!(error.contains("$(id)"), "{error}");
    fs::remove_file(&program).unwrap();
    assert_eq!(run().unwrap_err().to_string(), "no such file");
    assert!(children(scene.monitor.id()).is_empty());
}

#[test]
fn a_program_runs_as_the_user() {
    assert!(geteuid().is_root(), "this test becomes another user, so it needs to be run as root");
    let allowed = Allowed { programs: vec!["/usr/bin/id".into()], ..Allowed::default() };
    let scene = Scene::of(&["127.0.0.1:0"], allowed, Some(Ids { uid: 65534, gid: 65534, groups: Vec::new() }));
    let run = |option: &str| {
        let ended = scene.monitor.run_and_wait(Path::new("/usr/bin/id"), &arguments(&[option]), PATIENCE).unwrap();
        String::from_utf8(ended.stdout.to_vec()).unwrap()
    };
    assert_eq!((run("-u").trim(), run("-g").trim(), run("-G").trim()), ("65534", "65534", "65534"));
}

/// While it runs, sockets are bound. It is killed with what it has started: at the limit, when nobody waits for it any longer,
/// and when the serving process ends.
#[test]
fn a_program_that_does_not_end_holds_up_nothing_and_is_killed() {
    let (scene, program) = Scene::with_program("sleep 1000 &\necho $$ $! > FOLDER/pids\nwait\n");
    let pids_file = scene.path("pids");
    let begun = || {
        let text = written(&pids_file);
        fs::remove_file(&pids_file).unwrap();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let gone = |pids: &[String]| {
        assert_eq!(pids.len(), 2);
        eventually("both are gone", || pids.iter().all(|pid| !is_running(pid)).then_some(()));
    };
    thread::scope(|scope| {
        // The limit is for a slow machine: until then the program has begun.
        let limited = scope.spawn(|| scene.monitor.run_and_wait(&program, &[], Duration::from_secs(2)).unwrap());
        let pids = begun();
        assert_eq!(scene.bind("127.0.0.1:0"), Ok(()));
        assert!(limited.join().unwrap().status.is_none());
        gone(&pids);
    });
    let pids = wait(async {
        let running = scene.monitor.run(&program, &[], PATIENCE);
        let begun = tokio::task::spawn_blocking({
            let pids_file = pids_file.clone();
            move || written(&pids_file)
        });
        tokio::select! {
            ended = running => panic!("it cannot have ended: {ended:?}"),
            text = begun => text.unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        }
    });
    gone(&pids);
    fs::remove_file(&pids_file).unwrap();
    eventually("it leaves no zombie", || children(scene.monitor.id()).is_empty().then_some(()));
    let (monitor, id) = (scene.monitor.clone(), scene.monitor.id());
    let waiting = thread::spawn(move || monitor.run_and_wait(&program, &[], PATIENCE).map(drop));
    let pids = begun();
    super::signal("KILL", id);
    let error = waiting.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("monitor") && error.contains("signal: 9"), "{error}");
    // Nobody is left who could kill the program.
    let _ = Command::new("kill").arg("-KILL").args(&pids).status();
}

/// What the program has written there.
fn written(path: &Path) -> String {
    eventually("it runs", || fs::read_to_string(path).ok().filter(|text| text.ends_with('\n')))
}

/// The arguments are those of the start, and its status arrives.
#[test]
fn a_successor_is_started_and_its_end_is_reported() {
    let scene = Scene::new(&["127.0.0.1:0"], Allowed::default());
    for _ in 0..3 {
        let (ours, theirs) = pair();
        let successor = scene.monitor.start_successor(theirs).unwrap();
        drop(ours);
        // `tlsgate version`
        assert_eq!(successor.wait().unwrap().code(), Some(0));
        assert!(successor.id() > 1);
        assert!(children(scene.monitor.id()).is_empty());
    }
}
