//! The thread between the devices and the switch: it reads packets, and writes those that are due.
//!
//! Rules:
//! - One thread waits for all devices at once, no longer than until something is due, and for a wake-up
//!   when the faults change or the network ends.
//! - It reads at most so many packets from one device before it looks at the next.
//! - What a device does not take is lost; TCP sends it again.
//!
//! Source: ours; the kernel's `tuntap` document.
//!
//! Next: `mod.rs`.

use super::packet::Packet;
use super::switch::Switch;
use crate::failure::Failure;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, read, write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tun_rs::SyncDevice;

/// Packets that are read from one device in a row.
const ROW: usize = 32;
/// The largest packet.
const LARGEST: usize = 65_536;

/// The switch at work; its thread ends with this.
#[derive(Debug)]
pub(super) struct Pump {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with whoever changes the faults.
#[derive(Debug)]
struct Shared {
    switch: Mutex<Switch>,
    start: Instant,
    bell: OwnedFd,
    over: AtomicBool,
}

impl Pump {
    /// Begins to carry packets between devices, one per host, in the switch's order.
    pub(super) fn start(switch: Switch, devices: Vec<SyncDevice>) -> Result<Self, Failure> {
        let failed = |why| Failure::Rig(format!("cannot start the switch: {why}"));
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let shared = Arc::new(Shared {
            switch: Mutex::new(switch),
            start: Instant::now(),
            bell: eventfd(0, flags).map_err(|why| failed(why.into()))?,
            over: AtomicBool::new(false),
        });
        let same = Arc::clone(&shared);
        let builder = thread::Builder::new().name("switch".to_owned());
        let carry = move || carry(&same, devices.into_iter().map(Some).collect());
        let thread = Some(builder.spawn(carry).map_err(failed)?);
        Ok(Self { shared, thread })
    }

    /// Looks at the switch or changes it, at the time that is given.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Switch, Duration) -> T) -> T {
        let now = self.shared.now();
        let result = change(&mut self.shared.switch(), now);
        self.shared.ring();
        result
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.ring();
        if let Some(thread) = self.thread.take() {
            let _it_panicked = thread.join();
        }
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn switch(&self) -> MutexGuard<'_, Switch> {
        self.switch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread. A bell that rings already is as good.
    fn ring(&self) {
        let _rings_already = write(&self.bell, &1_u64.to_ne_bytes());
    }
}

/// The thread. A device that fails is given up: it is `None` from then on.
fn carry(shared: &Shared, mut devices: Vec<Option<SyncDevice>>) {
    let mut buffer = vec![0; LARGEST];
    while !shared.over.load(Ordering::Relaxed) {
        let ready = wait(shared, &devices);
        let _silent_already = read(&shared.bell, &mut [0_u8; 8]);
        for host in ready {
            if let Some(device) = &devices[host]
                && take(shared, host, device, &mut buffer).is_err()
            {
                devices[host] = None;
            }
        }
        let due = shared.switch().due(shared.now());
        for (host, packet) in due {
            if let Some(device) = &devices[host] {
                let _lost = device.send(packet.bytes());
            }
        }
    }
}

/// Waits until a device has something, something is due or the bell rings. Returns the hosts that have.
fn wait(shared: &Shared, devices: &[Option<SyncDevice>]) -> Vec<usize> {
    let next = shared.switch().next();
    let left = next.map(|at| at.saturating_sub(shared.now()));
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    let open = devices.iter().enumerate();
    let open: Vec<_> = open
        .filter_map(|(host, d)| Some((host, d.as_ref()?)))
        .collect();
    let bell = PollFd::from_borrowed_fd(shared.bell.as_fd(), PollFlags::IN);
    let each = open
        .iter()
        .map(|(_, d)| PollFd::from_borrowed_fd(d.as_fd(), PollFlags::IN));
    let mut all: Vec<PollFd<'_>> = each.chain([bell]).collect();
    if poll(&mut all, left.as_ref()).is_err() {
        return Vec::new();
    }
    let ready = open
        .iter()
        .zip(&all)
        .filter(|(_, fd)| !fd.revents().is_empty());
    ready.map(|((host, _), _)| *host).collect()
}

/// Reads what a host sends; fails if its device does.
fn take(
    shared: &Shared,
    host: usize,
    device: &SyncDevice,
    buffer: &mut [u8],
) -> Result<(), std::io::Error> {
    for _ in 0..ROW {
        match device.recv(buffer) {
            Ok(size) => {
                if let Some(packet) = Packet::read(&buffer[..size]) {
                    shared.switch().take(shared.now(), host, packet);
                }
            }
            Err(why) => {
                let passing = [Errno::AGAIN, Errno::INTR].map(|e| e.kind());
                return if passing.contains(&why.kind()) {
                    Ok(())
                } else {
                    Err(why)
                };
            }
        }
    }
    Ok(())
}
