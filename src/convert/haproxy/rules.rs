//! Rules of a frontend: `use_backend` → routes, `tcp-request` → who may connect. Must not know: addresses, TLS, servers.

use super::acl::{Term, Test, condition};
use super::half::Front;
use super::lines::Words;
use crate::convert::job::{Listener, Mode, Route, Said};
use crate::convert::list::List;
use crate::convert::place;
use crate::convert::time;

/// `tcp-request`, and what it changes.
pub(super) struct Rules<'a> {
    pub(super) front: &'a mut Front,
    pub(super) list: &'a mut List,
}

impl Rules<'_> {
    pub(super) fn tcp(&mut self, words: &Words) {
        let line = &words.line;
        match (words.at(0), words.at(1), words.at(2)) {
            ("tcp-request", "inspect-delay", delay) => {
                self.front.listener.handshake_timeout = time::haproxy(delay).map(|time| Said::new(time, line));
            }
            ("tcp-request", "connection" | "session" | "content", action) => {
                if !self.taken(words, action) {
                    let why = "tlsgate decides by address (allow, deny), server name and application protocol only";
                    let guards = ["reject", "expect-proxy", "silent-drop", "accept"].contains(&action);
                    if guards {
                        self.list.security(line, words.shown(), why)
                    } else {
                        self.list.lost(line, words.shown(), why)
                    }
                }
            }
            _ => self.list.lost(line, words.shown(), "tlsgate does not look at what is relayed"),
        }
    }

    /// Whether the rule could be taken over.
    fn taken(&mut self, words: &Words, action: &str) -> bool {
        let is_unless = match words.at(3) {
            "if" => false,
            "unless" => true,
            // Without a condition: what remains is refused. A route refuses it, if there is no default backend.
            "" => {
                let alone = action == "reject" && words.at(1) == "content" && self.front.preread;
                if alone {
                    self.list.note(&words.line, words.shown(), "tlsgate refuses what is not TLS");
                }
                return alone;
            }
            _ => return false,
        };
        let Some(any) = condition(words.after(4), &self.front.acls) else { return false };
        let [terms] = &*any else { return false };
        let [Term { negated, test }] = &**terms else { return false };
        match (action, test, *negated != is_unless) {
            ("accept", Test::Tls, false) | ("reject", Test::Tls, true) => {
                self.front.preread = true;
                true
            }
            ("reject", Test::Source(nets), opposite) => self.sources(nets, opposite, words),
            _ => false,
        }
    }

    /// `reject if { src … }` denies these; `reject unless { src … }` allows these alone.
    fn sources(&mut self, nets: &[String], allow: bool, words: &Words) -> bool {
        let prefixes: Option<Vec<Said<String>>> =
            nets.iter().map(|net| Some(Said::new(place::prefix(net)?.to_string(), &words.line))).collect();
        let Some(prefixes) = prefixes else { return false };
        let Listener { allow: allowed, deny, .. } = &mut self.front.listener;
        // Of several such rules each must let a client pass; lists of tlsgate are joined.
        if allow && !allowed.is_empty() {
            return false;
        }
        let target = if allow { &mut *allowed } else { &mut *deny };
        add(target, prefixes);
        // A prefix that is allowed within one that is denied would count in tlsgate, and does not in HAProxy.
        let restricts = !allowed.is_empty();
        allowed.retain(|one| !deny.iter().any(|denied| is_within(one, denied)));
        // Without `allow`, whoever is not denied is admitted: where a rule leaves none of the allowed ones, all are denied. Every
        // later prefix is within these two.
        if restricts && allowed.is_empty() {
            add(deny, ["0.0.0.0/0", "::/0"].map(|all| Said::new(all.to_owned(), &words.line)));
        }
        true
    }
}

/// Adds the prefixes that are not in the list.
fn add(list: &mut Vec<Said<String>>, prefixes: impl IntoIterator<Item = Said<String>>) {
    for prefix in prefixes {
        if !list.iter().any(|known| known.value == prefix.value) {
            list.push(prefix);
        }
    }
}

fn is_within(one: &Said<String>, other: &Said<String>) -> bool {
    match (place::prefix(&one.value), place::prefix(&other.value)) {
        (Some(one), Some(other)) => other.contains(&one),
        _ => false,
    }
}

/// The routes of `use_backend NAME [if|unless CONDITION]`: one for each alternative. `None` if it cannot be taken over.
pub(super) fn route(words: &Words, front: &Front, ssl: bool, list: &mut List) -> Option<Vec<Route>> {
    let line = &words.line;
    let name = words.at(1);
    let mut lost = |why: &str| list.lost(line, words.shown(), why);
    if name.contains("%[") {
        lost("the name of the backend is computed: write a route for each server name");
        return None;
    }
    let any = match (words.at(2), condition(words.after(3), &front.acls)) {
        ("if", Some(any)) => any,
        ("unless", Some(_)) => {
            lost("tlsgate has no routes for what does not match");
            return None;
        }
        _ => {
            lost("it has no condition that could be understood");
            return None;
        }
    };
    let mut routes = Vec::new();
    for terms in any {
        let mode = if ssl { Mode::Terminate } else { Mode::Passthrough };
        let mut route =
            Route { line: line.clone(), mode, backend: Some(Said::new(name.to_owned(), line)), ..Route::default() };
        let mut is_never = false;
        for term in terms {
            match term {
                Term { negated: true, .. } | Term { test: Test::Other | Test::Source(_), .. } => {
                    lost("tlsgate chooses by server name and application protocol only, and has no \"not\"");
                    return None;
                }
                Term { test: Test::Tls, .. } => {}
                Term { test: Test::Never, .. } => is_never = true,
                Term { test: Test::Name { before, .. } | Test::Alpn { before, .. }, .. } if before == ssl => {
                    lost(
                        "it never matches in HAProxy either: req.ssl_sni is for TLS that is passed through, ssl_fc_sni for TLS that is terminated",
                    );
                    return None;
                }
                Term { test: Test::Name { names, deep, .. }, .. } => {
                    if deep {
                        lost("a wildcard of tlsgate stands for one label: deeper names are not taken");
                    }
                    route.server_names.extend(names.iter().map(|name| name.to_ascii_lowercase()));
                }
                Term { test: Test::Alpn { protocols, .. }, .. } => route.client_alpn.extend(protocols),
            }
        }
        let names = std::mem::take(&mut route.server_names);
        let (good, bad): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| place::is_server_name(name));
        if !bad.is_empty() {
            lost("no client asks for such a name");
        }
        route.server_names = good;
        if !is_never && (!route.server_names.is_empty() || bad.is_empty() && !route.client_alpn.is_empty()) {
            routes.push(route);
        }
    }
    Some(routes)
}

/// The routes without names that an earlier one has: in HAProxy the first that matches is taken, in tlsgate the most
/// specific one.
pub(super) fn distinct(routes: &mut Vec<Route>, list: &mut List) {
    let all = std::mem::take(routes);
    for mut route in all {
        let names = std::mem::take(&mut route.server_names);
        let had = !names.is_empty();
        for name in names {
            let wild = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
            let takes = |earlier: &Route| {
                let covers = earlier.server_names.contains(&name)
                    || wild.as_ref().is_some_and(|wild| earlier.server_names.contains(wild));
                covers && (earlier.client_alpn.is_empty() || earlier.client_alpn == route.client_alpn)
            };
            if routes.iter().any(takes) {
                list.note(&route.line, name, "an earlier use_backend takes this name");
            } else if !route.server_names.contains(&name) {
                route.server_names.push(name);
            }
        }
        if !had || !route.server_names.is_empty() {
            routes.push(route);
        }
    }
}
