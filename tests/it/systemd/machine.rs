//! A small machine of its own: namespaces of the kernel, in which systemd is the first process and nothing else runs. Needs
//! root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sched::{CloneFlags, setns};

use crate::support::procfs::eventually;
use crate::support::tool;

/// The machine. Dropping it ends all of its processes.
pub(crate) struct Machine {
    /// Of `unshare`, which ends with what it has started.
    outer: Child,
    /// Of systemd, as other processes see it.
    pid: String,
    cgroup: PathBuf,
    _folder: tempfile::TempDir,
}

impl Machine {
    /// Its files are those of this machine; see there for the rest.
    pub(crate) fn start() -> Self {
        Self::start_on(Path::new("/"))
    }

    /// Its files are those below `system`; what it changes is seen by nobody else, and is gone with it. The calling thread,
    /// and those that it starts, are in its network from now on.
    pub(crate) fn start_on(system: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cgroup = cgroup(folder.path());
        let joined = cgroup.join("cgroup.procs").display().to_string();
        let boot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/systemd/boot.sh");
        let console = File::create(folder.path().join("console")).unwrap();
        // It has to be in its cgroup before that becomes the root of all that it sees.
        let outer = Command::new("sh")
            .args(["-c", &format!("echo $$ >{joined} && exec unshare {NAMESPACES} sh \"$@\""), "sh"])
            .args([&boot, folder.path(), system])
            .stdin(Stdio::null())
            .stdout(console.try_clone().unwrap())
            .stderr(console)
            .spawn()
            .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", outer.id());
        let first = || fs::read_to_string(&children).ok()?.split_whitespace().next().map(str::to_owned);
        let pid = eventually("unshare starts a process", first);
        let machine = Self { outer, pid, cgroup, _folder: folder };
        eventually("systemd is running", || {
            let state = machine.output(&["systemctl", "is-system-running"]);
            (String::from_utf8_lossy(&state.stdout).trim() == "running").then_some(())
        });
        let network = File::open(format!("/proc/{}/ns/net", machine.pid)).unwrap();
        setns(network, CloneFlags::CLONE_NEWNET).unwrap();
        machine
    }

    /// Runs a program in the machine, which has to succeed, and returns its output.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        let output = self.output(command);
        assert!(output.status.success(), "{command:?}: {}", tool::shown(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The same, whether it succeeds or not.
    pub(crate) fn output(&self, command: &[&str]) -> Output {
        let enter =
            ["--target", &self.pid, "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd", "--"];
        tool::run("nsenter", &[&enter, command].concat(), b"")
    }

    /// A file of the machine, as it is seen from here.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    /// A property of a unit.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.run(&["systemctl", "show", "--property", name, "--value", unit])
    }

    /// A process of the machine, under the number that it has here.
    pub(crate) fn outside(&self, pid: &str) -> u32 {
        let is_it = |status: &str| {
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
            let numbers: Vec<&str> = numbers.split_whitespace().collect();
            (numbers.len() > 1 && numbers.last() == Some(&pid)).then(|| numbers[0].parse().unwrap())
        };
        let own = fs::read_link(format!("/proc/{}/ns/pid", self.pid)).unwrap();
        let mut all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        all.find_map(|process| {
            let found = is_it(&fs::read_to_string(process.path().join("status")).ok()?)?;
            (fs::read_link(process.path().join("ns/pid")).ok()? == own).then_some(found)
        })
        .unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        // With its first process, the kernel ends all others; then the cgroups are empty.
        eventually("its processes have ended", || remove(&self.cgroup).ok());
    }
}

/// A new cgroup, in the hierarchy of version 2 wherever that is mounted.
fn cgroup(folder: &Path) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[2] == "cgroup2");
    let cgroup = Path::new(mount.unwrap()[1]).join(format!("tlsgate{}", folder.file_name().unwrap().to_str().unwrap()));
    let missing = "cannot create a cgroup: this test needs root, and a machine or container of its own";
    fs::create_dir(&cgroup).unwrap_or_else(|error| panic!("{missing}: {error}"));
    cgroup
}

/// A cgroup with all below it.
fn remove(cgroup: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(cgroup)?.filter_map(Result::ok) {
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}

const NAMESPACES: &str = "--pid --fork --mount --cgroup --uts --ipc --net --propagation private --kill-child";
