//! The files for Compose, as Docker's own program reads them.

use std::fs;

use serde_json::Value;

use super::{list, path, text, words};
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::tool;

/// What `docker compose config` makes of the file, which needs no engine.
fn project(profiles: &[&str]) -> Value {
    let program = tool::from_pypi("docker-compose");
    let file = path("config/compose/compose.yaml");
    let mut arguments = vec!["--file", file.to_str().unwrap()];
    profiles.iter().for_each(|profile| arguments.extend(["--profile", profile]));
    arguments.extend(["config", "--format", "json"]);
    let output = tool::run(program.to_str().unwrap(), &arguments, b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn compose_takes_the_file_and_finds_the_files_that_it_names() {
    let (plain, all) = (project(&[]), project(&["monitoring"]));
    let count = |project: &Value| project["services"].as_object().unwrap().len();
    assert_eq!((count(&plain), count(&all)), (2, 4));
    let mut seen = 0;
    for (name, service) in all["services"].as_object().unwrap() {
        for volume in service["volumes"].as_array().into_iter().flatten().filter(|volume| volume["type"] == "bind") {
            assert!(fs::exists(words(&volume["source"])).unwrap(), "{name}: {volume}");
            assert_eq!(volume["read_only"], true, "{name}: {volume}");
            seen += 1;
        }
    }
    assert_eq!(seen, 4);
}

#[test]
fn the_container_may_do_nothing_that_it_does_not_need() {
    let project = project(&[]);
    let tlsgate = &project["services"]["tlsgate"];
    assert_eq!((&tlsgate["user"], &tlsgate["read_only"]), (&"65532:65532".into(), &true.into()));
    assert_eq!(tlsgate["cap_drop"], Value::from(vec!["ALL"]));
    assert_eq!(tlsgate["security_opt"], Value::from(vec!["no-new-privileges:true"]));
    assert!(tlsgate["privileged"].is_null() && tlsgate["cap_add"].is_null());
    assert_eq!(project["networks"]["back"]["internal"], true);
    // What stops it waits longer than it takes to stop.
    let config: toml::Table = text("config/compose/tlsgate/tlsgate.toml").parse().unwrap();
    let shutdown = config["runtime"]["shutdown_timeout"].as_str().unwrap().strip_suffix('s').unwrap();
    let grace = words(&tlsgate["stop_grace_period"]).strip_suffix('s').unwrap();
    assert!(shutdown.parse::<u64>().unwrap() < grace.parse().unwrap());
}

#[test]
fn its_configuration_is_good_and_has_what_the_others_ask_for() {
    let pki = Pki::new();
    pki.write("certs", "web", &["www.example.com"], Key::P256, &Extra::default());
    let config = text("config/compose/tlsgate/tlsgate.toml");
    let checked = check(pki.folder(), &config);
    assert_eq!((checked.ok, checked.errors, checked.warnings), (true, Vec::new(), Vec::new()));
    let config: toml::Table = config.parse().unwrap();
    let prometheus = super::yaml("config/prometheus/prometheus.yml");
    let target = words(&prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0]);
    let (host, port) = target.split_once(':').unwrap();
    assert!(config["admin"]["hosts"].as_array().unwrap().iter().any(|name| name.as_str() == Some(host)));
    assert!(config["admin"]["probes"].as_str().unwrap().ends_with(&format!(":{port}")));
    let project = project(&[]);
    assert!(project["services"].as_object().unwrap().contains_key(host));
    let published = &project["services"]["tlsgate"]["ports"][0]["target"];
    let listens = config["listener"][0]["listen"].as_array().unwrap();
    assert!(listens[0].as_str().unwrap().ends_with(&format!(":{published}")));
    let server = config["backend"]["web"]["servers"][0].as_str().unwrap();
    let service = server.strip_prefix("dns:").unwrap().split(':').next().unwrap();
    let networks = |name: &str| project["services"][name]["networks"].as_object().unwrap().contains_key("back");
    assert!(networks(service) && networks("tlsgate"));
    assert!(!list(&project["services"]["tlsgate"]["tmpfs"]).is_empty());
}
