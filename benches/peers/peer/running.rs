//! A running proxy, with a backend of its own.

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Launch, Peer, Setting, Tuning};
use crate::load::backend::Backend;
use crate::material::{Many, Material};
use crate::processor::{self, Tree, Used};

/// The longest time until a proxy listens: with few certificates, and with many.
const START: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(120)];
/// The longest time for a proxy to end after its signal.
const STOP: Duration = Duration::from_secs(1);

pub(crate) struct Running {
    pub(crate) launch: Launch,
    pub(crate) ecdsa: SocketAddr,
    pub(crate) rsa: SocketAddr,
    pub(crate) passthrough: SocketAddr,
    pub(crate) backend: Backend,
    pub(crate) tree: Tree,
    child: Child,
    log: PathBuf,
}

/// The cores on which things run.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    pub(crate) load: Vec<usize>,
    pub(crate) proxy: Vec<usize>,
}

/// Everything that starting a proxy needs, besides the proxy.
pub(crate) struct Start<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) cores: &'a Cores,
    pub(crate) tuning: Tuning,
    pub(crate) material: &'a Material,
    pub(crate) many: Option<&'a Many>,
    pub(crate) workers: usize,
}

impl Running {
    pub(crate) fn start(peer: &Peer, start: &Start<'_>) -> io::Result<Self> {
        let (here, folder) = place(start.folder)?;
        let backend = Backend::start(SocketAddr::new(here, 20_000))?;
        let [ecdsa, rsa, passthrough] = [20_001, 20_002, 20_003].map(|port| SocketAddr::new(here, port));
        let launch = peer.configure(&Setting {
            folder: &folder,
            ecdsa,
            rsa,
            passthrough,
            backend: backend.address,
            tuning: start.tuning,
            material: start.material,
            many: start.many,
            workers: start.workers,
        })?;
        let log = folder.join("log");
        let child = spawn(&launch, &log, start.cores)?;
        let tree = Tree::new(child.id());
        let mut running = Self { launch, ecdsa, rsa, passthrough, backend, tree, child, log };
        let many = start.many.is_some();
        running.wait_until_listening(many, START[usize::from(many)])?;
        Ok(running)
    }

    fn wait_until_listening(&mut self, only_one: bool, limit: Duration) -> io::Result<()> {
        let mut addresses = vec![self.ecdsa];
        if !only_one {
            addresses.push(self.rsa);
            addresses.extend(self.launch.passthrough.then_some(self.passthrough));
        }
        let began = Instant::now();
        while !addresses.is_empty() {
            if let Some(status) = self.child.try_wait()? {
                let how = status.code().map_or_else(|| format!("{:?}", status.signal()), |code| code.to_string());
                return Err(io::Error::other(format!("it ended ({how}): {}", self.log_end())));
            }
            if began.elapsed() > limit {
                return Err(io::Error::other(format!("it does not listen: {}", self.log_end())));
            }
            addresses.retain(|address| TcpStream::connect(address).is_err());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The end of its log.
    pub(crate) fn log_end(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(4).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    /// Waits until everything that was begun has ended, and returns the processor time until then.
    pub(crate) async fn settled(&self, open: usize) -> io::Result<Used> {
        let began = Instant::now();
        let mut before = self.tree.used()?;
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = self.tree.used()?;
            let quiet = now.since(&before).is_ok_and(|used| used < Duration::from_micros(100));
            if quiet && self.backend.open() <= open || began.elapsed() > Duration::from_secs(5) {
                return Ok(now);
            }
            before = now;
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(pid(&self.child), signal)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill(pid(&self.child), Signal::SIGTERM);
        let began = Instant::now();
        while began.elapsed() < STOP {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Also its children, if it does not end them.
        for pid in self.tree.pids().unwrap_or_default() {
            let _ = kill(Pid::from_raw(pid.try_into().unwrap_or(0)), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap_or(0))
}

/// Starts it on its cores; it gets TERM when this thread ends.
fn spawn(launch: &Launch, log: &Path, cores: &Cores) -> io::Result<Child> {
    let log = File::create(log)?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(&launch.program).args(&launch.arguments);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    processor::pin(&cores.proxy)?;
    let child = command.spawn();
    processor::pin(&cores.load)?;
    child
}

/// A loopback address and a folder of its own, so that ports can be fixed and tests can run in parallel.
fn place(folder: &Path) -> io::Result<(IpAddr, PathBuf)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let folder = folder.join(format!("proxy{number}"));
    fs::create_dir_all(&folder)?;
    let number = u8::try_from(number % 120).unwrap_or(0);
    Ok((IpAddr::V4(Ipv4Addr::new(127, 100 + number, high, low.clamp(1, 254))), folder))
}

/// Raises the limit of descriptors to the hard limit, for this process and its children, and returns it.
pub(crate) fn take_files() -> io::Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}
