//! A network of its own for the run: settings of the whole machine stay as they are, and no other traffic is on it.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use socket2::SockRef;

const CONGESTION: &str = "cubic";

/// The state of the network, for the report.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Network {
    /// Whether it belongs to this run alone.
    pub(crate) own: bool,
    pub(crate) congestion_control: String,
    /// What could not be set, and the reason.
    pub(crate) warnings: Vec<String>,
}

/// Enters the network. Call this before there are other threads.
///
/// Under BBR, loopback paces each connection, which doubles the work of proxies; cubic is the default of most
/// machines.
pub(crate) fn enter() -> Network {
    let mut warnings = Vec::new();
    let own = match leave_host_network().and_then(|()| set_up()) {
        Ok(()) => true,
        Err(why) => {
            warnings.push(format!("the run has no network of its own ({why}), and uses the machine's as it is"));
            false
        }
    };
    let congestion_control = congestion_control().unwrap_or_else(|error| error.to_string());
    if congestion_control != CONGESTION {
        warnings.push(format!("the congestion control is {congestion_control}, which changes what sending costs"));
    }
    Network { own, congestion_control, warnings }
}

/// The algorithm of both ends of a connection: the one in use, not the one that is set somewhere.
fn congestion_control() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    let [client, server] = [client, server].map(|end| SockRef::from(&end).tcp_congestion());
    let name = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned();
    let (client, server) = (name(client?), name(server?));
    Ok(if client == server { client } else { format!("{client} and {server}") })
}

fn leave_host_network() -> Result<(), String> {
    if Command::new("ip").arg("-V").output().is_err() {
        return Err("\"ip\" is missing: apt-get install iproute2".into());
    }
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
    } else {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
        // Without root, gid_map can be written only after setgroups is denied (user_namespaces(7)).
        for (file, text) in
            [("setgroups", "deny".into()), ("uid_map", format!("0 {user} 1")), ("gid_map", format!("0 {group} 1"))]
        {
            fs::write(format!("/proc/self/{file}"), text).map_err(|error| format!("{file}: {error}"))?;
        }
    }
    Ok(())
}

fn set_up() -> Result<(), String> {
    ip(&["link", "set", "lo", "up"])?;
    // The setting of the network allows only the algorithms that the machine allows to every user; a route's setting
    // allows all.
    for route in ["127.0.0.0/8", "127.0.0.1"] {
        let local = ["route", "change", "local", route, "dev", "lo", "table", "local", "proto", "kernel"];
        ip(&[&local[..], &["scope", "host", "src", "127.0.0.1", "congctl", CONGESTION]].concat())?;
    }
    // Short connections leave their ports in TIME_WAIT; these settings give more ports and use them again.
    for (file, value) in [("ip_local_port_range", "10000 60999"), ("tcp_tw_reuse", "1")] {
        fs::write(format!("/proc/sys/net/ipv4/{file}"), value).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("ip {}: {message}", arguments.join(" "))) }
}
