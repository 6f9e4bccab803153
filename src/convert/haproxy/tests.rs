//! What rules of HAProxy become: whoever they refuse is refused.

use std::net::IpAddr;
use std::path::Path;

use crate::convert::disk::Nothing;
use crate::convert::list::Weight;
use crate::convert::peer::Peer;
use crate::convert::{Converted, convert};
use crate::limit::prefixes::Prefixes;

fn converted(text: &str) -> Converted {
    convert(Peer::Haproxy, text, "haproxy.cfg", Path::new("/etc/haproxy"), &Nothing)
}

/// A rule for addresses: whether it begins with `unless`, and the prefixes.
type Rule = (bool, &'static [&'static str]);

fn frontend(rules: &[Rule]) -> String {
    let mut text = String::from("frontend f\n  mode tcp\n  bind 127.0.0.1:443 ssl crt a.pem\n  default_backend b\n");
    for (is_unless, nets) in rules {
        let word = if *is_unless { "unless" } else { "if" };
        text += &format!("  tcp-request connection reject {word} {{ src {} }}\n", nets.join(" "));
    }
    text + "backend b\n  server s 127.0.0.1:80\n"
}

/// The rules that were taken over, whom they admit there, and whom they admit in HAProxy.
fn admitted(rules: &[Rule], clients: &[IpAddr]) -> (Vec<Rule>, Vec<bool>, Vec<bool>) {
    let Converted { text, left } = converted(&frontend(rules));
    let config = crate::config::parse(&text, Path::new("/")).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    let limits = &config.listeners[0].limits;
    let prefixes = Prefixes::new(&limits.allow, &limits.deny);
    // The first rule is in the fifth line.
    let is_taken =
        |index: usize| !left.iter().any(|left| left.weight == Weight::Security && left.line.number == index + 5);
    let taken: Vec<Rule> = (0..rules.len()).filter(|index| is_taken(*index)).map(|index| rules[index]).collect();
    let passes = |client: &IpAddr, (is_unless, nets): &Rule| {
        let matches = nets.iter().any(|net| crate::convert::place::prefix(net).unwrap().contains(client));
        matches == *is_unless
    };
    let theirs = clients.iter().map(|client| taken.iter().all(|rule| passes(client, rule))).collect();
    (taken, clients.iter().map(|client| prefixes.allows(*client)).collect(), theirs)
}

#[test]
fn whom_the_rules_refuse_in_whichever_order_is_refused() {
    let nets: [&[&str]; 6] = [
        &["203.0.113.0/24"],
        &["203.0.113.7", "203.0.113.8"],
        &["203.0.0.0/16"],
        &["198.51.100.0/24", "203.0.113.8"],
        &["0.0.0.0/0"],
        &["2001:db8::/32"],
    ];
    let texts =
        ["203.0.113.7", "203.0.113.8", "203.0.113.9", "203.0.1.1", "198.51.100.1", "192.0.2.1", "2001:db8::1", "::1"];
    let clients = texts.map(|client| client.parse().unwrap());
    let rules: Vec<Rule> = nets.iter().flat_map(|nets| [(true, *nets), (false, *nets)]).collect();
    let longer = |lists: Vec<Vec<Rule>>| -> Vec<Vec<Rule>> {
        lists.iter().flat_map(|list| rules.iter().map(|rule| [&list[..], &[*rule]].concat())).collect()
    };
    let (mut lists, mut checked) = (vec![Vec::new()], 0);
    for _ in 0..=3 {
        for list in &lists {
            let (taken, ours, theirs) = admitted(list, &clients);
            assert_eq!(ours, theirs, "{}", frontend(list));
            // Only a second list of those who may connect is left out, and listed.
            let several = list.iter().filter(|(is_unless, _)| *is_unless).count() > 1;
            assert!(several || taken == *list, "{}", frontend(list));
            checked += 1;
        }
        lists = longer(lists);
    }
    assert_eq!(checked, 1 + 12 + 12 * 12 + 12 * 12 * 12);
}

