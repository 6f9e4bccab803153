//! docs/reliability.md names tests that prove each row: there are such.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::ROOT;

#[test]
fn every_test_that_a_row_names_exists() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/reliability.md")).unwrap();
    let is_row = |line: &&str| line.starts_with("| ") && line.ends_with("` |") && line.matches(" | ").count() == 2;
    let rows: Vec<&str> = text.lines().filter(is_row).collect();
    let known: Vec<String> = black_box().into_iter().chain(units(Path::new(ROOT).join("src").as_path())).collect();
    assert!(rows.len() > 50 && known.len() > 1000, "{} rows, {} tests seen", rows.len(), known.len());
    let mut missing = Vec::new();
    for row in rows {
        let proofs = row.trim_end_matches(" |").rsplit_once(" | ").unwrap().1;
        for name in proofs.split('`').skip(1).step_by(2) {
            if !known.iter().any(|test| test.contains(name)) {
                missing.push(format!("{name}: {row}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The tests of this program.
fn black_box() -> Vec<String> {
    let output = Command::new(env::current_exe().unwrap()).arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// The tests of the library: the path of the file, and of the module `tests` within it, and the function.
fn units(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            all.extend(units(&path));
            continue;
        }
        let Some(module) = path.to_str().unwrap().strip_suffix(".rs") else { continue };
        let module = module.split_once("/src/").unwrap().1.replace('/', "::");
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().map(str::trim_start);
        let mut within = "";
        while let Some(line) = lines.next() {
            if line == "mod tests {" {
                within = "::tests";
            }
            if ["#[test]", "#[tokio::test"].iter().any(|mark| line.starts_with(mark)) {
                let mut words = lines.by_ref().find(|line| !line.starts_with('#')).unwrap().split([' ', '(']);
                let name = words.by_ref().skip_while(|word| *word != "fn").nth(1).unwrap();
                all.push(format!("{module}{within}::{name}"));
            }
        }
    }
    all
}
