//! A process that cannot outlive this one.
//!
//! Rules:
//! - Each is in a process group of its own: Ctrl-C in a terminal reaches this program and not its
//!   children, and a signal reaches what the child has started itself.
//! - Dropped, it is killed with its whole group and reaped. SIGKILL works on a frozen process too.
//! - If this program itself is killed, the kernel kills the child (`PR_SET_PDEATHSIG`, through
//!   `setpriv`, because a crate without `unsafe` cannot call it between fork and exec). The kernel
//!   means the *thread* that forked: all processes are therefore started by one thread that lives as
//!   long as the program.
//!
//! Simplified: where there is no `setpriv` (it is part of util-linux), a killed ktrial-real leaves its
//! processes behind.
//!
//! Source: ours.
//! Next: `once.rs`.

use crate::failure::{Failure, Interrupt};
use rustix::process::{Pid, kill_process_group};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a process can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End at once: SIGKILL.
    Kill,
    /// End in an orderly way: SIGTERM.
    Terminate,
    /// Freeze: SIGSTOP.
    Stop,
    /// Go on after that: SIGCONT.
    Continue,
}

/// A running process, or one that has ended and was not looked at yet.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ended: Option<ExitStatus>,
}

/// How a process ended, with what it wrote.
#[derive(Debug)]
pub struct Finished {
    /// Its end.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

type Request = (Command, Sender<io::Result<Child>>);

/// The thread that starts all processes.
static STARTER: OnceLock<Sender<Request>> = OnceLock::new();

impl Process {
    /// Starts it, without standard input.
    ///
    /// # Errors
    /// There is no such program, or the machine can have no more processes.
    pub fn start(mut command: Command) -> io::Result<Self> {
        command.process_group(0).stdin(Stdio::null());
        let starter = STARTER.get_or_init(|| {
            let (requests, to_do) = mpsc::channel::<Request>();
            thread::spawn(move || {
                for (mut command, answer) in to_do {
                    // Nobody waits for the answer any more: the child would never be reaped.
                    if let Err(mpsc::SendError(Ok(mut child))) = answer.send(command.spawn()) {
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                }
            });
            requests
        });
        let (answer, started) = mpsc::channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        starter.send((command, answer)).map_err(|_| gone())?;
        let child = started.recv().map_err(|_| gone())??;
        Ok(Self { child, ended: None })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it and all that it has started. Nothing happens if it has ended.
    pub fn signal(&self, signal: Signal) {
        let signal = match signal {
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Stop => rustix::process::Signal::STOP,
            Signal::Continue => rustix::process::Signal::CONT,
        };
        // Once it is reaped, its number can be that of a stranger.
        if self.ended.is_none() {
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Runs a program to its end, at most so long.
    ///
    /// # Errors
    /// It cannot be started, it takes too long, or the user stops it. It is killed then.
    pub fn run(
        mut command: Command,
        limit: Duration,
        interrupt: &Interrupt,
        on_line: &dyn Fn(&str),
    ) -> Result<Finished, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Self::start(command);
        let mut process =
            started.map_err(|error| Failure::Rig(format!("cannot start `{program}`: {error}")))?;
        let (lines, arrived) = mpsc::channel();
        let stdout = process
            .child
            .stdout
            .take()
            .map(|from| reader(from, Some(lines)));
        let stderr = process.child.stderr.take().map(|from| reader(from, None));
        let status = interrupt.wait(limit, || {
            arrived.try_iter().for_each(|line: String| on_line(&line));
            Ok(process.ended())
        })?;
        let Some(status) = status else {
            let why = format!("`{program}` did not end within {} s", limit.as_secs());
            return Err(Failure::Rig(why));
        };
        Ok(Finished {
            status,
            stdout: text(stdout),
            stderr: text(stderr),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
        if self.ended.is_none() {
            let _ = self.child.wait();
        }
    }
}

/// How a process ended, in words.
pub(crate) fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(9)) => "was killed (SIGKILL)".to_owned(),
        (None, Some(15)) => "was ended (SIGTERM)".to_owned(),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Reads all of a pipe, and passes on its lines as they come.
fn reader(
    mut from: impl Read + Send + 'static,
    lines: Option<Sender<String>>,
) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let mut told = 0;
        let mut piece = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            all.extend_from_slice(&piece[..length]);
            while let Some(end) = all[told..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&all[told..told + end]).into_owned();
                told += end + 1;
                if let Some(lines) = &lines {
                    let _ = lines.send(line);
                }
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    })
}

fn text(reader: Option<JoinHandle<String>>) -> String {
    reader
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default()
}
