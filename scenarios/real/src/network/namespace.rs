//! A host: a network namespace with one device, whose other end the switch holds.
//!
//! Rules:
//! - A namespace is named after its process (number and time of start), the network and the host, such as
//!   `kt-4711-86023-0-b1`. So those of several networks and processes never clash.
//! - A process that was killed leaves its namespaces. The next one sweeps them away: those whose process is
//!   gone, or whose number belongs to one that started at another time.
//! - Whoever is still in a namespace when it goes is killed: without that the namespace would live on,
//!   nameless.
//!
//! Simplified: processes are found in `/proc`. Those of another process namespace (a container) that shares
//! the folder of named network namespaces look dead.
//!
//! Source: ip-netns(8), setns(2), the kernel's `tuntap` document (a device belongs to the namespace of the
//! thread that opens it).
//!
//! Next: `packet.rs`.

use crate::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::process::{Command, Output};
use std::thread;
use tun_rs::{DeviceBuilder, SyncDevice};

/// Where `ip` keeps the names.
const FOLDER: &str = "/var/run/netns";
/// Every name begins so.
const PREFIX: &str = "kt";
/// Bits of an address that are the same for all hosts.
const SUBNET: u8 = 16;

/// A network namespace; gone when this is.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one for a host of this process's `network`.
    pub(super) fn new(network: u32, host: &str) -> Result<Self, Failure> {
        let pid = std::process::id();
        let Some(start) = started(pid) else {
            return Err(Failure::Rig(
                "/proc does not tell of this process".to_owned(),
            ));
        };
        let name = format!("{PREFIX}-{pid}-{start}-{network}-{host}");
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Gives it its device. What it sends is read from that, and what it gets is written to it.
    pub(super) fn device(&self, address: Ipv4Addr) -> Result<SyncDevice, Failure> {
        let open = || {
            let device = DeviceBuilder::new()
                .name("net")
                .ipv4(address, SUBNET, None)
                .mtu(super::MTU)
                .build_sync()?;
            device.set_nonblocking(true)?;
            Ok(device)
        };
        let device: std::io::Result<SyncDevice> = self.inside(open)?;
        device.map_err(|why| Failure::Rig(format!("cannot open a TUN device: {why}")))
    }

    /// Does something in a thread that is in this namespace. Threads and processes that it starts, and
    /// sockets that it opens, stay there.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
        let failed = |why| Failure::Rig(format!("cannot enter namespace {}: {why}", self.name));
        let file = File::open(format!("{FOLDER}/{}", self.name)).map_err(failed)?;
        let enter = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        };
        thread::scope(|scope| {
            let builder = thread::Builder::new().name(self.name.clone());
            let thread = builder.spawn_scoped(scope, enter).map_err(failed)?;
            let result: Result<T, rustix::io::Errno> =
                thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            result.map_err(|why| failed(why.into()))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes what processes left that were killed.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(FOLDER) else {
        return;
    };
    for entry in entries.flatten() {
        if let Ok(name) = entry.file_name().into_string()
            && is_left_over(&name, started)
        {
            remove(&name);
        }
    }
}

/// Whether a namespace is one of ours whose process is gone. `started` tells when a process began.
fn is_left_over(name: &str, started: impl Fn(u32) -> Option<u64>) -> bool {
    let mut parts = name.split('-');
    let (prefix, pid, start) = (parts.next(), parts.next(), parts.next());
    let pid: Option<u32> = pid.and_then(|pid| pid.parse().ok());
    let start: Option<u64> = start.and_then(|start| start.parse().ok());
    match (prefix, pid, start) {
        (Some(PREFIX), Some(pid), Some(start)) if parts.count() == 2 => started(pid) != Some(start),
        _ => false,
    }
}

/// When a process started, in ticks since the machine did; `None` if it is gone, or is but a zombie.
fn started(pid: u32) -> Option<u64> {
    start_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The field of that name in `/proc/PID/stat`. The second field is the command in brackets, with anything
/// in it.
fn start_time(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(start)
}

/// Kills who is in a namespace and removes it. What cannot be done here, the next sweep does.
fn remove(name: &str) {
    let inside = run(&["netns", "pids", name]).map(|output| output.stdout);
    let inside = String::from_utf8(inside.unwrap_or_default()).unwrap_or_default();
    let own = i32::try_from(std::process::id()).ok();
    for pid in inside.lines().filter_map(|line| line.trim().parse().ok()) {
        if Some(pid) != own
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _gone_already = kill_process(pid, Signal::KILL);
        }
    }
    let _swept_later = run(&["netns", "del", name]);
}

/// Runs `ip`; fails with what it says.
fn ip(arguments: &[&str]) -> Result<(), Failure> {
    let output = run(arguments).map_err(|why| Failure::Rig(format!("cannot run `ip`: {why}")))?;
    if output.status.success() {
        return Ok(());
    }
    let (command, why) = (arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    Err(Failure::Rig(format!("`ip {command}`: {}", why.trim())))
}

fn run(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new("ip").args(arguments).output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_process_left_that_is_gone_is_swept_away() {
        let started = |pid| (pid == 7).then_some(100);
        for (name, left_over, why) in [
            ("kt-7-100-0-b1", false, "it runs"),
            (
                "kt-7-99-0-b1",
                true,
                "its number belongs to another one now",
            ),
            ("kt-8-100-0-b1", true, "it is gone"),
            ("kt-8-100-0", false, "not of our form"),
            ("kt-8-100-0-b1-x", false, "not of our form"),
            ("kt-b1", false, "not of our form"),
            ("blue", false, "somebody else's"),
        ] {
            assert_eq!(is_left_over(name, started), left_over, "{name}: {why}");
        }
    }

    #[test]
    fn a_start_is_read_behind_any_name_and_a_zombie_is_gone() {
        let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 86023 20";
        assert_eq!(start_time(&format!("7 (a) b) S {rest}")), Some(86_023));
        assert_eq!(start_time(&format!("7 (ab) Z {rest}")), None);
        assert_eq!(start_time("7 (ab) S 1 2"), None);
        assert!(started(std::process::id()).is_some());
    }
}
