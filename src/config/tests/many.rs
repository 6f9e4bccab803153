//! Configurations with thousands of everything: what is right of a few is right of many.

use super::*;

/// Each of thousands of keys may be wrong, and say so, without a list of thousands of names each.
#[test]
fn of_many_names_a_message_lists_the_first_ones() {
    let backends: String =
        (0..1000).map(|number| format!("[backend.b{number:04}]\nservers = [\"127.0.0.1:{}\"]\n", number + 1)).collect();
    let listener = |number: usize| {
        let head = format!("[[listener]]\nname = \"l{number}\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]");
        format!("{head}\nbackend = \"none{number}\"\n")
    };
    let listeners: String = (0..1000).map(listener).collect();
    let errors = errors(&(listeners + &backends));
    assert_eq!(errors.len(), 1000);
    let first =
        "line 5, column 11: listener \"l0\": backend: unknown backend \"none0\" (expected one of b0000, b0001, ";
    assert!(errors[0].starts_with(first), "{}", errors[0]);
    assert!(errors[0].ends_with("b0039 and 960 more; a backend is written [backend.NAME])"), "{}", errors[0]);
    // The last one is as short, and has its own place.
    assert!(errors[999].starts_with("line 5000, column 11: listener \"l999\": backend: "), "{}", errors[999]);
    assert!(errors.iter().all(|error| error.len() < 500));
}

#[test]
fn servers_and_names_that_are_listed_twice_are_found_among_thousands() {
    let servers: Vec<String> =
        (0..4000).map(|number| format!("\"10.1.{}.{}:389\"", number / 250, number % 250)).collect();
    let list = format!("{}, {}", servers.join(", "), servers[17]);
    let found = errors(&REQUIRED.replace("\"10.0.1.10:389\", \"10.0.2.10:389\"", &list));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("servers[4000]: 10.1.0.17:389 is listed twice"), "{found:?}");
    let names: Vec<String> = (0..4000).map(|number| format!("\"n{number}.test\"")).collect();
    let route = format!("[[listener.route]]\nserver_names = [{}, \"N17.test\"]\n", names.join(", "));
    let found = errors(&REQUIRED.replace("\n[backend.", &format!("\n{route}\n[backend.")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("server_names[4000]: n17.test is listed twice"), "{found:?}");
}

#[test]
fn thousands_of_routes_without_a_name_are_numbered_in_order_around_those_that_have_one() {
    let route = |rest: &str| format!("[[listener.route]]\nserver_names = [\"same.test\"]\n{rest}\n");
    let mut routes = route("name = \"same.test (3)\"\nclient_alpn = [\"named\"]");
    for number in 0..4000 {
        routes += &route(&format!("client_alpn = [\"p{number}\"]"));
    }
    let text = REQUIRED.replace("\n[backend.", &format!("\n{routes}\n[backend."));
    let config = parse(&text, Path::new("/etc/tlsgate")).unwrap();
    let names: Vec<&str> = config.listeners[0].routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names[..4], ["same.test (3)", "same.test", "same.test (2)", "same.test (4)"]);
    assert_eq!(names.last(), Some(&"same.test (4001)"));
}

#[test]
fn prefixes_and_protocols_that_are_listed_twice_are_found_among_thousands() {
    let quoted = |list: &[String]| list.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ");
    let prefixes: Vec<String> = (0..4000).map(|number| format!("10.{}.{}.0/24", number / 250, number % 250)).collect();
    let allow = format!("allow = [{}, \"{}\"]", quoted(&prefixes), prefixes[17]);
    let config = parse(&with(&allow), Path::new("/etc/tlsgate")).unwrap();
    // One that is there twice counts once, and they stay in order.
    let allowed: Vec<String> = config.listeners[0].limits.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, prefixes);
    let found = errors(&with(&format!("{allow}\ndeny = [\"192.0.2.0/24\", \"{}\"]", prefixes[3999])));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("deny[1]: 10.15.249.0/24 is in allow as well (expected in one of the two)"),
        "{found:?}"
    );
    let mut protocols: Vec<String> = (0..4000).map(|number| format!("p{number}")).collect();
    let config = parse(&with(&format!("alpn = [{}]", quoted(&protocols))), Path::new("/etc/tlsgate")).unwrap();
    assert_eq!(config.listeners[0].alpn.len(), 4000);
    protocols.push("p17".to_owned());
    let found = errors(&with(&format!("alpn = [{}]", quoted(&protocols))));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("each once"), "{}", found[0].len());
}
