//! nginx.conf → a job: its `stream` block. Must not know: how the job is written.

use std::path::Path;

use super::disk::Disk;
use super::job::{Backend, Job, Listener, Maybe, Mode, Said};
use super::list::{Line, List};
use super::place;
use super::time;
use blocks::{Directive, Reading};
use map::Map;

mod access;
mod address;
mod blocks;
mod map;
mod placed;
mod server;
mod target;
mod tokens;
mod upstream;

/// What the file does.
pub(super) fn job(text: &str, folder: &Path, disk: &dyn Disk, list: &mut List) -> Job {
    let directives = Reading::new(folder, disk, list).directives(text, None, 0);
    let mut reader = Reader { folder, list, job: Job::default(), maps: Vec::new(), names: Vec::new() };
    reader.file(&directives);
    reader.job
}

struct Reader<'a> {
    folder: &'a Path,
    list: &'a mut List,
    job: Job,
    maps: Vec<Map>,
    /// The upstreams, before any server is read.
    names: Vec<String>,
}

impl Reader<'_> {
    fn file(&mut self, directives: &[Directive]) {
        let mut streams = 0;
        for directive in directives {
            match (&*directive.name, &directive.block) {
                ("stream", Some(block)) => {
                    streams += 1;
                    self.stream(&directive.line, block);
                }
                ("http" | "mail", Some(_)) => {
                    let why = "tlsgate relays bytes and does not read HTTP or mail: only what is in \"stream\" can be taken over";
                    self.list.lost(&directive.line, directive.shown(), why);
                }
                (name, _) if OF_PROCESS.contains(&name) => {
                    self.list.note(
                        &directive.line,
                        directive.shown(),
                        "tlsgate has settings of its own for its process and its logs",
                    );
                }
                ("upstream" | "server" | "map", Some(_)) => {
                    self.list.lost(&directive.line, directive.shown(), "it is outside of \"stream\"");
                }
                _ => self.list.lost(&directive.line, directive.shown(), "tlsgate has nothing like it"),
            }
        }
        if streams == 0 {
            self.list.lost(&Line::new(1), "", "there is no \"stream\" block");
        }
    }

    fn stream(&mut self, line: &Line, block: &[Directive]) {
        for directive in block {
            match (&*directive.name, &directive.block) {
                ("map", Some(entries)) => {
                    let map = Map::read(directive, entries, self.list);
                    self.maps.extend(map);
                }
                ("upstream", Some(entries)) => {
                    self.names.push(directive.first().to_owned());
                    self.upstream(directive, entries);
                }
                ("split_clients" | "geo", Some(_)) => {
                    self.list.lost(&directive.line, directive.shown(), "tlsgate does not choose by such values");
                }
                // Read below, with what they inherit.
                ("server", Some(_)) => {}
                (name, None) if OF_BLOCKS.contains(&name) => {
                    self.list.lost(&directive.line, directive.shown(), "expected a block");
                }
                (_, Some(_)) => self.list.lost(&directive.line, directive.shown(), "tlsgate has nothing like it"),
                (_, None) => {}
            }
        }
        self.servers(line, block);
    }

    /// The servers of a stream, each with what it inherits.
    fn servers(&mut self, line: &Line, block: &[Directive]) {
        let is_inherited = |directive: &&Directive| directive.block.is_none() && !OF_BLOCKS.contains(&&*directive.name);
        let inherited: Vec<&Directive> = block.iter().filter(is_inherited).collect();
        for directive in block {
            if let ("server", Some(entries)) = (&*directive.name, &directive.block) {
                // What a server says itself replaces what it inherits. Of rules for addresses, either all or none are inherited.
                let all = |names: &[&str]| entries.iter().any(|own| names.contains(&&*own.name));
                let replaced = |name: &str| match name {
                    "allow" | "deny" => all(&["allow", "deny"]),
                    name => all(&[name]),
                };
                let from_above = inherited.iter().copied().filter(|directive| !replaced(&directive.name));
                let effective: Vec<&Directive> = from_above.chain(entries).collect();
                self.server(directive, &effective);
            }
        }
        if !block.iter().any(|directive| directive.name == "server" && directive.block.is_some()) {
            // Otherwise each server reports what it inherits.
            for directive in inherited {
                self.list.lost(&directive.line, directive.shown(), "there is no server that uses it");
            }
            self.list.lost(line, "stream", "there is no server in it");
        }
    }

    /// The backend that a server passes connections to, made if it is an address. Handshakes with it are settled by `tls`.
    fn passed(&mut self, target: &str, line: &Line, how: &Backend) -> Maybe<String> {
        let target = target.trim_end_matches('.');
        let base = match self.job.backends.iter().find(|backend| backend.name == target) {
            Some(known) if self.names.iter().any(|name| name == target) => known.clone(),
            _ => match address::address(target, None) {
                Some(server) => Backend {
                    name: target.to_owned(),
                    line: line.clone(),
                    servers: vec![Said::new(server, line)],
                    ..Backend::default()
                },
                None => {
                    self.list.lost(
                        line,
                        format!("proxy_pass {target}"),
                        "there is no such upstream, and it is no address with a port",
                    );
                    return Some(Said::new(target.to_owned(), line));
                }
            },
        };
        let wanted = Backend {
            connect_timeout: how.connect_timeout.clone(),
            proxy_protocol: how.proxy_protocol.clone(),
            connect_attempts: how.connect_attempts.clone(),
            tls: how.tls.clone(),
            unusable: how.unusable || base.unusable,
            ..base
        };
        let name = self.shared(wanted, target);
        Some(Said::new(name, line))
    }

    /// The name of a backend that is so, made if there is none. Servers may use one upstream in different ways.
    fn shared(&mut self, wanted: Backend, target: &str) -> String {
        let mut number = 1;
        loop {
            let name = if number == 1 { target.to_owned() } else { format!("{target}-{number}") };
            let wanted = Backend { name: name.clone(), ..wanted.clone() };
            let used = self.job.listeners.iter().any(|listener| uses(listener, &name));
            match self.job.backends.iter_mut().find(|backend| backend.name == name) {
                Some(known) if *known == wanted => return name,
                Some(known) if !used => {
                    *known = wanted;
                    return name;
                }
                Some(_) => number += 1,
                None => {
                    self.job.backends.push(wanted);
                    return name;
                }
            }
        }
    }

    fn time(&mut self, directive: &Directive) -> Maybe<String> {
        let time = time::nginx(&directive.arguments.join(" "));
        if time.is_none() {
            self.list.lost(&directive.line, directive.shown(), "expected a time longer than zero");
        }
        time.map(|time| Said::new(time, &directive.line))
    }
}

