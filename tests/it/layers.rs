//! The house's floors, checked: every `use crate::…` against the table in `src/lib.rs`, and that there is no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// A room's floor, and the rooms it may use besides its own.
struct Room {
    floor: u32,
    may_use: Vec<String>,
}

#[test]
fn every_file_uses_only_what_its_floor_allows() {
    let rooms = table();
    let mut faults = Vec::new();
    let files = sources();
    assert!(files.len() > 20, "only {} files seen", files.len());
    let mut uses_seen = 0;
    for file in &files {
        let module = module_of(file);
        if uses(file).is_empty() {
            continue;
        }
        let room_name = room_of(&module, &rooms).unwrap_or_else(|| panic!("{module} has no room in lib.rs's table"));
        let room = &rooms[&room_name];
        for used in uses(file) {
            uses_seen += 1;
            let Some(other_name) = room_of(&used, &rooms) else {
                faults.push(format!("{module} uses {used}, which has no room"));
                continue;
            };
            let other = &rooms[&other_name];
            let allowed = room.may_use.iter().any(|allowed| within(&used, allowed)) || other_name == room_name;
            if !allowed {
                faults.push(format!("{module} uses {used}, which lib.rs's table does not allow"));
            }
            if other.floor > room.floor {
                faults.push(format!("{module} (floor {}) uses {used} (floor {})", room.floor, other.floor));
            }
        }
    }
    assert!(uses_seen > 50, "only {uses_seen} uses seen");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn there_is_no_circle() {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let modules: BTreeSet<String> = sources().iter().map(|file| module_of(file)).collect();
    for file in sources() {
        let module = module_of(&file);
        for used in uses(&file) {
            // `crate::tls::certificate::select::Offer` is a use of the file `tls::select`.
            let target = prefixes(&used).find(|prefix| modules.contains(prefix));
            // A parent names its children (`pub mod`), and they may use what it defines: that is no circle between rooms.
            if let Some(target) = target.filter(|target| !within(&module, target) && !within(target, &module)) {
                graph.entry(module.clone()).or_default().insert(target);
            }
        }
    }
    for start in graph.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&String> = graph[start].iter().collect();
        while let Some(module) = next.pop() {
            assert_ne!(module, start, "{start} uses itself by way of others: {seen:?}");
            if seen.insert(module.clone()) {
                next.extend(graph.get(module).into_iter().flatten());
            }
        }
    }
}

#[test]
fn only_one_file_names_the_crypto_provider() {
    let naming: Vec<String> = sources()
        .iter()
        .filter(|file| {
            code(file).lines().any(|line| line.contains("aws_lc_rs") && !line.trim_start().starts_with("//"))
        })
        .map(|file| module_of(file))
        .collect();
    assert_eq!(naming, ["tls::crypto"]);
}

/// Rows of the table: `//! | 5 | `proxy::listener` | its task | may use |`.
fn table() -> BTreeMap<String, Room> {
    let mut rooms = BTreeMap::new();
    for line in fs::read_to_string(format!("{SRC}/lib.rs")).unwrap().lines() {
        let cells: Vec<&str> = line.trim_start_matches("//!").split('|').map(str::trim).collect();
        if let [_, floor, room, _, may_use, _] = cells[..]
            && let Ok(floor) = floor.parse()
        {
            let may_use = may_use.split(", ").filter(|name| *name != "–").map(str::to_owned).collect();
            rooms.insert(room.trim_matches('`').to_owned(), Room { floor, may_use });
        }
    }
    assert!(rooms.len() > 10, "the table in lib.rs was not found");
    rooms
}

fn sources() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::from(SRC)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                None if path.is_dir() => folders.push(path),
                Some("rs") if !path.ends_with("tests.rs") => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// `src/tls/select.rs` → `tls::select`; `src/lib.rs` → nothing.
fn module_of(file: &Path) -> String {
    let relative = file.strip_prefix(SRC).unwrap().with_extension("");
    let parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
    parts.into_iter().filter(|part| !["mod", "lib"].contains(part)).collect::<Vec<_>>().join("::")
}

/// The file without its unit tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// Every path that begins with `crate::` (in `main.rs`: `tlsgate::`), wherever it stands, with lists taken apart.
fn uses(file: &Path) -> BTreeSet<String> {
    let text = code(file);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    // Who may see something is no use of it.
    let text = lines.join(" ").replace("pub(in crate::", "pub(in ");
    let mut found = BTreeSet::new();
    for marker in ["crate::", "tlsgate::"] {
        for (at, _) in text.match_indices(marker) {
            let rest = &text[at + marker.len()..];
            let path: String = rest.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            let list = rest[path.len()..].strip_prefix('{').and_then(|list| list.split_once('}')).map(|(list, _)| list);
            match list {
                Some(list) => found.extend(list.split(',').map(|item| format!("{path}{}", item.trim()))),
                None => drop(found.insert(path)),
            }
        }
    }
    found
}

/// The room that a path belongs to: the longest one that is a prefix of it.
fn room_of(path: &str, rooms: &BTreeMap<String, Room>) -> Option<String> {
    prefixes(path).find(|prefix| rooms.contains_key(prefix))
}

/// `a::b::c`, `a::b`, `a`.
fn prefixes(path: &str) -> impl Iterator<Item = String> {
    let parts: Vec<String> = path.split("::").map(str::to_owned).collect();
    (1..=parts.len()).rev().map(move |count| parts[..count].join("::"))
}

fn within(path: &str, room: &str) -> bool {
    path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with("::"))
}
