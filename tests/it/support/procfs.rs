//! What the kernel reports about a process: its memory, its open files. And waiting for states without an event.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Resident memory in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// The processor time of a process so far (proc_pid_stat(5)).
pub(crate) fn processor(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// The number of its open files.
pub(crate) fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The bytes of a connection that the kernel holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queued {
    /// Written, and not yet acknowledged by the peer's kernel.
    pub(crate) unsent: u64,
    /// Received, and not yet read.
    pub(crate) unread: u64,
}

pub(crate) fn queued(tcp: &TcpStream) -> Queued {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    let (local, peer) = (port(tcp.local_addr().unwrap()), port(tcp.peer_addr().unwrap()));
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|columns| columns[1].ends_with(&local) && columns[2].ends_with(&peer)).unwrap();
    let (unsent, unread) = row[4].split_once(':').unwrap();
    let bytes = |hex| u64::from_str_radix(hex, 16).unwrap();
    Queued { unsent: bytes(unsent), unread: bytes(unread) }
}

/// Looks repeatedly until `look` finds something. For states that no event announces.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The first address of IPv4 on which a process accepts connections, for programs that do not tell which port they got.
pub(crate) fn listens(pid: u32) -> Option<SocketAddr> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let sockets: Vec<String> =
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // 0A is LISTEN.
        if columns[3] != "0A" || !sockets.iter().any(|inode| inode == columns[9]) {
            return None;
        }
        let (ip, port) = columns[1].split_once(':')?;
        let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_le_bytes());
        Some(SocketAddr::from((ip, u16::from_str_radix(port, 16).ok()?)))
    })
}
