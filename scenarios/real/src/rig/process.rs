//! A process of the cluster. It is gone when its value is dropped, frozen or not.
//!
//! Where `setpriv` exists, the kernel kills the process when the thread that started it ends, so that even a
//! SIGKILL of ktrial-real leaves none behind. A cluster is therefore started, watched and ended by one
//! thread.

use super::cannot;
use crate::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// A running process.
pub(super) struct Process(Child);

impl Process {
    /// Starts the command; what it prints goes to `folder/server.log`, behind what is there.
    pub(super) fn start(command: Command, folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("server.log");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(|error| cannot("write", &path, &error))?;
        let copy = log
            .try_clone()
            .map_err(|error| cannot("write", &path, &error))?;
        let mut command = dies_with_us(command);
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy);
        // In a group of its own: a Ctrl-C at the terminal is for us, and we end it in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map(Self).map_err(|error| {
            Failure::Rig(format!(
                "cannot run {}: {error}",
                command.get_program().display()
            ))
        })
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let sent = pid.map_or(Ok(()), |pid| kill_process(pid, signal));
        sent.map_err(|error| Failure::Rig(format!("cannot signal a process: {error}")))
    }

    /// Kills it and waits until it is gone.
    pub(super) fn kill(&mut self, limit: Duration) -> Result<(), Failure> {
        let failed =
            |error: std::io::Error| Failure::Rig(format!("cannot kill a process: {error}"));
        self.0.kill().map_err(failed)?;
        let began = Instant::now();
        while self.0.try_wait().map_err(failed)?.is_none() {
            if began.elapsed() > limit {
                return Err(Failure::Rig("a killed process does not go".to_owned()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.0.try_wait() {
            Ok(status) => status.map(|status| status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command behind `setpriv`, if that exists.
fn dies_with_us(command: Command) -> Command {
    static EXISTS: OnceLock<bool> = OnceLock::new();
    let exists = EXISTS.get_or_init(|| {
        let mut probe = Command::new("setpriv");
        probe.args(["--pdeathsig", "KILL", "true"]);
        let probe = probe
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    });
    if !exists {
        return command;
    }
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program());
    wrapped.args(command.get_args().map(OsString::from));
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    wrapped
}
