//! What is shown of limits: in the API, in the metrics and in the log; and a reload that changes the bound.

use std::fs;

use crate::support::backend::Backend;
use crate::support::bare::Bare;
use crate::support::cgroup::Group;
use crate::support::client::Tls;
use crate::support::http::Door;
use crate::support::procfs::eventually;
use crate::support::stage::{Lines, Stage, certified, config};

// Without a space after the key: the lines with one are those of listeners, which are waited for.
const ADMIN: &str = "[admin]\nlisten=\"unix:admin.sock\"\n";

fn series(door: &Door, name: &str) -> Option<u64> {
    let text = door.get("/metrics").body;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn limits_are_shown_with_what_is_used_of_them_and_follow_a_reload() {
    let top = format!("{ADMIN}[limits]\nmemory = \"512MiB\"\n");
    let stage = Stage::new(&[Backend::echo().address], Lines { top: &top, ..Lines::default() });
    let door = Door::unix(stage.pki.folder());
    let client = stage.client(Tls::V13);
    let shown = door.get("/api/v1/limits").json();
    let memory = &shown["memory"];
    assert_eq!((&memory["setting"], &memory["source"]), (&"512MiB".into(), &"[limits] memory".into()));
    assert_eq!((memory["bound_bytes"].as_u64(), &memory["level"]), (Some(512 << 20), &"easy".into()));
    assert!(memory["used_bytes"].as_u64().unwrap() > 1 << 20, "{shown:#}");
    let descriptors = &shown["descriptors"];
    let number = |name: &str| descriptors[name].as_u64().unwrap();
    assert!(number("used") > 10 && number("used") < number("limit") && number("reserve") > 0, "{shown:#}");
    assert_eq!(shown["connections"]["active"], 1);
    assert!(shown["connections"]["limit"].as_u64().unwrap() < number("limit"));

    assert_eq!(series(&door, "tlsgate_limits_memory_bytes"), Some(512 << 20));
    let used = series(&door, "tlsgate_limits_memory_used_bytes").unwrap();
    let allocated = series(&door, "tlsgate_memory_allocated_bytes").unwrap();
    assert!((1 << 18..used).contains(&allocated), "{allocated} of {used}");
    assert_eq!(series(&door, "tlsgate_limits_descriptors"), Some(number("limit")));
    assert!(series(&door, "tlsgate_limits_descriptors_used").unwrap() > 10);
    for reason in ["memory_limit", "memory_stalled", "descriptor_limit", "hello_preempted"] {
        assert_eq!(series(&door, &format!("tlsgate_limits_shed_total{{reason=\"{reason}\"}}")), Some(0), "{reason}");
    }
    drop(client);

    let path = stage.pki.folder().join("tlsgate.toml");
    let text = fs::read_to_string(&path).unwrap();
    let bound = || door.get("/api/v1/limits").json()["memory"]["bound_bytes"].clone();
    fs::write(&path, text.replace("512MiB", "2GiB")).unwrap();
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    eventually("the bound is another", || (bound() == 2_u64 << 30).then_some(()));
    stage.proxy.log_line("memory = \"2GiB\" (was \"512MiB\")");
    fs::write(&path, text.replace("512MiB", "off")).unwrap();
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    eventually("there is no bound", || bound().is_null().then_some(()));
    assert_eq!(series(&door, "tlsgate_limits_memory_bytes"), None);
    assert!(series(&door, "tlsgate_limits_memory_used_bytes").unwrap() > 1 << 20, "it is measured all the same");
}

#[test]
fn the_bound_of_a_group_is_found_at_the_start_and_again_at_a_reload() {
    const LIMIT: usize = 200 << 20;
    let (pki, group) = (certified(), Group::new(LIMIT));
    let backend = Backend::echo();
    let top = format!("{ADMIN}[log]\naccess = \"off\"\n");
    let text = config(&[backend.address], Lines { top: &top, ..Lines::default() });
    let before = group.as_ref().map_or(":".to_owned(), Group::enter);
    let mut bare = Bare::start(pki.folder(), &text, &before);
    let door = Door::unix(pki.folder());
    let memory = || door.get("/api/v1/limits").json()["memory"].clone();
    match &group {
        Some(group) => {
            println!("in a control group");
            let source = group.limit().display().to_string();
            assert_eq!(memory()["source"], source);
            assert_eq!(memory()["bound_bytes"].as_u64().unwrap() as usize, LIMIT / 5 * 4);
            fs::write(group.limit(), (2 * LIMIT).to_string()).unwrap();
            assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
            eventually("the bound is another", || (memory()["bound_bytes"] == (2 * LIMIT) / 5 * 4).then_some(()));
        }
        None => {
            println!("no group can be made: the machine, or the group of this test, has the limit");
            assert!(memory()["bound_bytes"].as_u64().unwrap() > 0);
        }
    }
    bare.stop();
}
