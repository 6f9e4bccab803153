//! `crt-list` of HAProxy: files of certificates, each with options and names. Must not know: what options mean.

use super::bind::{Bind, Binding, Own};
use crate::convert::job::{Listener, Mode, Route, Said};
use crate::convert::list::{Line, List};
use crate::convert::place;

impl Binding<'_> {
    pub(super) fn crt_list(&mut self, value: &str, line: &Line, bind: &mut Bind) {
        let file = self.file(value, None);
        let text = match self.disk.text(&file) {
            Ok(text) => text,
            Err(why) => return self.list.lost(line, format!("crt-list {value}"), format!("it cannot be read: {why}")),
        };
        for (number, text) in text.lines().enumerate() {
            let here = Line { file: Some(file.display().to_string().into()), number: number + 1 };
            let text = text.trim();
            if !text.is_empty() && !text.starts_with('#') {
                self.line(text, &here, bind);
            }
        }
    }

    /// `FILE [OPTIONS] NAMES`
    fn line(&mut self, text: &str, here: &Line, bind: &mut Bind) {
        let (head, options, names) = match text.split_once('[') {
            Some((head, rest)) => {
                let (options, names) = rest.split_once(']').unwrap_or((rest, ""));
                (head, options, names)
            }
            None => text.split_once(char::is_whitespace).map_or((text, "", ""), |(head, names)| (head, "", names)),
        };
        let path = self.file(head.trim(), self.globals.crt_base.as_deref());
        let before = bind.certificates.len();
        self.crt(&path, here, bind);
        let names = self.names(names, here);
        if options.trim().is_empty() {
            bind.certificates[before..].iter_mut().for_each(|one| one.value.names.clone_from(&names));
            return;
        }
        if names.is_empty() {
            let why = "options of a certificate without names: it is served without them; write a route for its names, with a policy and client_auth of its own";
            return self.list.security(here, format!("[{options}]"), why);
        }
        let own = bind.certificates.split_off(before);
        if bind.certificates.is_empty() && bind.lines.is_empty() {
            let why = "it is the first certificate: clients without a known name get it too, with the options of bind";
            self.list.security(here, format!("[{options}]"), why);
            bind.certificates.clone_from(&own);
            bind.certificates.iter_mut().for_each(|one| one.value.names.clone_from(&names));
        }
        bind.lines.push(Own {
            line: here.clone(),
            names,
            certificates: own,
            options: options.split_whitespace().map(str::to_owned).collect(),
            tls: bind.tls.clone(),
            client_auth: None,
        });
    }

    /// The names that a certificate is for.
    fn names(&mut self, text: &str, here: &Line) -> Vec<String> {
        let (without, names): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|name| name.starts_with('!'));
        if !without.is_empty() {
            self.list.lost(here, without.join(" "), "the names of a certificate are listed; exceptions cannot be");
        }
        // HAProxy has no comments behind a file either: their words are names that no client asks for.
        let (names, odd): (Vec<&str>, Vec<&str>) =
            names.into_iter().filter(|name| *name != "*").partition(|name| place::is_server_name(name));
        if !odd.is_empty() {
            self.list.note(here, odd.join(" "), "no client asks for such a name");
        }
        names.into_iter().map(str::to_owned).collect()
    }
}

/// Makes routes of lines with options. Where `use_backend` makes routes, their certificates are the listener's.
pub(super) fn routes(lines: Vec<Own>, listener: &mut Listener, list: &mut List) {
    let by_rule = !listener.routes.is_empty();
    for own in lines {
        let Own { line, names, certificates, tls, client_auth, options } = own;
        if by_rule {
            let why = "options of a certificate, besides use_backend: it is served without them; write them into the routes of its names";
            list.security(&line, format!("[{}]", options.join(" ")), why);
            let named = certificates.into_iter().map(|mut one| {
                one.value.names.clone_from(&names);
                one
            });
            listener.certificates.extend(named.collect::<Vec<Said<_>>>());
            continue;
        }
        listener.routes.push(Route {
            line,
            server_names: names,
            mode: Mode::Terminate,
            backend: listener.backend.clone(),
            certificates,
            tls: tls.policy(list),
            client_auth,
            ..Route::default()
        });
    }
}
