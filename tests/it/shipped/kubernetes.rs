//! The manifests for Kubernetes: taken by kustomize and by the schema of Kubernetes, and true to each other.

use serde_json::{Value, json};

use super::{documents, list, path, words};
use crate::support::tool;

/// What `kubectl kustomize` makes of the folder.
pub(super) fn built() -> String {
    let (program, folder) = (tool::from_pypi("kubectl"), path("config/kubernetes"));
    let output = tool::run(program.to_str().unwrap(), &["kustomize", folder.to_str().unwrap()], b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The object of that kind and name.
pub(super) fn object<'a>(all: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = all.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The configuration in the ConfigMap.
pub(super) fn configuration() -> String {
    let all = documents(&built());
    words(&object(&all, "ConfigMap", "tlsgate")["data"]["tlsgate.toml"]).to_owned()
}

#[test]
fn the_schema_of_the_oldest_and_of_the_newest_version_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    let takes = |text: &str, version: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let program = tool::from_pypi("python");
        let fixed = ["-m", "kubernetes_validate", "--strict", file.to_str().unwrap()];
        tool::run(program.to_str().unwrap(), &[&fixed[..3], version, &fixed[3..]].concat(), b"")
    };
    let built = built();
    // 1.30 is the first with the pause of preStop without a shell.
    for version in [&["-k", "1.30"][..], &[]] {
        let output = takes(&built, version);
        assert!(output.status.success(), "{version:?}: {}", tool::shown(&output));
    }
    for (right, wrong) in [
        ("maxSurge: 1", "maxSurges: 1"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: 'true'"),
        ("unhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicies"),
    ] {
        assert!(built.contains(right), "{right}");
        assert!(!takes(&built.replace(right, wrong), &[]).status.success(), "{wrong}");
    }
}

#[test]
fn every_selector_and_port_finds_what_it_is_for() {
    let all = documents(&built());
    let deployment = object(&all, "Deployment", "tlsgate");
    let pod = &deployment["spec"]["template"];
    let labels = pod["metadata"]["labels"].as_object().unwrap();
    let has = |labels: &serde_json::Map<String, Value>, wanted: &Value| {
        let wanted = wanted.as_object().unwrap();
        assert!(!wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value)), "{wanted:?}");
    };
    has(labels, &deployment["spec"]["selector"]["matchLabels"]);
    has(labels, &object(&all, "PodDisruptionBudget", "tlsgate")["spec"]["selector"]["matchLabels"]);
    let policy = &object(&all, "NetworkPolicy", "tlsgate")["spec"];
    has(labels, &policy["podSelector"]["matchLabels"]);
    for constraint in list(&pod["spec"]["topologySpreadConstraints"]) {
        has(labels, &constraint["labelSelector"]["matchLabels"]);
    }
    let container = &pod["spec"]["containers"][0];
    let ports: Vec<&str> = list(&container["ports"]).iter().map(|port| words(&port["name"])).collect();
    assert_eq!(ports, ["https", "probes"]);
    for service in ["tlsgate", "tlsgate-metrics"] {
        let service = object(&all, "Service", service);
        has(labels, &service["spec"]["selector"]);
        list(&service["spec"]["ports"]).iter().for_each(|port| assert!(ports.contains(&words(&port["targetPort"]))));
    }
    // What the world reaches has no metrics.
    assert_eq!(list(&object(&all, "Service", "tlsgate")["spec"]["ports"]).len(), 1);
    for rule in list(&policy["ingress"]) {
        list(&rule["ports"]).iter().for_each(|port| assert!(ports.contains(&words(&port["port"]))));
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "probes", "{probe}");
    }
    let monitor = &object(&all, "ServiceMonitor", "tlsgate")["spec"];
    let metrics = object(&all, "Service", "tlsgate-metrics");
    has(metrics["metadata"]["labels"].as_object().unwrap(), &monitor["selector"]["matchLabels"]);
    let named = list(&metrics["spec"]["ports"]).iter().any(|port| port["name"] == monitor["endpoints"][0]["port"]);
    assert!(named);
    // It has the labels of the other service but for one, so that it does not find that.
    let label = words(&monitor["jobLabel"]);
    assert_eq!(metrics["metadata"]["labels"][label], "tlsgate");
}

#[test]
fn the_configuration_and_the_deployment_agree() {
    let all = documents(&built());
    let config: toml::Table = configuration().parse().unwrap();
    let pod = &object(&all, "Deployment", "tlsgate")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let port = |name: &str| {
        let ports = list(&container["ports"]);
        ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].as_u64().unwrap()
    };
    assert!(config["admin"]["probes"].as_str().unwrap().ends_with(&format!(":{}", port("probes"))));
    for address in config["listener"][0]["listen"].as_array().unwrap() {
        assert!(address.as_str().unwrap().ends_with(&format!(":{}", port("https"))));
    }
    let mounts: Vec<&str> = list(&container["volumeMounts"]).iter().map(|mount| words(&mount["mountPath"])).collect();
    let below = |path: &str| mounts.iter().any(|mount| path.starts_with(&format!("{mount}/")));
    assert!(below(words(&container["args"][2])));
    assert!(below(config["admin"]["listen"].as_str().unwrap().strip_prefix("unix:").unwrap()));
    let certificates = config["listener"][0]["certificates"][0].as_str().unwrap();
    assert!(mounts.iter().any(|mount| mount.starts_with(&format!("{certificates}/"))));
    assert!(list(&container["volumeMounts"]).iter().all(|mount| mount["subPath"].is_null()));
    let volumes: Vec<&Value> = list(&pod["volumes"]).iter().map(|volume| &volume["name"]).collect();
    assert_eq!(list(&container["volumeMounts"]).iter().map(|mount| &mount["name"]).collect::<Vec<_>>(), volumes);
    // 0440: a key that everybody may read is a warning.
    assert_eq!(pod["volumes"][1]["secret"]["defaultMode"], 0o440);
    let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<u64>().unwrap();
    let drain = seconds(config["runtime"]["shutdown_timeout"].as_str().unwrap());
    let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    assert!(pause + drain < pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    // The network policy lets it reach its backend.
    let server = config["backend"]["web"]["servers"][0].as_str().unwrap();
    let (_, backend) = server.rsplit_once(':').unwrap();
    let egress = list(&object(&all, "NetworkPolicy", "tlsgate")["spec"]["egress"]);
    assert!(egress.iter().any(|rule| rule["ports"][0]["port"] == backend.parse::<u64>().unwrap()));
}

#[test]
fn the_pod_keeps_to_the_strictest_standard_of_kubernetes() {
    let all = documents(&built());
    let spec = &object(&all, "Deployment", "tlsgate")["spec"];
    assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    let pod = &spec["template"]["spec"];
    let security = &pod["securityContext"];
    assert_eq!((&security["runAsNonRoot"], &security["runAsUser"]), (&json!(true), &json!(65532)));
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"], false);
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[key].is_null(), "{key}");
    }
    let container = &pod["containers"][0];
    let expected = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] }
    });
    assert_eq!(container["securityContext"], expected);
    assert!(
        container["resources"]["limits"]["memory"].is_string() && container["resources"]["limits"]["cpu"].is_null()
    );
}
