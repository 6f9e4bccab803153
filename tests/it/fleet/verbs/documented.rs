//! Three machines in ten minutes: the commands of the document, on three addresses of this one.

use super::*;
use crate::support::procfs::eventually;

/// Processes that are ended with the test.
struct Processes(Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The blocks of the first section, in the document's order.
fn blocks() -> Vec<String> {
    let document = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fleet.md")));
    let section = document.split("\n## ").nth(1).unwrap();
    let blocks = section.split("\n```").skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').unwrap().1.to_owned()).collect()
}

struct Machines {
    folder: TempDir,
    /// What the addresses of all three begin with.
    network: String,
}

impl Machines {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A text of the document with the addresses and folders of this test, for one of the machines.
    fn here(&self, text: &str, machine: usize) -> String {
        let folder = |name: &str| self.path(&format!("{name}{machine}")).display().to_string();
        text.replace("10.0.1.5:636", &format!("{}{machine}:0", self.network))
            .replace("10.0.0.", &self.network)
            .replace("/etc/etcd", &folder("etcd"))
            .replace("/var/lib/etcd", &folder("data"))
            .replace("/var/lib/tlsgate", &folder("state"))
    }

    fn sh(&self, text: &str) -> Command {
        let programs = Path::new(PROGRAM).parent().unwrap().display();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-ec", text]).env("PATH", path).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn does(&self, text: &str) -> String {
        let output = self.sh(text).output().unwrap();
        assert!(output.status.success(), "{text}: {}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that goes on, with what it prints in a file.
    fn start(&self, text: &str, log: &str) -> Child {
        let log = fs::File::create(self.path(log)).unwrap();
        let text = format!("exec {text}");
        self.sh(&text).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }
}

#[test]
fn three_machines_in_ten_minutes() {
    let id = std::process::id();
    let network = format!("127.{}.{}.", 200 + id / 250 % 50, id % 250);
    let machines = Machines { folder: TempDir::new().unwrap(), network };
    let [certificates, etcd, key, settings, run, publish] = <[String; 6]>::try_from(blocks()).unwrap();
    // Members look from where each other's connections come, which is one address for all of them here.
    let names = "subjectAltName=$kind:$name";
    assert!(certificates.contains(names));
    let certificates = certificates.replace(names, &format!("{names},IP:127.0.0.1"));
    machines.does(&machines.here(&certificates, 1));
    let mut processes = Processes(Vec::new());
    for machine in 1..=3 {
        let (folder, address) = (machines.path(&format!("etcd{machine}")), format!("{}{machine}", machines.network));
        fs::create_dir(&folder).unwrap();
        fs::copy(machines.path("ca.pem"), folder.join("ca.pem")).unwrap();
        for kind in ["crt", "key"] {
            fs::copy(machines.path(&format!("{address}.{kind}")), folder.join(format!("tls.{kind}"))).unwrap();
        }
        // The names of all members are in one line, and everything else is the machine's own.
        let first = format!("{}1:", machines.network);
        let own = |line: &str| match line.trim_start().starts_with("--initial-cluster ") {
            true => line.to_owned(),
            false => line.replace(&first, &format!("{address}:")).replace("--name m1", &format!("--name m{machine}")),
        };
        let command: Vec<String> = machines.here(&etcd, machine).lines().map(own).collect();
        processes.0.push(machines.start(&command.join("\n"), &format!("etcd{machine}.log")));
    }
    machines.does(&key);
    let pki = Pki::new();
    let (certificate, private) = pki.pair(&["ldap.test"], Key::P256, &Extra::default());
    fs::write(machines.path("ldap.pem"), certificate + &private).unwrap();
    let configuration = "[[listener]]\nname = \"ldaps\"\nlisten = \"10.9.9.9:636\"\ncertificates = \"ldap.pem\"\n\
                         backend = \"b\"\n[backend.b]\nservers = [\"192.0.2.1:389\"]\n";
    fs::write(machines.path("tlsgate.toml"), configuration).unwrap();
    for (machine, name) in (1..).zip(["a", "b", "c"]) {
        // All three have one host name here.
        let own = format!("[fleet]\nnode = \"{name}\"\n");
        let file = format!("fleet{machine}.toml");
        fs::write(machines.path(&file), machines.here(&settings, machine).replace("[fleet]\n", &own)).unwrap();
        processes.0.push(machines.start(&run.replace("fleet.toml", &file), &format!("{name}.log")));
    }
    fs::copy(machines.path("fleet1.toml"), machines.path("fleet.toml")).unwrap();
    // Nodes wait for a first release, and members for each other.
    let [publish, status] = publish.lines().collect::<Vec<_>>()[..] else { panic!("{publish}") };
    eventually("the release is published", || machines.sh(publish).status().unwrap().success().then_some(()));
    let mut told = String::new();
    eventually("all nodes serve it", || {
        let output = machines.sh(status).output().unwrap();
        if told != shown(&output) {
            told = shown(&output);
            eprintln!("{told}");
        }
        output.status.success().then_some(())
    });
    assert!(told.contains("node c: release 1"), "{told}");
}