#[test]
fn a_rule_that_leaves_nobody_of_the_allowed_ones_admits_nobody() {
    let (net, hosts): (&[&str], &[&str]) = (&["203.0.113.0/24"], &["203.0.113.7", "203.0.113.8"]);
    for rules in [
        [(true, net), (false, net)],
        [(false, net), (true, net)],
        [(true, hosts), (false, net)],
        [(false, net), (true, hosts)],
    ] {
        let Converted { text, .. } = converted(&frontend(&rules));
        assert!(!text.contains("allow") && text.contains("\"0.0.0.0/0\"") && text.contains("\"::/0\""), "{text}");
    }
    // One more rule opens nothing.
    let Converted { text, .. } = converted(&frontend(&[(true, net), (false, net), (true, &["198.51.100.0/24"])]));
    assert!(!text.contains("allow"), "{text}");
}

#[test]
fn defaults_of_defaults_are_taken_over_and_the_nearest_ones_count() {
    let Converted { text, left } = converted(
        "defaults one\n  mode tcp\n  timeout client 1m\n  timeout client-fin 1s\ndefaults two from one\n  timeout client 2m\ndefaults\n  timeout client 9m\nfrontend f from two\n  bind 127.0.0.1:443 ssl crt a.pem\n  timeout client-fin 3s\n  default_backend b\nbackend b\n  server s 127.0.0.1:80\n",
    );
    assert!(text.contains("idle_timeout = \"2m\"") && text.contains("half_close_timeout = \"3s\""), "{left:?}\n{text}");
}

#[test]
fn long_defaults_of_many_sections_end_in_the_list() {
    let mut text = frontend(&[]) + "defaults\n" + &"  timeout connect 1234567ms\n".repeat(6000);
    let last = 6000;
    for backend in 0..=last {
        text += &format!("backend b{backend}\n  server s 127.0.0.1:80\n");
    }
    let Converted { text, left } = converted(&text);
    let found =
        left.iter().filter(|left| left.text == format!("backend b{last}") && left.why.contains("too long together"));
    assert_eq!(found.count(), 1, "{:?}", left.last());
    assert!(text.contains("127.0.0.1:443"), "{text}");
}

#[test]
fn many_defaults_each_of_the_one_before_end_in_the_list_too() {
    let defaults: String = (1..30_000).map(|at| format!("defaults d{at} from d{}\n", at - 1)).collect();
    let backends: String = (0..3000).map(|at| format!("backend b{at}\n")).collect();
    let Converted { left, .. } = converted(&format!("{}defaults d0\n{defaults}{backends}", frontend(&[])));
    assert!(left.iter().any(|left| left.why.contains("too long together")), "{:?}", left.last());
}

#[test]
fn a_file_without_anything_that_listens_says_so() {
    for text in
        ["defaults\n  mode tcp\n  timeout client 5s\n", "global\n  maxconn 5\nbackend b\n  server s 127.0.0.1:80\n"]
    {
        let Converted { text: written, left } = converted(text);
        assert!(written.is_empty() && left.iter().any(|left| left.why.contains("\"frontend\"")), "{left:?}");
    }
    assert!(converted(" \n").left.is_empty());
}

#[test]
fn a_section_without_a_name_or_with_nothing_in_it_is_in_the_list() {
    for (text, why) in [
        ("listen\n", "no name"),
        ("listen\n  mode tcp\n  server s 127.0.0.1:80\n", "no name"),
        ("frontend\n  bind 127.0.0.1:443 ssl crt a.pem\n", "no name"),
        ("backend\n  server s 127.0.0.1:80\n", "no name"),
        ("listen a\n", "listens nowhere"),
        ("listen a\n  mode tcp\n", "listens nowhere"),
        ("frontend a\n  mode tcp\n", "listens nowhere"),
    ] {
        let Converted { left, .. } = converted(text);
        assert!(left.iter().any(|left| left.why.contains(why) && left.line.number == 1), "{text}: {left:?}");
    }
    let Converted { left, .. } = converted("listen a\n  server s 127.0.0.1:80\n");
    assert!(!left.iter().any(|left| left.why.contains("nowhere")), "a backend: {left:?}");
}
