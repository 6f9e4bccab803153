//! The command lines of tlsgate in the documents: each verb and each option is one that the program has. And the blocks of
//! commands: each is run by a test, or is in the list of those that are not, with the reason.

use std::collections::HashMap;
use std::process::Command;

use super::not_run::NOT_RUN;
use super::{blocks, documents, runs};
use crate::support::proxy::PROGRAM;

#[test]
fn every_block_of_commands_is_run_or_has_a_reason_not_to_be() {
    let (mut faults, mut used, mut run) = (Vec::new(), vec![false; NOT_RUN.len()], 0);
    for block in blocks::all().iter().filter(|block| ["sh", "bash"].contains(&&*block.language)) {
        let entry = NOT_RUN
            .iter()
            .position(|(document, first, _)| *document == block.document && block.text.starts_with(first));
        match (block.marked, entry) {
            (true, Some(entry)) => used[entry] = true,
            (true, None) => faults.push(format!("{}: marked as not run, but without a reason", block.place())),
            (false, Some(_)) => faults.push(format!("{}: has a reason not to be run, but no mark", block.place())),
            (false, None) if runs::is_run(&block.document) => run += 1,
            (false, None) => faults.push(format!("{}: is not run by a test", block.place())),
        }
    }
    let unused = NOT_RUN.iter().zip(used).filter(|(_, used)| !used);
    faults.extend(unused.map(|((document, first, _), _)| format!("{document}: no block begins with {first:?}")));
    assert!(run > 20, "only {run} blocks are run");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_command_of_tlsgate_in_a_document_has_verbs_and_options_that_exist() {
    let (mut help, mut seen, mut faults) = (Help::default(), 0, Vec::new());
    for block in blocks::all() {
        for command in block.text.replace("\\\n", " ").lines().flat_map(commands) {
            seen += 1;
            faults.extend(help.fault(command).map(|fault| format!("{}: {command}: {fault}", block.place())));
        }
    }
    for document in documents() {
        for line in blocks::prose(&document).split("\n\n") {
            for command in line.split('`').skip(1).step_by(2).filter(|code| code.starts_with("tlsgate ")) {
                seen += 1;
                let command = command.replace('\n', " ");
                faults.extend(help.fault(&command).map(|fault| format!("{}: {command}: {fault}", document.display())));
            }
        }
    }
    assert!(seen > 150, "only {seen} commands seen");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_verb_or_an_option_that_does_not_exist_is_noticed() {
    let mut help = Help::default();
    assert_eq!(help.fault("tlsgate ca issue ca a --key rsa-2048 --out certs | tee --append list"), None);
    assert_eq!(help.fault("tlsgate check -c FILE --format=json"), None);
    for wrong in ["tlsgate chekc -c a", "tlsgate check --conf a", "tlsgate ca isue ca", "tlsgate run -x"] {
        assert!(help.fault(wrong).is_some(), "{wrong}");
    }
}

/// The commands of tlsgate in a line of a shell, from `tlsgate` on.
fn commands(line: &str) -> Vec<&str> {
    let line = line.trim_start().trim_start_matches("$ ");
    let mut found: Vec<&str> = Vec::from_iter(line.starts_with("tlsgate ").then_some(line));
    let behind = ["| ", "& ", "; ", "<("];
    found.extend(
        line.match_indices("tlsgate ")
            .filter_map(|(at, _)| behind.iter().any(|operator| line[..at].ends_with(operator)).then_some(&line[at..])),
    );
    found
}

/// What `--help` shows of each verb, asked once.
#[derive(Default)]
struct Help(HashMap<Vec<String>, Verb>);

struct Verb {
    below: Vec<String>,
    options: Vec<String>,
}

impl Help {
    /// What is wrong with a command. It ends where the shell has something else to do.
    fn fault(&mut self, command: &str) -> Option<String> {
        let mut path = Vec::new();
        for word in command.split_whitespace().skip(1) {
            if ["|", "&", ";", ">", "<", "#", "2>", "||", "(", ")"].iter().any(|end| word.starts_with(end)) {
                return None;
            }
            let (word, is_last) = (word.trim_end_matches([';', ')']), word.ends_with([';', ')']));
            let verb = self.verb(&path);
            if word.starts_with('-') && word.len() > 1 {
                let option = word.split('=').next().unwrap_or(word);
                if !verb.options.iter().any(|known| known == option) {
                    return Some(format!("no option {option} (expected one of {})", verb.options.join(" ")));
                }
            } else if verb.below.iter().any(|known| known == word) {
                path.push(word.to_owned());
            } else if word.contains('|') && word.split('|').all(|word| verb.below.iter().any(|known| known == word)) {
                // Several verbs in one, which have options of their own.
                return None;
            } else if !verb.below.is_empty() && word.starts_with(|first: char| first.is_ascii_lowercase()) {
                return Some(format!("no verb {word} (expected one of {})", verb.below.join(" ")));
            }
            if is_last {
                return None;
            }
        }
        None
    }

    fn verb(&mut self, path: &[String]) -> &Verb {
        self.0.entry(path.to_vec()).or_insert_with(|| {
            let output = Command::new(PROGRAM).args(path).arg("--help").output().unwrap();
            assert!(output.status.success(), "{path:?}");
            Verb::of(&String::from_utf8(output.stdout).unwrap())
        })
    }
}

impl Verb {
    fn of(help: &str) -> Self {
        let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        let below = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap_or(rest));
        let below = below.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let below = below.filter_map(|line| words(line).into_iter().next()).collect();
        let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
        let options = lines.flat_map(words).map(|word| word.trim_end_matches(',').to_owned());
        Self { below, options: options.filter(|word| word.starts_with('-')).collect() }
    }
}
