//! `proxy_pass` of nginx → the backend of a server, and its routes where a map chooses. Must not know: addresses, certificates.

use super::Reader;
use super::map::{Map, Source};
use super::server::Server;
use crate::convert::job::{Mode, Route, Said};
use crate::convert::place;

impl Reader<'_> {
    /// Where connections go: an address, an upstream, or what a map says.
    pub(super) fn target(&mut self, target: &Said<String>, server: &mut Server, depth: usize) {
        let Said { value, line } = target;
        let Some(map) = self.maps.iter().find(|map| map.variable == *value).cloned() else {
            if value.starts_with('$') {
                self.list.lost(
                    line,
                    format!("proxy_pass {value}"),
                    "there is no map for this variable that could be taken over",
                );
                server.listener.mode = Mode::Reject;
                return;
            }
            server.listener.backend = self.passed(value, line, &server.how);
            return;
        };
        if depth >= DEEPEST {
            self.list.lost(line, value, "maps lead to each other");
            return;
        }
        self.mapped(&map, server, depth);
        match &map.default {
            Some(default) => self.target(default, server, depth + 1),
            None => server.listener.mode = Mode::Reject,
        }
    }

    fn mapped(&mut self, map: &Map, server: &mut Server, depth: usize) {
        if map.source == Source::Protocol {
            match &map.empty {
                Some(plain) if server.preread => {
                    server.listener.not_tls = self.passed(&plain.value, &plain.line, &server.how)
                }
                _ => {}
            }
            for (version, Said { line, .. }) in &map.entries {
                self.list.lost(
                    line,
                    version,
                    "tlsgate does not choose by the version: these connections go where the others go",
                );
            }
            return;
        }
        let mode = server.listener.mode;
        for (what, Said { value, line }) in &map.entries {
            if value.starts_with('$') || depth > 0 && map.source == Source::Alpn {
                self.list.lost(line, what, "tlsgate does not choose by two values, one after the other");
                continue;
            }
            let backend = self.passed(value, line, &server.how);
            let mut route = Route { line: line.clone(), mode, backend, ..Route::default() };
            match map.source {
                Source::Alpn => route.client_alpn = vec![what.clone()],
                _ if place::is_server_name(what) => route.server_names = vec![what.clone()],
                _ => {
                    self.list.lost(line, what, "it is no name that a client could ask for");
                    continue;
                }
            }
            let same =
                |other: &Route| other.server_names == route.server_names && other.client_alpn == route.client_alpn;
            if server.listener.routes.iter().any(same) {
                self.list.note(line, what, "an earlier line has this name");
                continue;
            }
            server.listener.routes.push(route);
        }
        if let (Some(Said { value, line }), Source::ServerName) = (&map.empty, map.source) {
            let backend = self.passed(value, line, &server.how);
            server.listener.routes.push(Route {
                line: line.clone(),
                nameless: true,
                mode,
                backend,
                ..Route::default()
            });
        }
    }
}

/// Maps that lead to maps: a protocol, then a name.
const DEEPEST: usize = 4;
