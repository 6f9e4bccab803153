//! `allow` and `deny` of nginx, where the first rule that matches counts → those of tlsgate, where the most specific one
//! does. Must not know: what is allowed.

use ipnet::IpNet;

use super::blocks::Directive;
use crate::convert::job::{Listener, Said};
use crate::convert::list::List;
use crate::convert::place::prefix;

pub(super) fn rules(directives: &[&Directive], listener: &mut Listener, list: &mut List) {
    let mut rules: Vec<(bool, IpNet, &Directive)> = Vec::new();
    // Whether everything else is allowed.
    let mut rest = true;
    for directive in directives {
        let is_allow = directive.name == "allow";
        match directive.first() {
            "all" => {
                rest = is_allow;
                // Nothing behind it counts.
                break;
            }
            "unix:" => list.security(&directive.line, directive.shown(), "rules of tlsgate are for IP addresses"),
            text => match prefix(text) {
                Some(net) => {
                    // An earlier rule that covers this one always comes before it.
                    if !rules.iter().any(|(_, earlier, _)| earlier.contains(&net)) {
                        rules.push((is_allow, net, directive));
                    }
                }
                None => list.security(&directive.line, directive.shown(), "expected an IP address or a prefix"),
            },
        }
    }
    for (is_allow, net, directive) in &rules {
        let said = Said::new(net.to_string(), &directive.line);
        if *is_allow { listener.allow.push(said) } else { listener.deny.push(said) }
    }
    let Some((_, _, first)) = rules.first() else {
        if !rest {
            let line = directives.last().map(|last| last.line.clone()).unwrap_or_default();
            listener.deny.extend(["0.0.0.0/0", "::/0"].map(|all| Said::new(all.to_owned(), &line)));
        }
        return;
    };
    // In tlsgate, what is not allowed is denied as soon as anything is allowed.
    let any = !listener.allow.is_empty();
    let all = ["0.0.0.0/0", "::/0"].map(|all| Said::new(all.to_owned(), &first.line));
    let taken = |all: &Said<String>| rules.iter().any(|(_, net, _)| net.to_string() == all.value);
    match (rest, any) {
        (true, true) => listener.allow.extend(all.into_iter().filter(|all| !taken(all))),
        (false, false) => listener.deny.extend(all.into_iter().filter(|all| !taken(all))),
        (true, false) | (false, true) => {}
    }
}