fn uses(listener: &Listener, name: &str) -> bool {
    let own = listener.backend.iter().chain(&listener.not_tls);
    let all = own.chain(listener.routes.iter().filter_map(|route| route.backend.as_ref()));
    listener.mode != Mode::Reject && { all }.any(|backend| backend.value == name)
}

/// The addresses of `listen`: a port, an address with a port, or a path.
fn addresses(text: &str, both: bool) -> Option<Vec<String>> {
    if text.starts_with("unix:") {
        return Some(vec![text.to_owned()]);
    }
    let (host, port) = place::split(text)?;
    if both && host == "[::]" {
        return Some(place::everywhere(port).to_vec());
    }
    Some(vec![place::listen(host, port)?])
}

/// In a stream these have a block, always.
const OF_BLOCKS: &[&str] = &["geo", "map", "server", "split_clients", "upstream"];

const OF_PROCESS: &[&str] = &[
    "daemon",
    "debug_points",
    "env",
    "error_log",
    "events",
    "load_module",
    "lock_file",
    "master_process",
    "pcre_jit",
    "pid",
    "ssl_engine",
    "thread_pool",
    "timer_resolution",
    "user",
    "worker_cpu_affinity",
    "worker_priority",
    "worker_processes",
    "worker_rlimit_core",
    "worker_rlimit_nofile",
    "worker_shutdown_timeout",
    "working_directory",
];

#[cfg(test)]
mod tests;
