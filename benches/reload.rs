//! The cost of loading 10,000 certificates, and of loading them again after one has changed. Run by hand:
//! `cargo bench --bench reload`. It asserts nothing about time.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, Issuer, KeyPair};
use tlsgate::config;
use tlsgate::snapshot::Snapshot;
use tlsgate::tls::certificate::store::Trust;

const COUNT: usize = 10_000;
const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("certs");
    fs::create_dir(&certs).unwrap();
    let authority = Issuer::new(CertificateParams::new(Vec::new()).unwrap(), KeyPair::generate().unwrap());
    for number in 0..COUNT {
        write(&certs, number, &authority);
    }
    let text = "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n\n\
                [backend.b]\nservers = [\"127.0.0.1:1\"]\n";
    let config = config::parse(text, folder.path()).unwrap();
    let build =
        |before: &Snapshot, trust| Snapshot::build(&config, before, trust, jiff::Timestamp::now()).unwrap().snapshot;
    // Files that were written just now are always read again; the first load waits until they no longer count as new.
    std::thread::sleep(Duration::from_secs(4));
    let mut state = Snapshot::default();
    measure("the first load", 1, || state = build(&Snapshot::default(), Trust::Bytes));
    for (what, trust) in [("by the files' stamps", Trust::Stamps), ("by the files' bytes", Trust::Bytes)] {
        measure(&format!("loaded again {what}, nothing changed"), ROUNDS, || state = build(&state, trust.clone()));
        let mut number = 0;
        measure(&format!("loaded again {what}, one changed"), ROUNDS, || {
            number += 1;
            write(&certs, number, &authority);
            state = build(&state, trust.clone());
        });
    }
    measure_bad(&certs, || {
        build(&state, Trust::Stamps);
    });
}

/// Half of the certificates, and then all, lose their keys: the cost must double.
fn measure_bad(certs: &Path, mut load: impl FnMut()) {
    for count in [COUNT / 2, COUNT] {
        for number in 0..count {
            let _ = fs::remove_file(certs.join(format!("n{number}.key")));
        }
        measure(&format!("loaded again, {count} keys are gone"), ROUNDS, &mut load);
    }
}

fn write(certs: &Path, number: usize, authority: &Issuer<'_, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![format!("n{number}.test")]).unwrap();
    fs::write(certs.join(format!("n{number}.crt")), params.signed_by(&key, authority).unwrap().pem()).unwrap();
    let path = certs.join(format!("n{number}.key"));
    fs::write(&path, key.serialize_pem()).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Prints the medians of wall time and processor time.
fn measure(what: &str, rounds: usize, mut work: impl FnMut()) {
    let mut walls = Vec::new();
    let mut cpus = Vec::new();
    for _ in 0..rounds {
        let (wall, cpu) = (Instant::now(), processor_time());
        work();
        walls.push(wall.elapsed());
        cpus.push(processor_time() - cpu);
    }
    walls.sort();
    cpus.sort();
    let (wall, cpu) = (walls[rounds / 2], cpus[rounds / 2]);
    println!("{what}: {} ms, of which processor {} ms", wall.as_millis(), cpu.as_millis());
}

/// User and system time of this process, from the kernel's ticks of 10 ms.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
