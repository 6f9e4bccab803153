//! A network of its own for the run: settings that the whole machine has stay as they are, and nothing else is on it.

use std::fs;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

const CONGESTION: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// What the network is like, for the report.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Network {
    /// Whether it is this run's alone.
    pub(crate) own: bool,
    pub(crate) congestion_control: String,
    /// What could not be set, and why.
    pub(crate) warnings: Vec<String>,
}

/// Enters it. To be called before there are other threads.
///
/// Loopback under BBR paces what one connection sends and so doubles the work of proxies; cubic is what most machines
/// have.
pub(crate) fn enter() -> Network {
    let mut warnings = Vec::new();
    let own = match leave_the_machines() {
        Ok(()) => true,
        Err(why) => {
            warnings.push(format!("the run has no network of its own ({why}), and uses the machine's as it is"));
            false
        }
    };
    if own {
        for (path, value) in [
            (CONGESTION, "cubic"),
            ("/proc/sys/net/ipv4/ip_local_port_range", "10000 60999"),
            ("/proc/sys/net/ipv4/tcp_tw_reuse", "1"),
        ] {
            if let Err(error) = fs::write(path, value) {
                warnings.push(format!("{path} cannot be set to {value}: {error}"));
            }
        }
    }
    let congestion_control = fs::read_to_string(CONGESTION).unwrap_or_default().trim().to_owned();
    if congestion_control != "cubic" {
        warnings.push(format!("the congestion control is {congestion_control}, which changes what sending costs"));
    }
    Network { own, congestion_control, warnings }
}

fn leave_the_machines() -> Result<(), String> {
    if Command::new("ip").arg("-V").output().is_err() {
        return Err("\"ip\" is missing: apt-get install iproute2".into());
    }
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
    } else {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
        for (file, text) in
            [("setgroups", "deny".into()), ("uid_map", format!("0 {user} 1")), ("gid_map", format!("0 {group} 1"))]
        {
            fs::write(format!("/proc/self/{file}"), text).map_err(|error| format!("{file}: {error}"))?;
        }
    }
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().map_err(|error| error.to_string())?;
    if up.success() { Ok(()) } else { Err("the loopback interface cannot be brought up".into()) }
}
