//! The whole benchmark once, on a small scale, with tlsgate alone.

use clap::Parser;
use serde_json::Value;

use crate::command::{self, Options};
use crate::network::{self, Network};

fn ran(arguments: &[&str]) -> Result<(String, Value, String), String> {
    let folder = tempfile::tempdir().unwrap();
    let [json, svg] = ["report.json", "report.svg"].map(|name| folder.path().join(name).display().to_string());
    let files = ["--json", &json, "--svg", &svg];
    let usual = ["peers", "--quick", "--rounds", "1", "--peers", "tlsgate"];
    let options = Options::parse_from(usual.iter().chain(arguments).chain(&files));
    let network = Network { own: false, congestion_control: "as it is".into(), warnings: vec!["a warning".into()] };
    // On a thread of its own, since it binds itself to a core.
    let text = std::thread::spawn(move || command::run(&options, Some(network)).map_err(|error| error.to_string()));
    let text = text.join().unwrap()?;
    let report = std::fs::read_to_string(json).unwrap();
    Ok((text, serde_json::from_str(&report).unwrap(), std::fs::read_to_string(svg).unwrap()))
}

#[test]
fn a_row_comes_with_its_samples_and_what_was_set() {
    let (text, report, picture) = ran(&["--rows", "full-ecdsa-1.3", "--settings"]).unwrap();
    assert!(text.contains("| full handshake, ECDSA, TLS 1.3, µs |") && text.contains("- a warning"), "{text}");
    assert!(text.contains("access = \"off\""), "{text}");
    let samples = &report["results"][0]["cells"]["tlsgate"]["samples"];
    let samples: Vec<f64> = samples.as_array().unwrap().iter().map(|sample| sample.as_f64().unwrap()).collect();
    assert_eq!(samples.len(), 2, "{report}");
    // A handshake takes some time, but less than a second.
    assert!(samples.iter().all(|sample| (10.0..1e6).contains(sample)), "{samples:?}");
    assert!(picture.starts_with("<svg"));
}

#[test]
fn idle_connections_certificates_and_workers_are_measured() {
    let sizes = ["--idle", "40", "--certificates", "20", "--rows", "idle-40,many,workers"];
    let (text, report, _) = ran(&sizes).unwrap();
    let rows: Vec<&str> =
        report["results"].as_array().unwrap().iter().map(|row| row["row"].as_str().unwrap()).collect();
    let states = ["idle-40", "beside-40", "many-start", "many-memory", "many-one", "many-random", "many-reload"];
    let workers = ["workers-short-1", "workers-short-2", "workers-long-1", "workers-long-2"];
    assert_eq!(rows, [&states[..], &workers].concat());
    for row in report["results"].as_array().unwrap() {
        assert_eq!(row["cells"]["tlsgate"]["fault"], Value::Null, "{text}");
    }
    let memory = &report["results"][3]["cells"]["tlsgate"]["samples"][0];
    assert!((1.0..1000.0).contains(&memory.as_f64().unwrap()), "{memory} MiB");
}

#[test]
fn names_that_nothing_has_are_refused() {
    assert!(ran(&["--rows", "no-such-row"]).unwrap_err().contains("--list"));
    let options = Options::parse_from(["peers", "--peers", "nobody"]);
    let network = Network { own: false, congestion_control: String::new(), warnings: Vec::new() };
    assert!(command::run(&options, Some(network)).unwrap_err().to_string().contains("--list"));
}

#[test]
fn what_there_is_can_be_listed() {
    let options = Options::parse_from(["peers", "--list"]);
    let text = command::run(&options, None).unwrap();
    for name in ["full-ecdsa-1.3", "push-16", "passthrough-pull", "many", "tlsgate: ", "naive: tokio-rustls"] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    for name in ["haproxy", "nginx", "stunnel", "hitch", "envoy"] {
        assert!(text.contains(&format!("  {name}: ")) || text.contains(&format!("  {name} is missing: ")), "{text}");
    }
}

#[test]
fn the_network_is_its_own_or_the_reason_is_given() {
    let setting = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let before = setting();
    std::thread::spawn(|| {
        let network = network::enter();
        assert!(network.own || !network.warnings.is_empty());
        assert!(network.congestion_control == "cubic" || !network.warnings.is_empty());
        let routes = std::process::Command::new("ip").args(["route", "show", "table", "local"]).output();
        let routes = routes.map(|output| String::from_utf8(output.stdout).unwrap()).unwrap_or_default();
        assert_eq!(network.own, routes.contains("congctl cubic"), "{routes}");
    })
    .join()
    .unwrap();
    assert_eq!(setting(), before, "the machine's settings are as they were");
}
