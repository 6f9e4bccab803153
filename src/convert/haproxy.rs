//! haproxy.cfg → a job. Must not know: how the job is written.

use std::collections::HashMap;
use std::path::Path;

use super::disk::Disk;
use super::job::{Job, Said};
use super::list::List;
use globals::Globals;
use lines::{Section, Words};

mod acl;
mod back;
mod bind;
mod checks;
mod crt_list;
mod front;
mod globals;
mod half;
mod lines;
mod rules;
mod server;

/// What the file does.
pub(super) fn job(text: &str, folder: &Path, disk: &dyn Disk, list: &mut List) -> Job {
    let sections = lines::sections(text, list);
    let mut globals = Globals::new();
    let mut job = Job::default();
    for section in sections.iter().filter(|section| section.kind == "global") {
        section.lines.iter().for_each(|words| globals.read(words, list));
    }
    let mut defaults: HashMap<&str, Vec<Words>> = HashMap::new();
    let mut latest: Vec<Words> = Vec::new();
    let mut whole: Vec<(&Section, Vec<Words>)> = Vec::new();
    for section in &sections {
        let inherited = match &section.from {
            Some(from) => defaults.get(from.as_str()).cloned().unwrap_or_default(),
            None if section.kind == "defaults" => Vec::new(),
            None => latest.clone(),
        };
        let lines = [inherited, section.lines.clone()].concat();
        match &*section.kind {
            "global" => {}
            "defaults" => {
                defaults.insert(&section.name, lines.clone());
                latest = lines;
            }
            "frontend" | "backend" | "listen" => whole.push((section, lines)),
            "resolvers" => resolvers(section, &mut job, list),
            kind => list.lost(&section.line, format!("{kind} {}", section.name), "tlsgate has no such section"),
        }
    }
    // Frontends refer to backends that may follow them.
    for (section, lines) in whole.iter().filter(|(section, _)| section.kind != "frontend") {
        back::backend(section, lines, &globals, folder, &mut job, list);
    }
    for (section, lines) in whole.iter().filter(|(section, _)| section.kind != "backend") {
        front::frontend(section, lines, &globals, folder, disk, &mut job, list);
    }
    job
}

fn resolvers(section: &Section, job: &mut Job, list: &mut List) {
    let mut servers = Vec::new();
    for words in &section.lines {
        match words.at(0) {
            "nameserver" if words.at(2).parse::<std::net::SocketAddr>().is_ok() => servers.push(words.at(2).to_owned()),
            "parse-resolv-conf" => list.note(&words.line, words.shown(), "tlsgate does so without any name server"),
            _ => list.note(&words.line, words.shown(), "see [resolver] for times"),
        }
    }
    if !servers.is_empty() {
        job.resolver = Some(Said::new(servers, &section.line));
    }
}

#[cfg(test)]
mod tests;
