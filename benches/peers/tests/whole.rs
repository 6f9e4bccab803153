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

/// The names and cells of the rows of a report.
fn cells(report: &Value) -> Vec<(&str, &Value)> {
    let rows = report["results"].as_array().unwrap().iter();
    rows.map(|row| (row["row"].as_str().unwrap(), &row["cells"]["tlsgate"])).collect()
}

#[test]
fn latency_is_measured_beside_each_load() {
    let rows = "beside-handshakes,beside-uploads,beside-reload";
    let (text, report, _) = ran(&["--seconds", "0.3", "--certificates", "3", "--rows", rows]).unwrap();
    let cells = cells(&report);
    for (row, cell) in &cells {
        // In so short a time there are too few samples for some percentiles, which the report says.
        let fault = cell["fault"].as_str().unwrap_or_default();
        assert!(fault.is_empty() || row.contains("-p99") && fault.contains("too few"), "{row}: {fault}");
        if fault.is_empty() {
            let samples: Vec<f64> = cell["samples"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
            assert!(samples.len() == 2 && samples.iter().all(|sample| *sample >= 0.0), "{row}: {samples:?}");
        }
    }
    let names: Vec<&str> = cells.iter().map(|(row, _)| *row).collect();
    for name in ["handshakes-done", "uploads-moved", "uploads-cost", "reload-max", "reload-each"] {
        assert!(names.contains(&format!("beside-{name}").as_str()), "{name} is missing in {names:?}");
    }
    assert!(text.contains("| 64 B beside RSA handshakes: done meanwhile, 1/s (more is better) |"), "{text}");
}

#[test]
fn goodput_is_measured_or_the_load_says_that_it_is_too_slow() {
    let (text, report, _) = ran(&["--seconds", "1", "--rows", "goodput-2x,latency-connections-500,crowd-100"]).unwrap();
    for (row, cell) in cells(&report) {
        // Neither program is optimized here. A proxy that others keep from working refuses what it could not do in time.
        let fault = cell["fault"].as_str().unwrap_or_default();
        let slow =
            ["cannot keep up", "not done", "too few", "the proxy refuses"].iter().any(|known| fault.contains(known));
        let samples: Vec<f64> = cell["samples"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        assert!(slow || samples.len() == 2, "{row}: {text}");
        // However slow they are, none of its clients is refused or ended within this time.
        if row == "crowd-100-open" && !slow {
            assert!(samples.iter().all(|share| (0.9..=1.0).contains(share)), "{samples:?}: {text}");
        }
    }
}

#[test]
fn names_that_nothing_has_are_refused() {
    assert!(ran(&["--rows", "no-such-row"]).unwrap_err().contains("--list"));
    let options = Options::parse_from(["peers", "--peers", "nobody"]);
    let network = Network { own: false, congestion_control: String::new(), warnings: Vec::new() };
    assert!(command::run(&options, Some(network)).unwrap_err().to_string().contains("--list"));
    for seconds in ["0", "-1", "1000", "nan"] {
        let wrong = format!("--seconds={seconds}");
        assert!(ran(&["--rows", "latency-*", &wrong]).unwrap_err().contains("--seconds"), "{seconds}");
    }
}

#[test]
fn what_there_is_can_be_listed() {
    let options = Options::parse_from(["peers", "--list"]);
    let text = command::run(&options, None).unwrap();
    for name in
        ["full-ecdsa-1.3", "push-16", "passthrough-pull", "many", "goodput-2x", "tlsgate: ", "naive: tokio-rustls"]
    {
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
