//! haproxy.cfg → a job. Must not know: how the job is written.

use std::path::Path;

use super::disk::Disk;
use super::job::{Job, Said};
use super::list::{Line, List};
use globals::Globals;
use lines::Section;

mod acl;
mod back;
mod bind;
mod checks;
mod crt_list;
mod front;
mod globals;
mod half;
mod inherited;
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
    for section in &sections {
        match &*section.kind {
            "frontend" | "backend" | "listen" if section.name.is_empty() => {
                list.lost(&section.line, section.kind.clone(), "it has no name, which HAProxy refuses as well");
            }
            "global" | "defaults" | "frontend" | "backend" | "listen" => {}
            "resolvers" => resolvers(section, &mut job, list),
            kind => list.lost(&section.line, format!("{kind} {}", section.name), "tlsgate has no such section"),
        }
    }
    if !text.trim().is_empty() && !sections.iter().any(|section| matches!(&*section.kind, "frontend" | "listen")) {
        list.lost(&Line::new(1), "", "there is no \"frontend\" and no \"listen\" section");
    }
    let sections = inherited::whole(&sections, list);
    // Frontends refer to backends that may follow them.
    for whole in sections.iter().filter(|whole| whole.section.kind != "frontend") {
        back::backend(whole, &globals, folder, &mut job, list);
    }
    for whole in sections.iter().filter(|whole| whole.section.kind != "backend") {
        front::frontend(whole, &globals, folder, disk, &mut job, list);
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
